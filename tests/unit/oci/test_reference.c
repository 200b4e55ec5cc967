/* References of registries, digests in keys, and the tags of variants. */
#include "oci/reference.h"
#include "oci/tag.h"

#include "unit.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>

static void references_are_parsed(void **state)
{
	static const struct {
		const char *text, *base;
	} good[] = {
		{ "oci://ghcr.io/owner/models", "https://ghcr.io/v2/owner/models" },
		{ "ghcr.io/owner/models/", "https://ghcr.io/v2/owner/models" },
		{ "https://ghcr.io/v2/owner/models", "https://ghcr.io/v2/owner/models" },
		{ "http://registry.lan:5000/v2/a", "http://registry.lan:5000/v2/a" },
		{ "oci://localhost:5000/a", "http://localhost:5000/v2/a" },
		{ "127.0.0.1:5000/a/b__c/d-e.f", "http://127.0.0.1:5000/v2/a/b__c/d-e.f" },
		{ "127.0.0.1.example.com/a", "https://127.0.0.1.example.com/v2/a" },
		{ "OCI://[::1]:5000/a---b", "http://[::1]:5000/v2/a---b" },
		{ "localhost.example/a", "https://localhost.example/v2/a" },
		{ "docker.io/ai/model", "https://registry-1.docker.io/v2/ai/model" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct oci_reference r = { 0 };
		struct err e = ERR_INIT;
		assert_ok(oci_reference_parse(good[i].text, &r, &e), &e);
		assert_string_equal(r.base, good[i].base);
		oci_reference_release(&r);
	}
}

static void what_is_no_reference_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"ghcr.io",
		"/name",
		"ghcr.io/",
		"ghcr.io/Name",
		"ghcr.io/a:b",
		"ghcr.io/a@b",
		"https://h/name",
		"ghcr.io/a//b",
		"ghcr.io/../x",
		"ghcr.io/a..b",
		"ghcr.io/a_",
		"ghcr.io/-a",
		"user@h/name",
		"oci://user:password@h/name",
		"ghcr.io/a___b",
		"ftp://h/a",
		"h\n/a",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct oci_reference r = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(oci_reference_parse(bad[i], &r, &e), -ERR_USAGE);
		assert_non_null(strstr(e.hint, "oci://HOST/NAME"));
		assert_null(strstr(e.text, "password@"));
		assert_null(r.base);
	}
}

static void a_key_names_its_blob(void **state)
{
	static const char hex[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char key[200], text[OCI_DIGEST];
	struct digest d, again;
	(void)state;
	snprintf(key, sizeof key, "targets/models/phi-2/%s.phi-2.gguf", hex);
	assert_true(oci_digest_of_key(key, &d));
	oci_digest_text(text, &d);
	assert_true(str_starts(text, "sha256:") && strcmp(text + 7, hex) == 0);
	assert_true(oci_digest_parse(text, &again) && digest_equal(&d, &again));
	assert_false(oci_digest_of_key("metadata/1.root.json", &d));
	assert_false(oci_digest_of_key(hex, &d));
	assert_false(oci_digest_parse("sha512:00", &d));
	text[8] = 'A';
	assert_false(oci_digest_parse(text, &d));
}

static void expect_tag(const char *id, const char *variant, uint64_t version, const char *format,
		       const char *tag)
{
	CLEANUP(mem_free_ptr) char *got = oci_tag(id, variant, version, format);
	assert_string_equal(got, tag);
	assert_true(oci_tag_is_valid(got));
}

static void plain_names_have_plain_tags(void **state)
{
	(void)state;
	expect_tag("phi-2", "q4_k_m", 0, "", "phi-2-q4_k_m");
	expect_tag("phi-2", "q4_k_m", 3, "", "phi-2-q4_k_m-v3");
	expect_tag("phi-2", "q4_k_m", 3, OCI_TAG_OLLAMA, "phi-2-q4_k_m-v3-ollama");
	expect_tag("phi-2", "q4_k_m", 0, OCI_TAG_MODELPACK, "phi-2-q4_k_m-modelpack");
}

/* Pairs that a simple rule would give the same tag. */
static void names_that_could_be_confused_have_tags_of_their_own(void **state)
{
	static const struct {
		const char *id, *variant;
		uint64_t version;
		const char *format;
	} all[] = {
		{ "phi", "2-q4", 0, "" },           { "phi-2", "q4", 0, "" },
		{ "phi-2", "q4", 2, "" },           { "phi-2-q4", "v2", 0, "" },
		{ "phi-2", "q4", 0, "-ollama" },    { "phi-2-q4", "ollama", 0, "" },
		{ "phi-2", "q4-ollama", 0, "" },    { "phi-2", "q4-v2", 0, "" },
		{ "phi-2-q4", "modelpack", 0, "" }, { "phi-2", "q4", 0, "-modelpack" },
		{ "ferry", "metadata", 0, "" },     { "ferry-model", "phi", 0, "" },
		{ "phi-2", "deadbeef", 0, "" },     { "m-ferry", "metadata", 0, "" },
	};
	(void)state;
	CLEANUP(str_list_release) struct str_list tags = { 0 };
	str_list_add(&tags, OCI_TAG_METADATA);
	str_list_take(&tags, oci_tag_model("phi"));
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		CLEANUP(mem_free_ptr) char *tag = oci_tag(all[i].id, all[i].variant, all[i].version,
							  all[i].format);
		assert_true(oci_tag_is_valid(tag));
		assert_false(str_list_has(&tags, tag));
		str_list_add(&tags, tag);
	}
}

static void long_names_are_cut_and_stay_different(void **state)
{
	char id[65], variant[65];
	(void)state;
	memset(id, 'a', 64);
	memset(variant, 'b', 64);
	id[64] = variant[64] = '\0';
	CLEANUP(mem_free_ptr) char *one = oci_tag(id, variant, UINT64_MAX, OCI_TAG_MODELPACK);
	variant[63] = 'c';
	CLEANUP(mem_free_ptr) char *two = oci_tag(id, variant, UINT64_MAX, OCI_TAG_MODELPACK);
	assert_true(oci_tag_is_valid(one) && oci_tag_is_valid(two));
	assert_string_not_equal(one, two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_parsed),
		cmocka_unit_test(what_is_no_reference_is_refused),
		cmocka_unit_test(a_key_names_its_blob),
		cmocka_unit_test(plain_names_have_plain_tags),
		cmocka_unit_test(names_that_could_be_confused_have_tags_of_their_own),
		cmocka_unit_test(long_names_are_cut_and_stay_different),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
