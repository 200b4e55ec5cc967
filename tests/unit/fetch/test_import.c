#include "fetch/import.h"

#include "stocked.h"
#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct fixture {
	struct stocked *s;
	char *dir; /* with what is to be found */
};

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->s = stocked_new();
	f->dir = path_join(f->s->dir, "theirs");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	stocked_free(f->s);
	free(f->dir);
	free(f);
	return 0;
}

static void put(const struct fixture *f, const char *name, const char *text)
{
	scratch_write(f->dir, name, text, strlen(text));
}

static void link_to(const struct fixture *f, const char *target, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(f->dir, name);
	struct err e = ERR_INIT;
	assert_ok(file_mkdirs_for(path, FILE_DIR_MODE, &e), &e);
	assert_int_equal(symlink(target, path), 0);
}

static int find(const struct fixture *f, const char *name, struct import_files *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(f->dir, name);
	return import_find(&f->s->store, &path, 1, out, e);
}

static const struct import_file *only(const struct import_files *all)
{
	assert_int_equal(all->count, 1);
	return &all->at[0];
}

/* The base of its first name. */
static const char *name_of(const struct import_file *f)
{
	return path_base(f->names.at[0]);
}

static void a_file_with_several_names_is_found_once_and_called_by_its_best(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	CLEANUP(mem_free_ptr) char *a = path_join(f->dir, "blobs/sha256-" HEX);
	CLEANUP(mem_free_ptr) char *b = path_join(f->dir, "model.gguf");
	put(f, "blobs/sha256-" HEX, "bytes");
	assert_int_equal(link(a, b), 0);
	link_to(f, "model.gguf", "alias.GGUF");
	assert_ok(find(f, "", &all, &e), &e);
	const struct import_file *found = only(&all);
	assert_string_equal(name_of(found), "alias.GGUF");
	assert_int_equal(found->names.count, 3);
	assert_true(found->claims);
	assert_int_equal(found->size, 5);
	assert_int_equal(found->state, IMPORT_FOUND);
}

static void only_names_that_are_a_digest_claim_one(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	put(f, "a" HEX, "x");
	put(f, "sha256-" HEX "-partial", "xy");
	put(f, "sha256:" HEX, "xyz");
	put(f, HEX ".incomplete", "xyzz");
	put(f, "empty.gguf", "");
	assert_ok(find(f, "", &all, &e), &e);
	assert_int_equal(all.count, 4);
	for (size_t i = 0; i < all.count; i++)
		assert_false(all.at[i].claims);
}

static void a_link_of_a_snapshot_leads_to_the_blobs_of_its_own_model_only(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	const struct {
		const char *target, *link;
		enum import_state state;
	} cases[] = {
		{ "../../blobs/1", "models--a--b/snapshots/c/x.gguf", IMPORT_FOUND },
		{ "../../../blobs/1", "models--a--b/snapshots/c/d/y.gguf", IMPORT_FOUND },
		{ "../../other/1", "models--a--b/snapshots/c/z.gguf", IMPORT_OUTSIDE },
		{ "../../../models--c--d/blobs/1", "models--a--b/snapshots/c/u.gguf",
		  IMPORT_OUTSIDE },
		{ "../../blobs-2/1", "models--a--b/snapshots/c/v.gguf", IMPORT_OUTSIDE },
		{ "../blobs/1", "models--a--b/refs/w.gguf", IMPORT_OUTSIDE },
		{ "../blobs/1", "models--a--b/snapshots-x/w.gguf", IMPORT_OUTSIDE },
	};
	put(f, "models--a--b/blobs/1", "1");
	put(f, "models--a--b/other/1", "2");
	put(f, "models--a--b/blobs-2/1", "2");
	put(f, "models--c--d/blobs/1", "3");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(import_files_release) struct import_files all = { 0 };
		CLEANUP(mem_free_ptr) char *dir = path_dir(cases[i].link);
		CLEANUP(mem_free_ptr) char *path = path_join(f->dir, cases[i].link);
		link_to(f, cases[i].target, cases[i].link);
		assert_ok(find(f, dir, &all, &e), &e);
		assert_int_equal(only(&all)->state, cases[i].state);
		assert_string_equal(name_of(only(&all)), path_base(cases[i].link));
		unlink(path);
	}
}

static void a_link_to_what_another_operand_has_is_no_link_outside(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	CLEANUP(mem_free_ptr) char *a = path_join(f->dir, "a");
	CLEANUP(mem_free_ptr) char *b = path_join(f->dir, "b");
	put(f, "b/x.gguf", "x");
	link_to(f, "../b/x.gguf", "a/x.gguf");
	assert_ok(import_find(&f->s->store, (char *const[]){ a, b }, 2, &all, &e), &e);
	assert_int_equal(only(&all)->state, IMPORT_FOUND);
}

static void folders_that_are_nested_too_deeply_are_reported(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	CLEANUP(buf_release) struct buf deep = BUF_INIT(4096);
	for (unsigned i = 0; i < IMPORT_MAX_DEPTH + 2; i++)
		buf_addf(&deep, "d/");
	buf_addf(&deep, "x.gguf");
	put(f, buf_str(&deep), "x");
	put(f, "y.gguf", "y");
	assert_ok(find(f, "", &all, &e), &e);
	assert_int_equal(all.count, 2);
	assert_int_equal(all.at[0].state, IMPORT_FAILED);
	assert_non_null(strstr(all.at[0].why.text, "nested too deeply"));
	assert_string_equal(name_of(&all.at[1]), "y.gguf");
}

static void the_store_is_not_searched(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	stocked_put(f->s, "blobs/sha256/" HEX, "blob");
	put(f, "x.gguf", "x");
	assert_ok(import_find(&f->s->store, &f->s->dir, 1, &all, &e), &e);
	assert_string_equal(name_of(only(&all)), "x.gguf");
	assert_int_equal(import_find(&f->s->store, &f->s->store.home, 1, &all, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "is in the store already"));
}

static void what_is_no_file_and_no_folder_is_refused_by_name(void **state)
{
	const struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	CLEANUP(mem_free_ptr) char *pipe = path_join(f->dir, "pipe");
	put(f, "x.gguf", "x");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(find(f, "pipe", &all, &e), -ERR_USAGE);
	err_clear(&e);
	assert_int_equal(find(f, "nothing", &all, &e), -ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(find(f, "", &all, &e), &e);
	assert_string_equal(name_of(only(&all)), "x.gguf");
}

static void a_search_can_be_cancelled(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct cancel cancel = CANCEL_INIT;
	CLEANUP(import_files_release) struct import_files all = { 0 };
	put(f, "x.gguf", "x");
	cancel_ask(&cancel, 2);
	f->s->store.cancel = &cancel;
	assert_int_equal(find(f, "", &all, &e), -ERR_CANCELLED);
	assert_int_equal(all.count, 0);
}

static void the_catalog_is_searched_by_size_and_digest(void **state)
{
	(void)state;
	struct card_file files[] = {
		{ .size = 1, .sha256 = { { 5 } } }, { .size = 3, .sha256 = { { 1 } } },
		{ .size = 3, .sha256 = { { 2 } } }, { .size = 3, .sha256 = { { 2 } } },
		{ .size = 9, .sha256 = { { 0 } } },
	};
	struct import_entry entries[ARRAY_LEN(files)] = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		entries[i].file = &files[i];
	const struct import_catalog c = { .entries = entries, .entry_count = ARRAY_LEN(files) };
	const struct digest two = { { 2 } }, five = { { 5 } };
	size_t count;
	assert_ptr_equal(import_catalog_find(&c, 3, NULL, &count), &entries[1]);
	assert_int_equal(count, 3);
	assert_ptr_equal(import_catalog_find(&c, 3, &two, &count), &entries[2]);
	assert_int_equal(count, 2);
	assert_ptr_equal(import_catalog_find(&c, 1, &five, &count), &entries[0]);
	assert_null(import_catalog_find(&c, 3, &five, &count));
	assert_null(import_catalog_find(&c, 4, NULL, &count));
	assert_null(import_catalog_find(&c, 10, NULL, &count));
	assert_int_equal(count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_with_several_names_is_found_once_and_called_by_its_best),
		TEST(only_names_that_are_a_digest_claim_one),
		TEST(a_link_of_a_snapshot_leads_to_the_blobs_of_its_own_model_only),
		TEST(a_link_to_what_another_operand_has_is_no_link_outside),
		TEST(folders_that_are_nested_too_deeply_are_reported),
		TEST(the_store_is_not_searched),
		TEST(what_is_no_file_and_no_folder_is_refused_by_name),
		TEST(a_search_can_be_cancelled),
		cmocka_unit_test(the_catalog_is_searched_by_size_and_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
