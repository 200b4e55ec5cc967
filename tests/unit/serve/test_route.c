#include "serve/route.h"

#include "unit.h"

static void a_path_is_decoded_once_and_the_query_is_left(void **state)
{
	(void)state;
	static const struct {
		const char *target, *path, *query;
	} all[] = {
		{ "/", "/", NULL },
		{ "/a/b", "/a/b", NULL },
		{ "/a%20b?c=%41", "/a b", "c=%41" },
		{ "/a%2541", "/a%41", NULL },
		{ "/a+b", "/a+b", NULL },
		{ "/%c3%a4", "/\xc3\xa4", NULL },
		{ "/a?", "/a", "" },
		{ "/a?b?c", "/a", "b?c" },
		{ "/a#b", "/a", NULL },
		{ "/...", "/...", NULL },
		{ "/.a/..b", "/.a/..b", NULL },
		{ "http://host:1/a?b", "/a", "b" },
		{ "HTTP://host/a", "/a", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char *path = NULL;
		const char *query = NULL;
		assert_true(route_path(all[i].target, &path, &query));
		assert_string_equal(path, all[i].path);
		assert_int_equal(!query, !all[i].query);
		if (query)
			assert_string_equal(query, all[i].query);
		free(path);
	}
}

static void a_path_that_could_mean_two_things_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"a",
		"*",
		"http://host",
		"/%",
		"/%4",
		"/%zz",
		"/a%00b",
		"/a%2fb",
		"/a%2Fb",
		"/a%0ab",
		"/a\tb",
		"/a%7f",
		"/.",
		"/..",
		"/a/.",
		"/a/..",
		"/a/../b",
		"/./a",
		"/%2e%2e",
		"/a/%2e/b",
		"/%2e./a",
		"/.%2E",
		"/a/.?b",
		"x/y://z/a",
		"ftp://host/a",
		"http://host?a=/b",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *path = NULL;
		const char *query = NULL;
		if (route_path(bad[i], &path, &query))
			fail_msg("\"%s\" is a path: \"%s\"", bad[i], path);
	}
}

static void a_method_is_allowed_as_a_whole_word(void **state)
{
	(void)state;
	assert_true(route_allows("GET HEAD", "GET"));
	assert_true(route_allows("GET HEAD", "HEAD"));
	assert_false(route_allows("GET HEAD", "HEA"));
	assert_false(route_allows("GET HEAD", "EAD"));
	assert_false(route_allows("GET HEAD", "GET HEAD POST"));
	assert_false(route_allows("GET HEAD", ""));
	assert_false(route_allows("GET HEAD", "get"));
	assert_true(route_allows("XGET GET", "GET"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_decoded_once_and_the_query_is_left),
		cmocka_unit_test(a_path_that_could_mean_two_things_is_none),
		cmocka_unit_test(a_method_is_allowed_as_a_whole_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
