/* A token; and its claims, below a signature that is right. */
#include "auth/jwt.h"
#include "util/mem.h"
#include "util/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t secret[32] = "a secret of thirty-two bytes....";

static void add_base64url(struct buf *out, const void *data, size_t len)
{
	unsigned char text[4 * AUTH_JWT_MAX];
	int chars = EVP_EncodeBlock(text, data, (int)len);
	for (int i = 0; i < chars && text[i] != '='; i++)
		buf_addc(out, text[i] == '+' ? '-' : text[i] == '/' ? '_' : (char)text[i]);
}

static void check(const char *text, bool *valid)
{
	struct err e = ERR_INIT;
	struct auth_jwk key = { .alg = AUTH_HS256, .secret = (uint8_t *)secret, .secret_len = 32 };
	struct auth_jwt_terms terms = { .issuer = "i", .audience = "a", .now_s = 1000 };
	struct auth_jwt t = { 0 };
	struct auth_who who = { 0 };
	int64_t expires_s = 0;
	*valid = false;
	if (auth_jwt_parse(text, &t, &e) < 0)
		return;
	if (auth_jwt_verify(&t, &key, &terms, &who, &expires_s, &e) == 0) {
		*valid = true;
		if (expires_s <= terms.now_s || who.trusted || !who.known ||
		    !str_starts(who.name, AUTH_TOKEN_PREFIX) || who.count > AUTH_SCOPES_MAX)
			abort();
	}
	auth_who_release(&who);
	auth_jwt_release(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, len);
	CLEANUP(buf_release) struct buf token = BUF_INIT(MIB);
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	bool valid;
	check(text, &valid);
	if (valid || len > AUTH_JWT_MAX)
		return 0;
	buf_adds(&token, "eyJhbGciOiJIUzI1NiJ9.");
	add_base64url(&token, data, len);
	HMAC(EVP_sha256(), secret, 32, (const uint8_t *)token.data, token.len, mac, &mac_len);
	buf_addc(&token, '.');
	add_base64url(&token, mac, mac_len);
	check(buf_str(&token), &valid);
	return 0;
}
