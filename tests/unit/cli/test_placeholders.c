#include "cli/placeholders.h"

#include "unit.h"
#include "util/mem.h"

#include <string.h>

static struct fetch_file all[] = {
	{ .path = (char *)"/m.gguf" },
	{ .path = (char *)"/p.gguf", .role = "projector" },
	{ .path = (char *)"/a.gguf", .role = "adapter" },
	{ .path = (char *)"/b,\"c.gguf", .role = "adapter" },
	{ .path = (char *)"/n", .role = "new-role" },
};
static const struct fetch_result files = { .files = all, .count = ARRAY_LEN(all) };
static const struct fetch_result alone = { .files = all, .count = 1 };

static void filled(const char *arg, const char *wanted)
{
	CLEANUP(mem_free_ptr) char *got = placeholders_fill(arg, &files);
	assert_string_equal(got, wanted);
}

static void each_placeholder_is_replaced_wherever_it_is(void **state)
{
	(void)state;
	filled("{}", "/m.gguf");
	filled("-m={}{projector}", "-m=/m.gguf/p.gguf");
	filled("{projector},{}", "/p.gguf,/m.gguf");
	filled("{new-role}", "/n");
	filled("", "");
}

static void several_files_are_a_list_that_llama_cpp_splits(void **state)
{
	(void)state;
	filled("{adapter}", "/a.gguf,\"/b,\"\"c.gguf\"");
}

static void one_file_of_a_list_is_quoted_too(void **state)
{
	(void)state;
	struct fetch_file two[] = {
		{ .path = (char *)"/m,n.gguf" },
		{ .path = (char *)"/m,n.lora.gguf", .role = "adapter" },
	};
	const struct fetch_result one = { .files = two, .count = 2 };
	CLEANUP(mem_free_ptr) char *got = placeholders_fill("{} {adapter}", &one);
	assert_string_equal(got, "/m,n.gguf \"/m,n.lora.gguf\"");
}

static void other_braces_stay(void **state)
{
	(void)state;
	filled("{", "{");
	filled("{draft", "{draft");
	filled("{{}}", "{/m.gguf}");
	filled("{\"a\": {}}", "{\"a\": /m.gguf}");
	filled("{project}{adapters}", "{project}{adapters}");
}

static int check(const char *arg, const struct fetch_result *r, struct err *e)
{
	char *args[] = { (char *)"x", (char *)arg };
	const struct placeholders p = { args, 2 };
	return placeholders_check(&p, "m:v", r, e);
}

static void a_role_without_a_file_is_refused_with_what_there_is(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_ok(check("{projector}{adapter}{}", &files, &e), &e);
	assert_ok(check("{whatever}", &alone, &e), &e);
	assert_int_equal(check("--x={draft}", &files, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "{draft}, but m:v has no file"));
	assert_non_null(strstr(e.hint, "{} and {projector}, {adapter}, {new-role}"));
	err_clear(&e);
	assert_int_equal(check("{imatrix}", &alone, &e), -ERR_USAGE);
	assert_non_null(strstr(e.hint, "only the model itself"));
}

static void only_the_model_itself_has_empty_braces(void **state)
{
	(void)state;
	char *with[] = { (char *)"a", (char *)"b{}" }, *without[] = { (char *)"{projector}" };
	assert_true(placeholders_has_model(&(struct placeholders){ with, 2 }));
	assert_false(placeholders_has_model(&(struct placeholders){ without, 1 }));
	assert_false(placeholders_has_model(&(struct placeholders){ with, 0 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_placeholder_is_replaced_wherever_it_is),
		cmocka_unit_test(one_file_of_a_list_is_quoted_too),
		cmocka_unit_test(several_files_are_a_list_that_llama_cpp_splits),
		cmocka_unit_test(other_braces_stay),
		cmocka_unit_test(a_role_without_a_file_is_refused_with_what_there_is),
		cmocka_unit_test(only_the_model_itself_has_empty_braces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
