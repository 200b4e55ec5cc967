#include "publish/pages_build.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static char *dir, *site;

static int setup(void **state)
{
	(void)state;
	dir = scratch_new();
	site = path_join(dir, "site");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mem_free_ptr(&site);
	scratch_free(dir);
	return 0;
}

static void add(struct pages_build *b, const char *path, const char *text)
{
	struct err e = ERR_INIT;
	assert_int_equal(pages_build_add(b, path, text, strlen(text), &e), 0);
}

static void make(const char *first, const char *second, struct pages_counts *counts)
{
	CLEANUP_PTR(pages_build_close) struct pages_build *b = NULL;
	CLEANUP(pages_release) struct pages p = { 0 };
	struct err e = ERR_INIT;
	assert_int_equal(pages_build_open(site, false, NULL, &b, &e), 0);
	add(b, "a/b/one.html", first);
	if (second)
		add(b, "two.html", second);
	add(b, "index.html", "<html>");
	assert_int_equal(pages_build_commit(b, 7, &p, counts, &e), 0);
}

static void assert_file(const char *path, const char *wanted)
{
	CLEANUP(mem_free_ptr) char *full = path_join(site, path);
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	struct err e = ERR_INIT;
	assert_int_equal(file_read_all(full, &text, &e), 0);
	assert_string_equal(buf_str(&text), wanted);
}

static void a_build_is_listed_in_the_order_in_which_it_was_made(void **state)
{
	CLEANUP(pages_release) struct pages p = { 0 };
	struct pages_counts counts;
	struct err e = ERR_INIT;
	(void)state;
	make("1", "2", &counts);
	assert_int_equal(counts.files, 3);
	assert_int_equal(counts.fresh, 3);
	assert_int_equal(pages_read(site, &p, &e), 0);
	assert_int_equal(p.release, 7);
	assert_int_equal(p.count, 3);
	assert_string_equal(p.at[0].path, "a/b/one.html");
	assert_string_equal(p.at[2].path, "index.html");
	assert_int_equal(p.at[0].size, 1);
}

static void what_changed_and_what_went_is_counted(void **state)
{
	struct pages_counts counts;
	(void)state;
	make("1", "2", &counts);
	make("x", NULL, &counts);
	assert_int_equal(counts.fresh, 0);
	assert_int_equal(counts.changed, 1);
	assert_int_equal(counts.removed, 1);
	assert_file("a/b/one.html", "x");
}

static void a_build_that_is_not_committed_changes_nothing(void **state)
{
	struct pages_build *b = NULL;
	struct pages_counts counts;
	struct err e = ERR_INIT;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	(void)state;
	make("1", "2", &counts);
	assert_int_equal(pages_build_open(site, false, NULL, &b, &e), 0);
	add(b, "a/b/one.html", "other");
	pages_build_close(b);
	assert_file("a/b/one.html", "1");
	assert_int_equal(file_list_dir(dir, &names, &e), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.at[0], ".site.lock");
}

static void paths_that_lead_out_of_the_folder_are_refused(void **state)
{
	static const char *const paths[] = { "../x", "/x", "a/../../x", "a//b", "" };
	CLEANUP_PTR(pages_build_close) struct pages_build *b = NULL;
	struct err e = ERR_INIT;
	(void)state;
	assert_int_equal(pages_build_open(site, false, NULL, &b, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		err_clear(&e);
		assert_int_equal(pages_build_add(b, paths[i], "x", 1, &e), -ERR_USAGE);
	}
}

static void put(const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	struct err e = ERR_INIT;
	assert_int_equal(file_mkdirs_for(path, FILE_PUBLIC_DIR_MODE, &e), 0);
	assert_int_equal(file_write_atomic(path, "not saved elsewhere", 19, FILE_MODE, &e), 0);
}

static bool is_there(const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
	return file_exists(path);
}

static void folders_of_somebody_with_names_of_a_build_stay(void **state)
{
	static const char *const names[] = { ".site.old/thesis", ".site.next.holiday/photo" };
	struct pages_counts counts;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(names[i]);
	make("1", "2", &counts);
	make("1", "3", &counts);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(is_there(names[i]));
	assert_file("two.html", "3");
}

static void a_file_that_comes_while_the_site_is_made_is_not_lost(void **state)
{
	struct pages_counts counts;
	(void)state;
	make("1", "2", &counts);
	CLEANUP_PTR(pages_build_close) struct pages_build *b = NULL;
	CLEANUP(pages_release) struct pages p = { 0 };
	struct err e = ERR_INIT;
	assert_int_equal(pages_build_open(site, false, NULL, &b, &e), 0);
	add(b, "index.html", "<html>");
	put("site/a/notes.txt");
	assert_int_equal(pages_build_commit(b, 8, &p, &counts, &e), -ERR_USAGE);
	assert_true(is_there("site/a/notes.txt"));
	assert_file("two.html", "2");
}

/* Somebody has edited it; the paths name files that are compared, and keys of mirrors. */
static void a_list_that_is_damaged_is_refused(void **state)
{
#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	static const char *const lists[] = {
		"",
		"{}",
		"{\"format\":\"other\",\"release\":1,\"files\":[]}",
		"{\"format\":\"model-ferry-site\",\"release\":1}",
		"{\"format\":\"model-ferry-site\",\"release\":1,\"files\":[{\"path\":\"../x\","
		"\"size\":1,\"sha256\":\"" HEX "\"}]}",
		"{\"format\":\"model-ferry-site\",\"release\":1,\"files\":[{\"path\":\"x\","
		"\"size\":-1,\"sha256\":\"" HEX "\"}]}",
		"{\"format\":\"model-ferry-site\",\"release\":1,\"files\":[{\"path\":\"x\","
		"\"size\":1,\"sha256\":\"e3\"}]}",
	};
	CLEANUP(mem_free_ptr) char *path = path_join(site, PAGES_LIST);
	struct pages_counts counts;
	(void)state;
	make("1", "2", &counts);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct pages_build *b = NULL;
		struct pages p = { 0 };
		struct err e = ERR_INIT, why = ERR_INIT;
		assert_int_equal(file_write_atomic(path, lists[i], strlen(lists[i]), FILE_MODE, &e),
				 0);
		assert_int_equal(pages_read(site, &p, &e), -ERR_INTEGRITY);
		assert_int_equal(pages_build_open(site, false, NULL, &b, &why), -ERR_INTEGRITY);
		assert_non_null(strstr(why.hint, "make the site again"));
	}
	assert_file("a/b/one.html", "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_build_is_listed_in_the_order_in_which_it_was_made,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_changed_and_what_went_is_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_build_that_is_not_committed_changes_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(paths_that_lead_out_of_the_folder_are_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(folders_of_somebody_with_names_of_a_build_stay,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_comes_while_the_site_is_made_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_list_that_is_damaged_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
