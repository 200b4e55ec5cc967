#include "prepare/shard_urls.h"
#include "prepare/download_probe.h"
#include "prepare/obtain.h"

#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

static void names_of_urls_can_do_no_harm(void **state)
{
	static const struct {
		const char *url, *name;
	} cases[] = {
		{ "https://host/a/b.gguf", "b.gguf" },
		{ "https://host/a/b.gguf?download=true#x", "b.gguf" },
		{ "https://host/a%2Fb/m%20x.gguf", "m x.gguf" },
		{ "https://host/..%2f..%2fetc%2fpasswd", "download" },
		{ "https://host/%2e%2e", "download" },
		{ "https://host/.bashrc", "download" },
		{ "https://host/a%00b", "download" },
		{ "https://host/", "download" },
		{ "https://host/%zz", "%zz" },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(mem_free_ptr) char *name = download_probe_name(cases[i].url);
		assert_string_equal(name, cases[i].name);
	}
}

static void urls_of_shards_are_grouped_and_completed(void **state)
{
	(void)state;
	const char *const urls[] = { "https://a/m-00002-of-00003.gguf?x=1",
				     "https://b/m-00002-of-00003.gguf" };
	struct shard_urls g = { 0 };
	shard_urls_make(urls, 2, &g);
	assert_int_equal(g.count, 3);
	assert_string_equal(g.at[0].name, "m-00001-of-00003.gguf");
	assert_int_equal(g.at[2].urls.count, 2);
	assert_string_equal(g.at[2].urls.at[0], "https://a/m-00003-of-00003.gguf?x=1");
	assert_string_equal(g.at[2].urls.at[1], "https://b/m-00003-of-00003.gguf");
	assert_string_equal(g.at[1].urls.at[0], urls[0]);
	shard_urls_release(&g);
}

static void other_urls_are_fallbacks_for_each_other(void **state)
{
	(void)state;
	const char *const urls[] = { "https://a/m.gguf", "https://b/m-00001-of-00002.gguf" };
	struct shard_urls g = { 0 };
	shard_urls_make(urls, 2, &g);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.at[0].urls.count, 2);
	shard_urls_release(&g);
	/* The number is hidden: no sibling can be made. */
	const char *const hidden[] = { "https://a/m-00001%2Dof-00002.gguf" };
	shard_urls_make(hidden, 1, &g);
	assert_int_equal(g.count, 1);
	shard_urls_release(&g);
}

static void sources_of_both_kinds_are_not_mixed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	const char *const mixed[] = { "https://host/a.gguf", "b.gguf" };
	struct obtain_request r = { .operands = mixed, .count = 2 };
	assert_int_equal(obtain_check(&r, &e), -ERR_USAGE);
	assert_non_null(strstr(e.hint, "file:///"));
}

static void a_source_that_is_not_there_has_no_identity(void **state)
{
	(void)state;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *missing = path_join(dir, "a.gguf");
	const char *const files[] = { missing };
	struct obtain_request r = { .operands = files, .count = 1 };
	assert_null(obtain_identity(&r));
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_urls_can_do_no_harm),
		cmocka_unit_test(urls_of_shards_are_grouped_and_completed),
		cmocka_unit_test(other_urls_are_fallbacks_for_each_other),
		cmocka_unit_test(sources_of_both_kinds_are_not_mixed),
		cmocka_unit_test(a_source_that_is_not_there_has_no_identity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
