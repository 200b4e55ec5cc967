/* The rule that gives an object its release and its asset. */
#include "github/name.h"

#include "unit.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define D "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PHI "targets/models/phi-2/" D ".phi-2-q4_k_m.gguf"

static void expect_tag(const char *key, unsigned release, const char *want)
{
	CLEANUP(mem_free_ptr) char *tag = github_name_tag("models", key, release);
	assert_string_equal(tag, want);
}

static void expect_asset(const char *key, unsigned part, const char *want)
{
	CLEANUP(mem_free_ptr) char *asset = github_name_asset(key, part);
	assert_string_equal(asset, want);
}

static void a_model_has_releases_of_its_own(void **state)
{
	(void)state;
	expect_tag(PHI, 1, "models-phi-2");
	expect_tag(PHI, 2, "models-phi-2+2");
	expect_tag(PHI, 17, "models-phi-2+17");
	expect_tag("targets/" D ".catalog.json", 1, "models");
	expect_tag("targets/places/" D ".releases.jsonl.zst", 3, "models+3");
	expect_tag("targets/models/" D ".index.json", 1, "models");
}

static void an_asset_is_digest_and_file_name(void **state)
{
	(void)state;
	expect_asset(PHI, 0, D ".phi-2-q4_k_m.gguf");
	expect_asset(PHI, 1, D ".phi-2-q4_k_m.gguf.001");
	expect_asset(PHI, 1000, D ".phi-2-q4_k_m.gguf.1000");
	expect_asset("targets/" D ".catalog.json", 0, D ".catalog.json");
	CLEANUP(mem_free_ptr) char *pending = github_name_pending(PHI, 1);
	assert_string_equal(pending, D ".phi-2-q4_k_m.gguf.001.partial");
}

static bool is_safe(const char *name)
{
	size_t len = strlen(name);
	return len && len <= 255 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-+") == len && name[0] != '.' &&
	       name[len - 1] != '.' && !strstr(name, "..");
}

/* What GitHub or git would change, or refuse. */
static void a_name_that_would_be_rewritten_is_changed_and_marked(void **state)
{
	(void)state;
	static const char *const files[] = {
		"Phi-2.GGUF", "phi 2.gguf", "phi+2.gguf",     "a..b",
		".hidden",    "dots.",      "\xc3\xbc.gguf",  "a~b^c:d?e*f[g",
		"x.001",      "x.1000",     "x.gguf.partial", "deadbeef.gguf",
	};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(mem_free_ptr)
		char *key = mem_printf("targets/models/phi-2/" D ".%s", files[i]);
		CLEANUP(mem_free_ptr) char *asset = github_name_asset(key, 0);
		CLEANUP(mem_free_ptr) char *part = github_name_asset(key, 2);
		CLEANUP(mem_free_ptr) char *pending = github_name_pending(key, 1);
		assert_true(is_safe(asset) && is_safe(part) && is_safe(pending));
		assert_true(str_starts(asset, D "."));
		assert_int_equal(strspn(asset + 65, "0123456789abcdef"), 8);
		assert_int_equal(asset[65 + 8], '.');
	}
	expect_asset("targets/models/phi-2/" D ".Phi 2.GGUF", 0, D ".f8a0f573.phi-2.gguf");
}

static void a_model_id_that_git_refuses_is_changed_and_marked(void **state)
{
	(void)state;
	static const char *const ids[] = { "Phi",        "a..b", "a/b", "a.lock", "x@{1}",
					   "with space", "end.", "+2",  "ph~",    "a-deadbeef" };
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		CLEANUP(mem_free_ptr) char *key = mem_printf("targets/models/%s/f", ids[i]);
		CLEANUP(mem_free_ptr) char *tag = github_name_tag("models", key, 1);
		size_t len = strlen(tag);
		assert_true(is_safe(tag) && str_starts(tag, "models-") && !strchr(tag, '+'));
		assert_false(str_ends(tag, ".lock"));
		assert_true(len > 9 && tag[len - 9] == '-');
		assert_int_equal(strspn(tag + len - 8, "0123456789abcdef"), 8);
	}
}

/* Keys that are alike in all that a simple replacement would keep. */
static void different_keys_never_meet(void **state)
{
	(void)state;
	static const char *const keys[] = {
		"targets/models/phi/" D ".a.gguf",
		"targets/models/phi/" D ".A.gguf",
		"targets/models/phi/" D ".a-.gguf",
		"targets/models/phi/" D ".a+.gguf",
		"targets/models/phi/" D ".a .gguf",
		"targets/models/phi/" D ".a..gguf",
		"targets/models/phi/" D ".a.gguf.001",
		"targets/models/phi/" D ".a.gguf.001.partial",
		"targets/models/phi/" D ".a.gguf-001",
		"targets/models/phi/a.gguf",
		"targets/models/phi/x/" D ".a.gguf",
		"targets/models/phi-x/" D ".a.gguf",
		"targets/models/Phi/" D ".a.gguf",
		"targets/models/phi+2/" D ".a.gguf",
		"targets/models/phi-2/" D ".a.gguf",
		"targets/models/" D ".a.gguf",
		"targets/" D ".a.gguf",
		"targets/x/" D ".a.gguf",
		"targets/x/y/" D ".a.gguf",
		"metadata/" D ".a.gguf",
		"metadata/a.gguf",
		"a.gguf",
		"b/a.gguf",
	};
	CLEANUP(str_list_release) struct str_list seen = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		for (unsigned part = 0; part < 3; part++)
			for (unsigned release = 1; release < 3; release++) {
				CLEANUP(mem_free_ptr)
				char *tag = github_name_tag("models", keys[i], release);
				CLEANUP(mem_free_ptr)
				char *asset = github_name_asset(keys[i], part);
				CLEANUP(mem_free_ptr) char *both = mem_printf("%s %s", tag, asset);
				if (str_list_has(&seen, both))
					fail_msg("%s: %s has another object already", keys[i],
						 both);
				str_list_add(&seen, both);
			}
}

/* A file that is named as another one's changed name is changed itself. */
static void a_name_that_looks_changed_is_no_other_ones(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr)
	char *changed = github_name_asset("targets/models/phi/" D ".A.gguf", 0);
	CLEANUP(mem_free_ptr) char *posing = mem_printf("targets/models/phi/%s", changed);
	CLEANUP(mem_free_ptr) char *its = github_name_asset(posing, 0);
	CLEANUP(mem_free_ptr) char *tag = github_name_tag("models", "targets/models/Phi/f", 1);
	CLEANUP(mem_free_ptr) char *id = mem_printf("targets/models/%s/f", tag + strlen("models-"));
	CLEANUP(mem_free_ptr) char *other = github_name_tag("models", id, 1);
	assert_string_not_equal(changed, its);
	assert_string_not_equal(tag, other);
}

static void a_long_name_is_cut_and_keeps_its_end(void **state)
{
	(void)state;
	char longest[256] = "";
	memset(longest, 'a', 180);
	CLEANUP(mem_free_ptr)
	char *one = mem_printf("targets/models/%s/" D ".%s.gguf", longest, longest);
	CLEANUP(mem_free_ptr)
	char *two = mem_printf("targets/models/%sb/" D ".a%s.gguf", longest, longest);
	CLEANUP(mem_free_ptr) char *pending = github_name_pending(one, 1);
	CLEANUP(mem_free_ptr) char *first = github_name_asset(one, 0);
	CLEANUP(mem_free_ptr) char *second = github_name_asset(two, 0);
	CLEANUP(mem_free_ptr) char *tag = github_name_tag("models", one, 1000);
	CLEANUP(mem_free_ptr) char *other_tag = github_name_tag("models", two, 1000);
	assert_true(is_safe(pending) && is_safe(tag) && strlen(tag) < 200);
	assert_true(str_ends(first, ".gguf"));
	assert_string_not_equal(first, second);
	assert_string_not_equal(tag, other_tag);
}

static void parts_are_counted_by_the_part_size(void **state)
{
	(void)state;
	assert_int_equal(github_name_parts(0, GIB), 0);
	assert_int_equal(github_name_parts(GIB, GIB), 0);
	assert_int_equal(github_name_parts(GIB + 1, GIB), 2);
	assert_int_equal(github_name_parts(2 * GIB, GIB), 2);
	assert_int_equal(github_name_parts(UINT64_MAX, GIB), (uint64_t)1 << 34);
}

static void expect_key(const char *key, unsigned part, bool pending, unsigned release,
		       bool with_label)
{
	struct github_name n = { 0 };
	CLEANUP(mem_free_ptr) char *tag = github_name_tag("models", key, release);
	CLEANUP(mem_free_ptr)
	char *asset = pending ? github_name_pending(key, part) : github_name_asset(key, part);
	CLEANUP(mem_free_ptr) char *label = github_name_label(key, part);
	if (!github_name_parse("models", tag, asset, with_label ? label : NULL, &n))
		fail_msg("%s in %s is not recognized", asset, tag);
	assert_string_equal(n.key, key);
	assert_int_equal(n.part, part);
	assert_int_equal(n.pending, pending);
	github_name_release(&n);
}

static void an_asset_gives_its_key_back(void **state)
{
	(void)state;
	static const char *const keys[] = {
		PHI,
		"targets/" D ".catalog.json",
		"targets/models/Phi/" D ".A b.gguf",
		"targets/models/a/b/" D ".a",
		"targets/models/phi/" D ".x.001",
		"targets/models/phi/" D ".x.0011",
		"targets/models/phi/" D ".x.000",
		"targets/places/" D ".releases.jsonl.zst",
		"w/deep/er/a",
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		expect_key(keys[i], 0, false, 1, true);
		expect_key(keys[i], 0, false, 3, true);
		expect_key(keys[i], 7, false, 2, true);
		expect_key(keys[i], 1, true, 1, true);
		expect_key(keys[i], 0, true, 2, true);
	}
	/* A name without changes needs no label. */
	for (size_t i = 0; i < 2; i++) {
		expect_key(keys[i], 0, false, 2, false);
		expect_key(keys[i], 12, false, 1, false);
		expect_key(keys[i], 1, true, 1, false);
	}
}

static void what_is_not_ours_is_not_recognized(void **state)
{
	(void)state;
	static const struct {
		const char *tag, *asset, *label;
	} cases[] = {
		{ "v1.0", D ".catalog.json", NULL },
		{ "models-phi-2", "phi.gguf", NULL },
		{ "models-phi-2", "phi.gguf", PHI },
		{ "models-phi-3", D ".phi-2-q4_k_m.gguf.002.partial", PHI },
		{ "models-phi-2+1", D ".phi-2-q4_k_m.gguf", PHI },
		{ "models-phi-2+02", D ".phi-2-q4_k_m.gguf", PHI },
		{ "models-phi-2+", D ".phi-2-q4_k_m.gguf", PHI },
		{ "models-phi-2+x", D ".phi-2-q4_k_m.gguf", PHI },
		{ "models2", D ".catalog.json", NULL },
		{ "models-", D ".catalog.json", NULL },
		{ "models-phi-2", D ".phi-2-q4_k_m.gguf.002.partial", PHI },
		{ "models-phi-2", D ".Phi.gguf", NULL },
		{ "models-phi-2", D ".f8a0f573.phi-2.gguf", NULL },
		{ "models-phi-2", D ".", NULL },
		{ "models-phi-2", "", "" },
		{ "models-..", D ".x", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct github_name n = { 0 };
		if (github_name_parse("models", cases[i].tag, cases[i].asset, cases[i].label, &n))
			fail_msg("case %zu is recognized as %s", i, n.key);
	}
}

static void a_label_that_leads_elsewhere_is_not_believed(void **state)
{
	(void)state;
	static const char *const labels[] = { "", "../../etc/passwd", "targets/models/phi-2/x",
					      "targets/models/phi-3/" D ".x", "Phi 2, 4 bit" };
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		struct github_name n = { 0 };
		assert_true(github_name_parse("models", "models-phi-2", D ".x", labels[i], &n));
		assert_string_equal(n.key, "targets/models/phi-2/" D ".x");
		github_name_release(&n);
	}
}

static void a_base_begins_a_tag_of_git(void **state)
{
	(void)state;
	assert_true(github_name_is_base("models"));
	assert_true(github_name_is_base("gguf-1.0"));
	assert_false(github_name_is_base("a.lock"));
	assert_false(github_name_is_base("a."));
	assert_false(github_name_is_base("a/b"));
	assert_false(github_name_is_base("Models"));
	assert_false(github_name_is_base(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_has_releases_of_its_own),
		cmocka_unit_test(an_asset_is_digest_and_file_name),
		cmocka_unit_test(a_name_that_would_be_rewritten_is_changed_and_marked),
		cmocka_unit_test(a_model_id_that_git_refuses_is_changed_and_marked),
		cmocka_unit_test(different_keys_never_meet),
		cmocka_unit_test(a_name_that_looks_changed_is_no_other_ones),
		cmocka_unit_test(a_long_name_is_cut_and_keeps_its_end),
		cmocka_unit_test(parts_are_counted_by_the_part_size),
		cmocka_unit_test(an_asset_gives_its_key_back),
		cmocka_unit_test(what_is_not_ours_is_not_recognized),
		cmocka_unit_test(a_label_that_leads_elsewhere_is_not_believed),
		cmocka_unit_test(a_base_begins_a_tag_of_git),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
