#include "tuf/metadata.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include "sign/privkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

static struct tuf_key *parse(const char *type, const char *scheme, const char *public)
{
	CLEANUP(json_release) json_t *object = json_pack("{s:s, s:s, s:{s:s}}", "keytype", type,
							 "scheme", scheme, "keyval", "public",
							 public);
	struct tuf_key *k;
	struct err e = ERR_INIT;
	assert_ok(tuf_key_parse("id", object, &k, &e), &e);
	return k;
}

static bool usable(const char *type, const char *scheme, const char *public)
{
	CLEANUP_PTR(tuf_key_free) struct tuf_key *k = parse(type, scheme, public);
	return k->pkey;
}

static char *pem_of(EVP_PKEY *pkey)
{
	CLEANUP_PTR(tuf_key_free) struct tuf_key *k = NEW(struct tuf_key);
	CLEANUP(buf_release) struct buf text = BUF_INIT(16 * KIB);
	struct err e = ERR_INIT;
	EVP_PKEY_up_ref(pkey);
	k->pkey = pkey;
	assert_ok(tuf_key_to_pem(k, &text, &e), &e);
	return buf_steal(&text);
}

/* RFC 8032, section 7.1, test 2: one byte, 0x72. */
static void ed25519_verifies_the_published_vector(void **state)
{
	(void)state;
	static const char sig[] =
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
	uint8_t raw[64];
	assert_true(hex_decode(raw, sizeof raw, sig, false));
	CLEANUP_PTR(tuf_key_free) struct tuf_key *k =
		parse("ed25519", "ed25519",
		      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	assert_true(tuf_key_verify(k, "\x72", 1, raw, sizeof raw));
	assert_false(tuf_key_verify(k, "\x73", 1, raw, sizeof raw));
	assert_false(tuf_key_verify(k, "\x72", 1, raw, sizeof raw - 1));
	assert_false(tuf_key_verify(k, "\x72", 1, raw, 0));
	raw[5] ^= 1;
	assert_false(tuf_key_verify(k, "\x72", 1, raw, sizeof raw));
	assert_string_equal(tuf_key_kind(k), "Ed25519");
}

static void every_scheme_signs_and_verifies(void **state)
{
	(void)state;
	EVP_PKEY *keys[] = { EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_EC_gen("P-256"),
			     EVP_RSA_gen(2048) };
	static const char *const kinds[] = { "Ed25519", "ECDSA P-256", "RSA-PSS" };
	char *dir = scratch_new();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		/* Through a file, as another program writes it. */
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%zu.pem", dir, i);
		CLEANUP(buf_release) struct buf sig = BUF_INIT(4096);
		struct privkey *k;
		struct err e = ERR_INIT;
		FILE *f = fopen(path, "w");
		assert_int_equal(PEM_write_PKCS8PrivateKey(f, keys[i], NULL, NULL, 0, NULL, NULL),
				 1);
		fclose(f);
		chmod(path, 0600);
		assert_ok(privkey_load(path, NULL, &k, &e), &e);
		assert_ok(privkey_sign(k, "text", 4, &sig, &e), &e);
		const struct tuf_key *public = privkey_public(k);
		assert_string_equal(tuf_key_kind(public), kinds[i]);
		assert_true(tuf_key_verify(public, "text", 4, sig.data, sig.len));
		assert_false(tuf_key_verify(public, "tex", 3, sig.data, sig.len));
		assert_int_equal(strlen(public->id), 64);
		/* The public key that people hand over has the same id. */
		CLEANUP(buf_release) struct buf pem = BUF_INIT(16 * KIB);
		CLEANUP_PTR(tuf_key_free) struct tuf_key *again = NULL;
		assert_ok(tuf_key_to_pem(public, &pem, &e), &e);
		assert_ok(tuf_key_from_pem(pem.data, pem.len, "k.pub", &again, &e), &e);
		assert_string_equal(again->id, public->id);
		privkey_free(k);
		EVP_PKEY_free(keys[i]);
	}
	scratch_free(dir);
}

static void assert_unknown(const char *type, const char *scheme, const char *want)
{
	CLEANUP_PTR(tuf_key_free) struct tuf_key *k = parse(type, scheme, "00");
	const char *got = tuf_key_unknown_scheme(k);
	assert_null(k->pkey);
	assert_string_equal(got ? got : "(known)", want);
}

static void a_scheme_that_is_not_known_has_a_name(void **state)
{
	(void)state;
	assert_unknown("ml-dsa", "ml-dsa-65", "ml-dsa-65");
	assert_unknown("sigstore-oidc", "Fulcio", "Fulcio");
	assert_unknown("ecdsa", "ecdsa-sha2-nistp384", "(known)");
	assert_unknown("ed25519", "ed25519", "(known)");
}

static void key_ids_are_the_hash_of_the_canonical_key(void **state)
{
	(void)state;
	static const uint8_t raw[32] = { 1, 2, 3 };
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
	struct tuf_key *k;
	struct err e = ERR_INIT;
	assert_ok(tuf_key_from_pkey(pkey, &k, &e), &e);
	static const char text[] =
		"{\"keytype\":\"ed25519\",\"keyval\":{\"public\":"
		"\"0102030000000000000000000000000000000000000000000000000000000000\"},"
		"\"scheme\":\"ed25519\"}";
	struct digest d;
	char hex[DIGEST_HEX];
	sha256_of(text, sizeof text - 1, &d);
	assert_string_equal(k->id, digest_hex(hex, &d));
	tuf_key_free(k);
	EVP_PKEY_free(pkey);
}

/* The same P-256 key with its point compressed. */
static EVP_PKEY *compressed(EVP_PKEY *pkey)
{
	EVP_PKEY *copy = EVP_PKEY_dup(pkey);
	assert_int_equal(EVP_PKEY_set_utf8_string_param(copy,
							OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
							"compressed"),
			 1);
	return copy;
}

static void a_compressed_point_is_the_same_key(void **state)
{
	(void)state;
	EVP_PKEY *whole = EVP_EC_gen("P-256"), *half = compressed(whole);
	CLEANUP(mem_free_ptr) char *long_text = pem_of(whole), *short_text = pem_of(half);
	assert_true(strlen(short_text) < strlen(long_text));
	CLEANUP_PTR(tuf_key_free) struct tuf_key *a = parse("ecdsa", "ecdsa-sha2-nistp256",
							    long_text);
	CLEANUP_PTR(tuf_key_free) struct tuf_key *b = parse("ecdsa", "ecdsa-sha2-nistp256",
							    short_text);
	assert_true(digest_equal(&a->identity, &b->identity));
	/* Metadata keep what they say. */
	assert_string_equal(json_string_value(json_object_get(json_object_get(b->json, "keyval"),
							      "public")),
			    short_text);
	struct tuf_key *made[2];
	struct err e = ERR_INIT;
	assert_ok(tuf_key_from_pkey(half, &made[0], &e), &e);
	assert_ok(tuf_key_from_pem(short_text, strlen(short_text), "x", &made[1], &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(16 * KIB);
		assert_ok(tuf_key_to_pem(made[i], &text, &e), &e);
		assert_string_equal(text.data, long_text);
	}
	assert_string_equal(made[0]->id, made[1]->id);
	tuf_key_free(made[0]);
	tuf_key_free(made[1]);
	EVP_PKEY_free(whole);
	EVP_PKEY_free(half);
}

static void only_known_kinds_are_usable(void **state)
{
	(void)state;
	EVP_PKEY *p256 = EVP_EC_gen("P-256"), *p384 = EVP_EC_gen("P-384");
	EVP_PKEY *small = EVP_RSA_gen(1024), *rsa = EVP_RSA_gen(2048);
	CLEANUP(mem_free_ptr) char *ec = pem_of(p256), *ec384 = pem_of(p384);
	CLEANUP(mem_free_ptr) char *weak = pem_of(small), *strong = pem_of(rsa);
	static const char hex[] =
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
	assert_true(usable("ecdsa", "ecdsa-sha2-nistp256", ec));
	assert_true(usable("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", ec));
	assert_true(usable("rsa", "rsassa-pss-sha256", strong));
	assert_true(usable("ed25519", "ed25519", hex));
	assert_false(usable("ecdsa", "ecdsa-sha2-nistp256", ec384));
	assert_false(usable("ecdsa", "ecdsa-sha2-nistp256", strong));
	assert_true(usable("ecdsa", "ecdsa-sha2-nistp384", ec384));
	assert_true(usable("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", ec384));
	assert_false(usable("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", ec384));
	assert_false(usable("ecdsa", "ecdsa-sha2-nistp384", ec));
	assert_false(usable("rsa", "rsassa-pss-sha256", weak));
	assert_false(usable("rsa", "rsassa-pss-sha256", ec));
	assert_true(usable("rsa", "rsa-pkcs1v15-sha256", strong));
	assert_false(usable("rsa", "rsa-pkcs1v15-sha256", weak));
	assert_false(usable("rsa", "rsa-pkcs1v15-sha256", ec));
	assert_false(usable("ecdsa", "rsa-pkcs1v15-sha256", strong));
	assert_false(usable("rsa", "rsa-pkcs1v15-sha512", strong));
	assert_false(usable("ed25519", "ed25519", "00"));
	assert_false(usable("ed25519", "rsassa-pss-sha256", strong));
	assert_false(usable("sphincs", "sphincs", "00"));
	assert_false(usable("ecdsa", "ecdsa-sha2-nistp256", ""));
	assert_false(usable("ecdsa", "ecdsa-sha2-nistp256",
			    "-----BEGIN PUBLIC KEY-----\nAAAA\n"
			    "-----END PUBLIC KEY-----\n"));
	assert_false(usable("rsa", "rsassa-pss-sha256",
			    "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\n"
			    "DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END PUBLIC KEY-----\n"));
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(small);
	EVP_PKEY_free(rsa);
}

/* A signature, made as other programs make it. */
static size_t rsa_sign(EVP_PKEY *pkey, int padding, uint8_t *sig, size_t size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params = NULL;
	assert_int_equal(EVP_DigestSignInit(ctx, &params, EVP_sha256(), NULL, pkey), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(params, padding), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &size, (const uint8_t *)"text", 4), 1);
	EVP_MD_CTX_free(ctx);
	return size;
}

static void an_rsa_signature_has_the_padding_of_its_scheme(void **state)
{
	(void)state;
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	CLEANUP(mem_free_ptr) char *pem = pem_of(pkey);
	CLEANUP_PTR(tuf_key_free) struct tuf_key *pss = parse("rsa", "rsassa-pss-sha256", pem);
	CLEANUP_PTR(tuf_key_free) struct tuf_key *old = parse("rsa", "rsa-pkcs1v15-sha256", pem);
	uint8_t sig[256];
	size_t len = rsa_sign(pkey, RSA_PKCS1_PADDING, sig, sizeof sig);
	assert_true(tuf_key_verify(old, "text", 4, sig, len));
	assert_false(tuf_key_verify(old, "tex", 3, sig, len));
	assert_false(tuf_key_verify(pss, "text", 4, sig, len));
	len = rsa_sign(pkey, RSA_PKCS1_PSS_PADDING, sig, sizeof sig);
	assert_true(tuf_key_verify(pss, "text", 4, sig, len));
	assert_false(tuf_key_verify(old, "text", 4, sig, len));
	/* One key under two schemes is one key, and a key made here has the first. */
	assert_true(digest_equal(&pss->identity, &old->identity));
	assert_string_equal(tuf_key_kind(old), "RSA PKCS #1");
	EVP_PKEY_free(pkey);
}

/* The PEM of an RSA key whose modulus is just a number of so many bits. */
static char *rsa_of(int bits)
{
	BIGNUM *n = BN_new(), *exponent = BN_new();
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;
	BN_set_bit(n, bits - 1);
	BN_set_bit(n, 0);
	BN_set_word(exponent, 65537);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY_fromdata_init(ctx);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
	char *pem = pem_of(pkey);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	BN_free(exponent);
	BN_free(n);
	return pem;
}

static void rsa_keys_have_bounds(void **state)
{
	(void)state;
	static const struct {
		int bits;
		bool usable;
	} cases[] = {
		{ 2047, false },
		{ 2048, true },
		{ 16384, true },
		{ 16385, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *pem = rsa_of(cases[i].bits);
		assert_int_equal(usable("rsa", "rsassa-pss-sha256", pem), cases[i].usable);
	}
}

static void malformed_keys_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"[]",
		"{}",
		"{\"keytype\": 1, \"scheme\": \"x\", \"keyval\": {}}",
		"{\"keytype\": \"x\", \"scheme\": \"x\"}",
		"{\"keytype\": \"x\", \"scheme\": \"x\", \"keyval\": []}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(json_release) json_t *value = NULL;
		struct json_limits limits = { .max_bytes = 1000 };
		struct tuf_key *k;
		struct err e = ERR_INIT;
		assert_ok(json_parse(texts[i], strlen(texts[i]), &limits, "k", &value, &e), &e);
		assert_int_equal(tuf_key_parse("id", value, &k, &e), -ERR_INTEGRITY);
	}
}

static void private_keys_are_not_public_ones(void **state)
{
	(void)state;
	static const char private[] =
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	struct tuf_key *k;
	struct err e = ERR_INIT;
	assert_int_equal(tuf_key_from_pem(private, sizeof private - 1, "me.pem", &k, &e),
			 -ERR_USAGE);
	assert_string_equal(e.text, "me.pem: this is a private key, not a public one");
	err_clear(&e);
	assert_int_equal(tuf_key_from_pem("hello", 5, "x", &k, &e), -ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ed25519_verifies_the_published_vector),
		cmocka_unit_test(every_scheme_signs_and_verifies),
		cmocka_unit_test(a_scheme_that_is_not_known_has_a_name),
		cmocka_unit_test(key_ids_are_the_hash_of_the_canonical_key),
		cmocka_unit_test(a_compressed_point_is_the_same_key),
		cmocka_unit_test(only_known_kinds_are_usable),
		cmocka_unit_test(an_rsa_signature_has_the_padding_of_its_scheme),
		cmocka_unit_test(rsa_keys_have_bounds),
		cmocka_unit_test(malformed_keys_are_refused),
		cmocka_unit_test(private_keys_are_not_public_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
