#include "sign/attest.h"

#include "catalog/provenance.h"
#include "sign/privkey.h"
#include "util/mem.h"

#include "unit.h"

#include <string.h>

#define SHA256 "abababababababababababababababababababababababababababababababab"
#define SUBJECT "\"subject\":[{\"name\":\"m.gguf\",\"digest\":{\"sha256\":\"" SHA256 "\"}}]"
#define TYPES \
	"\"_type\":\"https://in-toto.io/Statement/v1\"," \
	"\"predicateType\":\"https://slsa.dev/provenance/v1\""
#define PREDICATE "\"predicate\":{\"buildDefinition\":{},\"runDetails\":{}}"
#define STATEMENT "{" TYPES "," SUBJECT "," PREDICATE "}"

static struct signer *signer_of(enum privkey_kind kind)
{
	struct err e = ERR_INIT;
	struct privkey *k;
	assert_ok(privkey_new(kind, &k, &e), &e);
	return privkey_signer(k, "a key");
}

static int parse(const char *text, struct provenance *out)
{
	struct err e = ERR_INIT;
	return provenance_parse(text, strlen(text), "x", out, &e);
}

static void an_envelope_verifies_with_each_of_its_keys(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(ATTEST_MAX_BYTES);
	CLEANUP(provenance_release) struct provenance p = { 0 };
	struct signer *keys[] = { signer_of(PRIVKEY_ED25519), signer_of(PRIVKEY_ECDSA_P256) };
	assert_ok(attest_sign(keys, 2, STATEMENT, strlen(STATEMENT), &text, &e), &e);
	assert_int_equal(parse(buf_str(&text), &p), 0);
	assert_non_null(p.envelope);
	assert_memory_equal(p.payload.data, STATEMENT, strlen(STATEMENT));
	assert_int_equal(provenance_signatures(&p), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(provenance_key_id(&p, i), keys[i]->key->id);
		assert_true(provenance_signed_by(&p, i, keys[i]->key));
		assert_false(provenance_signed_by(&p, i, keys[1 - i]->key));
	}
	p.payload.data[3] ^= 1;
	assert_false(provenance_signed_by(&p, 0, keys[0]->key));
	signer_free(keys[0]);
	signer_free(keys[1]);
	buf_release(&text);
}

static void a_bare_statement_has_no_signatures(void **state)
{
	(void)state;
	CLEANUP(provenance_release) struct provenance p = { 0 };
	struct digest is, other = { { 1 } };
	assert_int_equal(parse(STATEMENT, &p), 0);
	assert_null(p.envelope);
	assert_int_equal(provenance_signatures(&p), 0);
	assert_true(digest_parse(&is, SHA256));
	assert_true(provenance_is_of(&p, &is));
	assert_false(provenance_is_of(&p, &other));
}

static void anything_else_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{" TYPES "," PREDICATE "}",
		"{" TYPES ",\"subject\":[]," PREDICATE "}",
		"{" TYPES ",\"subject\":[{\"name\":\"m\",\"digest\":{}}]," PREDICATE "}",
		"{" TYPES ",\"subject\":[7]," PREDICATE "}",
		"{" TYPES "," SUBJECT "}",
		"{" TYPES "," SUBJECT ",\"predicate\":{\"buildDefinition\":{}}}",
		"{\"_type\":\"https://in-toto.io/Statement/v0.1\"," SUBJECT "," PREDICATE "}",
		"{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"e30=\"}",
		"{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"e30\","
		"\"signatures\":[]}",
		"{\"payloadType\":\"application/vnd.in-toto+json\",\"payload\":\"e30=\","
		"\"signatures\":[{\"keyid\":\"a\"}]}",
		"{\"payloadType\":\"text/plain\",\"payload\":\"e30=\",\"signatures\":[]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct provenance p = { 0 };
		if (parse(bad[i], &p) != -ERR_INTEGRITY)
			fail_msg("%s", bad[i]);
	}
}

static void an_envelope_that_has_no_room_is_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(64);
	struct signer *key = signer_of(PRIVKEY_ED25519);
	/* The envelope has no room. */
	assert_int_equal(attest_sign(&key, 1, STATEMENT, strlen(STATEMENT), &text, &e),
			 -ERR_INTEGRITY);
	signer_free(key);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_verifies_with_each_of_its_keys),
		cmocka_unit_test(a_bare_statement_has_no_signatures),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(an_envelope_that_has_no_room_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
