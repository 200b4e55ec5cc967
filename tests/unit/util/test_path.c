#include "util/path.h"

#include "unit.h"
#include "util/mem.h"

#include <unistd.h>

static void expect(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void parts_are_joined_and_cut(void **state)
{
	(void)state;
	expect(path_join("a", "b"), "a/b");
	expect(path_join("a/", "b"), "a/b");
	expect(path_join("/", "b"), "/b");
	expect(path_join("a", "/b"), "/b");
	expect(path_join("", "b"), "b");
	expect(path_dir("a/b/c"), "a/b");
	expect(path_dir("/a"), "/");
	expect(path_dir("a"), ".");
	assert_string_equal(path_base("a/b"), "b");
	assert_string_equal(path_base("b"), "b");
	assert_string_equal(path_base("a/"), "");
	expect(path_absolute("/x/y"), "/x/y");
	expect(path_absolute("/x/./y//z/"), "/x/y/z");
	expect(path_absolute("/x/../../y/."), "/y");
	expect(path_absolute("/.."), "/");
	expect(path_file_url("/srv/a b#1"), "file:///srv/a%20b%231");
	assert_int_equal(chdir("/usr"), 0);
	expect(path_absolute("x"), "/usr/x");
	assert_int_equal(chdir("/"), 0);
	expect(path_absolute("x"), "/x");
}

static char *repeated(char c, size_t len, const char *tail)
{
	char *s = mem_alloc(len + strlen(tail) + 1);
	memset(s, c, len);
	strcat(s, tail);
	return s;
}

static void keys_stay_in_the_repository(void **state)
{
	(void)state;
	static const char *const good[] = { "a",    "a/b",     "models/phi-2/x.gguf",         "...",
					    "a..b", ".hidden", "\xc3\xa4/\xe2\x82\xac",       "a b",
					    "~",    "-x",      "\xd9\x85\xe2\x80\x8c\xd9\x86" };
	static const char *const bad[] = { "",
					   "/",
					   "/a",
					   "a/",
					   "a//b",
					   ".",
					   "..",
					   "a/..",
					   "../a",
					   "a/./b",
					   "a\\b",
					   "a\nb",
					   "a\x7f",
					   "\xff",
					   "a/\xc3",
					   "\t",
					   "a\xc2\x9b",
					   "a\xe2\x80\xae",
					   "\xe2\x81\xa6/b",
					   "\xef\xbb\xbf"
					   "a" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(path_is_key(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(path_is_key(bad[i]));
	CLEANUP(mem_free_ptr) char *part255 = repeated('x', 255, "");
	CLEANUP(mem_free_ptr) char *part256 = repeated('x', 256, "");
	assert_true(path_is_key(part255));
	assert_false(path_is_key(part256));
	CLEANUP(mem_free_ptr) char *most = mem_printf("%s/%s/%s/%s", part255, part255, part255,
						      part255);
	CLEANUP(mem_free_ptr) char *more = mem_printf("%s/b", most);
	assert_true(path_is_key(most));  /* 1023 bytes */
	assert_false(path_is_key(more)); /* 1025 */
}

static void names_are_one_part(void **state)
{
	(void)state;
	assert_true(path_is_name("phi-2.gguf"));
	static const char *const bad[] = { "",     "a/b",  ".",    "..",
					   "a\nb", "a\\b", "\xff", "\xe2\x80\xae" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(path_is_name(bad[i]));
}

static void ids_are_small_words(void **state)
{
	(void)state;
	static const char *const good[] = { "a", "0", "phi-2", "q4_k_m", "llama-3.1", "a-" };
	static const char *const bad[] = { "",    "-a",  ".a",   "_a",       "A",
					   "a/b", "a b", "a..b", "\xc3\xa4", "a:b" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(path_is_id(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(path_is_id(bad[i]));
	CLEANUP(mem_free_ptr) char *id64 = repeated('a', 64, "");
	CLEANUP(mem_free_ptr) char *id65 = repeated('a', 65, "");
	assert_true(path_is_id(id64));
	assert_false(path_is_id(id65));
}

static void urls_get_percent_signs(void **state)
{
	(void)state;
	expect(path_percent_encode("a/b c", "/"), "a/b%20c");
	expect(path_percent_encode("a/b", ""), "a%2Fb");
	expect(path_percent_encode("-._~Zz09", ""), "-._~Zz09");
	expect(path_percent_encode("%+?#\xc3\xa4", ""), "%25%2B%3F%23%C3%A4");
	expect(path_percent_encode("", "/"), "");
	/* However long. */
	CLEANUP(mem_free_ptr) char *blanks = repeated(' ', 100000, "");
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(blanks, "");
	assert_int_equal(strlen(encoded), 300000);
}

static void xdg_folders_have_defaults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *got;
	setenv("HOME", "/people/x", 1);
	unsetenv("XDG_DATA_HOME");
	assert_ok(path_xdg("XDG_DATA_HOME", ".local/share", &got, &e), &e);
	expect(got, "/people/x/.local/share");
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_ok(path_xdg("XDG_DATA_HOME", ".local/share", &got, &e), &e);
	expect(got, "/data");
	/* The specification has relative paths ignored. */
	setenv("XDG_DATA_HOME", "data", 1);
	assert_ok(path_xdg("XDG_DATA_HOME", ".local/share", &got, &e), &e);
	expect(got, "/people/x/.local/share");
	unsetenv("HOME");
	assert_int_equal(path_xdg("XDG_DATA_HOME", ".local/share", &got, &e), -ERR_USAGE);
	assert_string_equal(e.text, "neither XDG_DATA_HOME nor HOME is set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_joined_and_cut),
		cmocka_unit_test(keys_stay_in_the_repository),
		cmocka_unit_test(names_are_one_part),
		cmocka_unit_test(ids_are_small_words),
		cmocka_unit_test(urls_get_percent_signs),
		cmocka_unit_test(xdg_folders_have_defaults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
