#include "sign/modelsig.h"

#include "tuf/dsse.h"
#include "util/base64.h"
#include "sign/privkey.h"
#include "util/mem.h"
#include "util/text.h"

#include "unit.h"

static const struct modelsig_file files[] = {
	{ "m-00002-of-00002.gguf", { { 2 } } },
	{ "M.gguf", { { 3 } } },
	{ "m-00001-of-00002.gguf", { { 1 } } },
};

static struct signer *signer_of(enum privkey_kind kind)
{
	struct err e = ERR_INIT;
	struct privkey *k;
	assert_ok(privkey_new(kind, &k, &e), &e);
	return privkey_signer(k, "a key");
}

static json_t *parsed(const void *data, size_t len)
{
	static const struct json_limits limits = { .max_bytes = MODELSIG_MAX_BYTES };
	struct err e = ERR_INIT;
	json_t *json;
	assert_ok(json_parse(data, len, &limits, "x", &json, &e), &e);
	return json;
}

static const char *string_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	assert_non_null(text);
	return text;
}

static void the_statement_lists_files_by_name(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(MODELSIG_MAX_BYTES);
	struct digest root;
	uint8_t raw[3 * DIGEST_SIZE] = { 0 };
	char hex[DIGEST_HEX];
	assert_ok(modelsig_statement("m:q4", files, 3, &text, &e), &e);
	json_t *s = parsed(text.data, text.len);
	assert_string_equal(string_at(s, "_type"), "https://in-toto.io/Statement/v1");
	assert_string_equal(string_at(s, "predicateType"), "https://model_signing/signature/v1.0");
	json_t *predicate = json_object_get(s, "predicate");
	json_t *resources = json_object_get(predicate, "resources");
	static const char *const names[] = { "M.gguf", "m-00001-of-00002.gguf",
					     "m-00002-of-00002.gguf" };
	static const uint8_t firsts[] = { 3, 1, 2 };
	assert_int_equal(json_array_size(resources), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *r = json_array_get(resources, i);
		raw[i * DIGEST_SIZE] = firsts[i];
		struct digest d = { { firsts[i] } };
		assert_string_equal(string_at(r, "name"), names[i]);
		assert_string_equal(string_at(r, "algorithm"), "sha256");
		assert_string_equal(string_at(r, "digest"), digest_hex(hex, &d));
	}
	sha256_of(raw, sizeof raw, &root);
	json_t *subjects = json_object_get(s, "subject");
	assert_int_equal(json_array_size(subjects), 1);
	json_t *subject = json_array_get(subjects, 0);
	assert_string_equal(string_at(subject, "name"), "m:q4");
	assert_string_equal(string_at(json_object_get(subject, "digest"), "sha256"),
			    digest_hex(hex, &root));
	json_t *how = json_object_get(predicate, "serialization");
	assert_string_equal(string_at(how, "method"), "files");
	assert_string_equal(string_at(how, "hash_type"), "sha256");
	assert_true(json_is_false(json_object_get(how, "allow_symlinks")));
	assert_true(json_is_array(json_object_get(how, "ignore_paths")));
	json_decref(s);
	buf_release(&text);
}

static void the_bundle_is_signed_over_the_pae(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct signer *s = signer_of(PRIVKEY_ECDSA_P256);
	struct buf text = BUF_INIT(MODELSIG_MAX_BYTES), payload = BUF_INIT(MODELSIG_MAX_BYTES);
	struct buf pae = BUF_INIT(MODELSIG_MAX_BYTES), expected = BUF_INIT(MODELSIG_MAX_BYTES);
	assert_ok(modelsig_bundle(s, "m:q4", files, 3, &text, &e), &e);
	assert_ok(modelsig_statement("m:q4", files, 3, &payload, &e), &e);
	json_t *bundle = parsed(text.data, text.len);
	json_t *envelope = json_object_get(bundle, "dsseEnvelope");
	base64_add(&expected, payload.data, payload.len);
	assert_string_equal(string_at(envelope, "payload"), expected.data);
	const char *sig64 = string_at(json_array_get(json_object_get(envelope, "signatures"), 0),
				      "sig");
	uint8_t sig[80];
	size_t len = strlen(sig64) / 4 * 3 - (size_t)str_ends(sig64, "=") -
		     (size_t)str_ends(sig64, "==");
	assert_true(len <= sizeof sig && base64_decode(sig, len, sig64, strlen(sig64)));
	dsse_pae(payload.data, payload.len, &pae);
	CLEANUP(mem_free_ptr) char *head =
		mem_printf("DSSEv1 28 application/vnd.in-toto+json %zu {", payload.len);
	assert_true(str_starts(pae.data, head));
	assert_true(tuf_key_verify(s->key, pae.data, pae.len, sig, len));
	pae.data[pae.len - 1] ^= 1;
	assert_false(tuf_key_verify(s->key, pae.data, pae.len, sig, len));
	json_decref(bundle);
	buf_release(&text);
	buf_release(&payload);
	buf_release(&pae);
	buf_release(&expected);
	signer_free(s);
}

static void another_kind_of_key_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct signer *s = signer_of(PRIVKEY_ED25519);
	struct buf text = BUF_INIT(MODELSIG_MAX_BYTES);
	assert_int_equal(modelsig_bundle(s, "m", files, 3, &text, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "a key is of type Ed25519"));
	assert_non_null(strstr(e.hint, "--type ecdsa-p256"));
	assert_int_equal(text.len, 0);
	buf_release(&text);
	signer_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_statement_lists_files_by_name),
		cmocka_unit_test(the_bundle_is_signed_over_the_pae),
		cmocka_unit_test(another_kind_of_key_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
