#include "hub/name.h"
#include "util/mem.h"

#include "unit.h"

#include <string.h>

static void a_name_has_up_to_three_parts(void **state)
{
	(void)state;
	static const struct {
		const char *text, *repo, *revision, *file;
	} cases[] = {
		{ "hf:org/m", "org/m", "main", NULL },
		{ "HF:Org/M.1_x-GGUF:Q4_K_M", "Org/M.1_x-GGUF", "main", "Q4_K_M" },
		{ "hf:org/m@v1.0", "org/m", "v1.0", NULL },
		{ "hf:org/m@refs/pr/1:a/b.gguf", "org/m", "refs/pr/1", "a/b.gguf" },
		{ "hf:org/m:a@b.gguf", "org/m", "main", "a@b.gguf" },
		{ "hf:org/m:a:b.gguf", "org/m", "main", "a:b.gguf" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(hub_name_release) struct hub_name n = { 0 };
		assert_true(hub_name_is(cases[i].text));
		assert_int_equal(hub_name_parse(cases[i].text, &n, &e), 0);
		assert_string_equal(n.repo, cases[i].repo);
		assert_string_equal(n.revision, cases[i].revision);
		if (cases[i].file)
			assert_string_equal(n.file, cases[i].file);
		else
			assert_null(n.file);
	}
}

static void other_names_are_refused_with_a_hint(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"hf:",
		"hf:m",
		"hf:/m",
		"hf:org/",
		"hf:org/a/b",
		"hf:org/-m",
		"hf:org/m.",
		"hf:org/a--b",
		"hf:org/a..b",
		"hf:../etc",
		"hf:org/m@",
		"hf:org/m@a b",
		"hf:org/m@a..b/../c",
		"hf:org/m@x~1",
		"hf:org/m@x@{1}",
		"hf:org/m:",
		"hf:org/m:/etc",
		"hf:org/m:a/../b",
		"hf:org/m:a\nb",
		"hf:org/m\xff",
		"hf:org/m?x=1",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct hub_name n = { 0 };
		if (hub_name_parse(bad[i], &n, &e) != -ERR_USAGE)
			fail_msg("'%s' is accepted", bad[i]);
		assert_true(e.hint[0] != '\0');
	}
	assert_false(hub_name_is("huggingface"));
}

static void the_address_of_a_page_has_a_name(void **state)
{
	(void)state;
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "https://huggingface.co/org/m", "hf:org/m" },
		{ "https://hf.co/org/m/?x=1#top", "hf:org/m" },
		{ "hf.co/org/m:Q4_K_M", "hf:org/m:Q4_K_M" },
		{ "https://huggingface.co/org/m/tree/main", "hf:org/m" },
		{ "https://huggingface.co/org/m/tree/v1", "hf:org/m@v1" },
		{ "https://huggingface.co/org/m/tree/refs%2Fpr%2F1", NULL },
		{ "https://huggingface.co/org/m/blob/main/a/b%20c.gguf", "hf:org/m:a/b c.gguf" },
		{ "https://huggingface.co/org/m/blob/v1/b.gguf?x", "hf:org/m@v1:b.gguf" },
		{ "https://huggingface.co/org/m/resolve/main/b.gguf", NULL },
		{ "https://huggingface.co/org", NULL },
		{ "https://huggingface.co/datasets/org/m", NULL },
		{ "https://example.org/org/m", NULL },
		{ "https://huggingface.co/org/%zz", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *name = hub_name_of_page(cases[i].text);
		if (!name != !cases[i].name || (name && strcmp(name, cases[i].name) != 0))
			fail_msg("%s: %s", cases[i].text, name ? name : "none");
	}
}

static void a_commit_has_forty_digits(void **state)
{
	(void)state;
	assert_true(hub_name_is_commit("0123456789abcdef0123456789abcdef01234567"));
	assert_false(hub_name_is_commit("0123456789ABCDEF0123456789abcdef01234567"));
	assert_false(hub_name_is_commit("0123456"));
	assert_false(hub_name_is_commit("main"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_up_to_three_parts),
		cmocka_unit_test(other_names_are_refused_with_a_hint),
		cmocka_unit_test(the_address_of_a_page_has_a_name),
		cmocka_unit_test(a_commit_has_forty_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
