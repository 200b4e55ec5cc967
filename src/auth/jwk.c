#include "auth/jwk.h"

#include "json/json.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/text.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <string.h>

#define SET_DEPTH 8
#define HS256_MIN_BYTES 32
#define MEMBER_MAX 2048 /* bytes of a decoded member: a modulus of 8192 bits has 1024 */
#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define RSA_EXPONENT_BITS 32 /* a larger one makes verifying slow, and no safer */
#define P256_BYTES 32
#define ED25519_BYTES 32
#define ED25519_SIG 64
#define POINT_UNCOMPRESSED 4

static const char *const alg_names[AUTH_ALGS] = { "HS256", "RS256", "ES256", "EdDSA" };

bool auth_alg_parse(const char *name, enum auth_alg *out)
{
	for (unsigned i = 0; i < AUTH_ALGS; i++)
		if (strcmp(alg_names[i], name) == 0) {
			*out = (enum auth_alg)i;
			return true;
		}
	return false;
}

static void jwk_release(struct auth_jwk *k)
{
	free(k->kid);
	EVP_PKEY_free(k->pkey);
	if (k->secret)
		mem_wipe(k->secret, k->secret_len);
	free(k->secret);
	*k = (struct auth_jwk){ 0 };
}

void auth_jwks_release(struct auth_jwks *s)
{
	for (size_t i = 0; i < s->count; i++)
		jwk_release(&s->at[i]);
	free(s->at);
	s->at = NULL;
	s->count = s->cap = 0;
}

/* -- reading --------------------------------------------------------------------------------- */

static bool get_bytes(const json_t *key, const char *member, struct buf *out)
{
	const char *text = json_text(key, member);
	return text && *text && base64_decode_url(out, text, strlen(text));
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	if (ctx && params && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static bool on_curve(EVP_PKEY *pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool is = ctx && EVP_PKEY_public_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return is;
}

static EVP_PKEY *read_ec(const json_t *key)
{
	CLEANUP(buf_release) struct buf x = BUF_INIT(P256_BYTES);
	CLEANUP(buf_release) struct buf y = BUF_INIT(P256_BYTES);
	uint8_t point[1 + 2 * P256_BYTES] = { POINT_UNCOMPRESSED };
	char group[] = "prime256v1";
	bool whole = get_bytes(key, "x", &x) && get_bytes(key, "y", &y) && x.len == P256_BYTES &&
		     y.len == P256_BYTES;
	EVP_PKEY *pkey = NULL;
	if (whole) {
		memcpy(point + 1, x.data, P256_BYTES);
		memcpy(point + 1 + P256_BYTES, y.data, P256_BYTES);
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
			OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point,
							  sizeof point),
			OSSL_PARAM_construct_end(),
		};
		pkey = from_params("EC", params);
	}
	if (pkey && !on_curve(pkey)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *exponent)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	if (build && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *pkey = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *read_rsa(const json_t *key)
{
	CLEANUP(buf_release) struct buf n = BUF_INIT(MEMBER_MAX);
	CLEANUP(buf_release) struct buf exponent = BUF_INIT(MEMBER_MAX);
	if (!get_bytes(key, "n", &n) || !get_bytes(key, "e", &exponent))
		return NULL;
	BIGNUM *modulus = BN_bin2bn((const uint8_t *)n.data, (int)n.len, NULL);
	BIGNUM *power = BN_bin2bn((const uint8_t *)exponent.data, (int)exponent.len, NULL);
	bool fits = modulus && power && BN_num_bits(modulus) >= RSA_MIN_BITS &&
		    BN_num_bits(modulus) <= RSA_MAX_BITS && BN_is_odd(modulus) &&
		    BN_is_odd(power) && !BN_is_one(power) &&
		    BN_num_bits(power) <= RSA_EXPONENT_BITS;
	EVP_PKEY *pkey = fits ? rsa_of(modulus, power) : NULL;
	BN_free(modulus);
	BN_free(power);
	return pkey;
}

/* The points of a small order, with all of their encodings but the sign: for one of them, as for a
 * key of zeros, everybody can make signatures that OpenSSL accepts (RFC 8032 leaves it open). */
static bool is_small_order(const uint8_t x[ED25519_BYTES])
{
	static const uint8_t points[][ED25519_BYTES] = {
		{ 0 },
		{ 1 },
		{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
		  0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
		  0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
		{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
		  0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
		  0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
	};
	uint8_t key[ED25519_BYTES];
	memcpy(key, x, sizeof key);
	key[ED25519_BYTES - 1] &= 0x7f;
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		if (memcmp(key, points[i], sizeof key) == 0)
			return true;
	/* 2^255 - 20, - 19, - 18: -1, and 0 and 1 once more. */
	size_t ff = 1;
	while (ff < ED25519_BYTES - 1 && key[ff] == 0xff)
		ff++;
	return key[0] >= 0xec && key[0] <= 0xee && ff == ED25519_BYTES - 1 && key[ff] == 0x7f;
}

static EVP_PKEY *read_ed25519(const json_t *key)
{
	CLEANUP(buf_release) struct buf x = BUF_INIT(MEMBER_MAX);
	if (!get_bytes(key, "x", &x) || x.len != ED25519_BYTES ||
	    is_small_order((const uint8_t *)x.data))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)x.data, x.len);
}

static bool read_secret(const json_t *key, struct auth_jwk *out)
{
	CLEANUP(buf_wipe) struct buf secret = BUF_INIT(MEMBER_MAX);
	if (!get_bytes(key, "k", &secret) || secret.len < HS256_MIN_BYTES)
		return false;
	out->secret_len = secret.len;
	out->secret = (uint8_t *)buf_steal(&secret);
	return true;
}

static bool is(const json_t *key, const char *member, const char *value)
{
	const char *text = json_text(key, member);
	return text && strcmp(text, value) == 0;
}

static bool read_material(const json_t *key, bool secrets, struct auth_jwk *out)
{
	if (is(key, "kty", "oct")) {
		out->alg = AUTH_HS256;
		return secrets && read_secret(key, out);
	}
	if (is(key, "kty", "RSA")) {
		out->alg = AUTH_RS256;
		out->pkey = read_rsa(key);
	} else if (is(key, "kty", "EC") && is(key, "crv", "P-256")) {
		out->alg = AUTH_ES256;
		out->pkey = read_ec(key);
	} else if (is(key, "kty", "OKP") && is(key, "crv", "Ed25519")) {
		out->alg = AUTH_EDDSA;
		out->pkey = read_ed25519(key);
	}
	return out->pkey;
}

/* RFC 9864 has the name "Ed25519" for what RFC 8037 calls "EdDSA". */
static bool alg_fits(const json_t *key, enum auth_alg alg)
{
	return !json_object_get(key, "alg") || is(key, "alg", alg_names[alg]) ||
	       (alg == AUTH_EDDSA && is(key, "alg", "Ed25519"));
}

static bool for_verifying(const json_t *key)
{
	const json_t *ops = json_object_get(key, "key_ops"), *op;
	size_t i;
	if (json_object_get(key, "use") && !is(key, "use", "sig"))
		return false;
	if (!ops)
		return true;
	json_array_foreach (ops, i, op)
		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	return false;
}

static bool read_key(const json_t *key, bool secrets, struct auth_jwk *out)
{
	const json_t *kid = json_object_get(key, "kid");
	if (!json_is_object(key) || (kid && !json_is_string(kid)) ||
	    json_string_length(kid) > AUTH_KID_MAX)
		return false;
	if (!for_verifying(key) || !read_material(key, secrets, out) || !alg_fits(key, out->alg)) {
		jwk_release(out);
		return false;
	}
	out->kid = kid ? mem_strdup(json_string_value(kid)) : NULL;
	return true;
}

int auth_jwks_parse(const void *data, size_t len, bool secrets, const char *what,
		    struct auth_jwks *out, struct err *e)
{
	static const struct json_limits limits = {
		.max_bytes = AUTH_JWK_MAX_BYTES,
		.max_depth = SET_DEPTH,
		.allow_real = true,
	};
	CLEANUP(json_release) json_t *document = NULL;
	struct auth_jwks set = { 0 };
	json_t *keys, *key;
	size_t i;
	int rc = json_parse(data, len, &limits, what, &document, e);
	if (rc == 0 && (rc = json_get_array(document, "", "keys", AUTH_JWKS_MAX, &keys, e)) < 0)
		return err_context(e, "%s", what);
	if (rc < 0)
		return rc;
	json_array_foreach (keys, i, key) {
		struct auth_jwk k = { 0 };
		if (!read_key(key, secrets, &k))
			continue;
		set.at = mem_grow(set.at, set.count, &set.cap, sizeof *set.at);
		set.at[set.count++] = k;
	}
	ERR_clear_error();
	if (json_array_size(keys) && !set.count)
		return err_set(e, ERR_INTEGRITY, "%s: has no key that can be used", what);
	*out = set;
	return 0;
}

bool auth_jwks_has_secret(const struct auth_jwks *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].secret)
			return true;
	return false;
}

const struct auth_jwk *auth_jwks_find(const struct auth_jwks *s, const char *kid, enum auth_alg alg)
{
	const struct auth_jwk *found = NULL;
	for (size_t i = 0; i < s->count; i++) {
		const struct auth_jwk *k = &s->at[i];
		if (k->alg != alg || (kid && (!k->kid || strcmp(k->kid, kid) != 0)))
			continue;
		if (found)
			return NULL;
		found = k;
	}
	return found;
}

/* -- verifying ------------------------------------------------------------------------------- */

static bool verify_hmac(const struct auth_jwk *k, const void *data, size_t len, const uint8_t *sig,
			size_t sig_len)
{
	uint8_t want[EVP_MAX_MD_SIZE];
	unsigned want_len = 0;
	return HMAC(EVP_sha256(), k->secret, (int)k->secret_len, data, len, want, &want_len) &&
	       sig_len == want_len && CRYPTO_memcmp(want, sig, want_len) == 0;
}

static bool verify_with(const struct auth_jwk *k, const EVP_MD *md, const void *data, size_t len,
			const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, k->pkey) == 1 &&
		    EVP_DigestVerify(ctx, sig, sig_len, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* The two numbers, one after the other, become the DER that OpenSSL reads. */
static bool verify_ecdsa(const struct auth_jwk *k, const void *data, size_t len, const uint8_t *sig,
			 size_t sig_len)
{
	if (sig_len != 2 * P256_BYTES)
		return false;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(sig, P256_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(sig + P256_BYTES, P256_BYTES, NULL);
	unsigned char *der = NULL;
	if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		ECDSA_SIG_free(pair);
		return false;
	}
	int der_len = i2d_ECDSA_SIG(pair, &der);
	bool good = der_len > 0 && verify_with(k, EVP_sha256(), data, len, der, (size_t)der_len);
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	return good;
}

bool auth_jwk_verify(const struct auth_jwk *k, const void *data, size_t len, const uint8_t *sig,
		     size_t sig_len)
{
	switch (k->alg) {
	case AUTH_HS256:
		return verify_hmac(k, data, len, sig, sig_len);
	case AUTH_RS256:
		return verify_with(k, EVP_sha256(), data, len, sig, sig_len);
	case AUTH_ES256:
		return verify_ecdsa(k, data, len, sig, sig_len);
	case AUTH_EDDSA:
		return sig_len == ED25519_SIG && verify_with(k, NULL, data, len, sig, sig_len);
	default:
		return false;
	}
}
