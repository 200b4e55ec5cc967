#include "prepare/choose.h"

#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

static int pick(const char *dir, const char *const *names, struct choose *out, struct err *e)
{
	struct str_list files = { 0 };
	for (; *names; names++) {
		str_list_add(&files, *names);
		scratch_write(dir, *names, "GGUF", 4);
	}
	int rc = choose_model(dir, &files, "m.tar", out, e);
	str_list_release(&files);
	return rc;
}

static int set_up(void **state)
{
	*state = scratch_new();
	return 0;
}

static int tear_down(void **state)
{
	scratch_free(*state);
	return 0;
}

static void shards_come_in_order_and_the_rest_is_left_aside(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(choose_release) struct choose p = { 0 };
	const char *const names[] = { "x/m-00002-of-00002.gguf", "README.md",
				      "x/mmproj-m.gguf",         "x/m-00001-of-00002.gguf",
				      "__MACOSX/x/m.gguf",       "x/.m.gguf",
				      "m.imatrix.gguf",          NULL };
	assert_ok(pick(*state, names, &p, &e), &e);
	assert_int_equal(p.files.count, 2);
	assert_string_equal(p.files.at[0], "x/m-00001-of-00002.gguf");
	assert_string_equal(p.files.at[1], "x/m-00002-of-00002.gguf");
	assert_null(p.hf_dir);
}

static void shards_of_different_models_are_several_models(void **state)
{
	struct err e = ERR_INIT;
	struct choose p = { 0 };
	const char *const names[] = { "a-00001-of-00002.gguf", "b-00002-of-00002.gguf", NULL };
	assert_int_equal(pick(*state, names, &p, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "a-00001-of-00002.gguf, b-00002-of-00002.gguf"));
}

static void a_model_under_another_name_is_known_by_its_magic(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(choose_release) struct choose p = { 0 };
	const char *const names[] = { "blob", NULL };
	assert_ok(pick(*state, names, &p, &e), &e);
	assert_string_equal(p.files.at[0], "blob");
}

static void a_folder_with_a_config_and_weights_is_one(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(choose_release) struct choose p = { 0 };
	struct str_list files = { 0 };
	const char *const names[] = { "m/config.json", "m/model.safetensors", "m/vae/config.json" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		str_list_add(&files, names[i]);
		scratch_write(*state, names[i], "{}", 2);
	}
	assert_ok(choose_model(*state, &files, "m.tar", &p, &e), &e);
	assert_string_equal(p.hf_dir, "m");
	str_list_release(&files);
}

static void siblings_of_a_shard_are_found_or_missed(void **state)
{
	struct err e = ERR_INIT;
	struct str_list found = { 0 };
	CLEANUP(mem_free_ptr) char *second = path_join(*state, "m-00002-of-00002.gguf");
	CLEANUP(mem_free_ptr) char *first = path_join(*state, "m-00001-of-00002.gguf");
	scratch_write(*state, "m-00002-of-00002.gguf", "x", 1);
	assert_int_equal(choose_shards(second, &found, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "m-00001-of-00002.gguf is missing"));
	str_list_release(&found);
	err_clear(&e);
	scratch_write(*state, "m-00001-of-00002.gguf", "x", 1);
	assert_ok(choose_shards(second, &found, &e), &e);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.at[0], first);
	assert_string_equal(found.at[1], second);
	str_list_release(&found);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(shards_come_in_order_and_the_rest_is_left_aside),
		TEST(shards_of_different_models_are_several_models),
		TEST(a_model_under_another_name_is_known_by_its_magic),
		TEST(a_folder_with_a_config_and_weights_is_one),
		TEST(siblings_of_a_shard_are_found_or_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
