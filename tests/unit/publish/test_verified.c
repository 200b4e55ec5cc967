#include "publish/verified.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>

static const struct repository_file file = {
	.key = (char[]){ "targets/models/m/a b.gguf" },
	.size = 10,
	.sha256 = { { 1, 2, 3 } },
};
static const struct mirror_stat there = { .size = 10, .modified_s = 77, .etag = "\"x y\"" };

static char *dir;

static int setup(void **state)
{
	(void)state;
	dir = scratch_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_free(dir);
	return 0;
}

static bool vouches(const char *id, const char *place, const struct mirror_stat *st)
{
	struct verified r;
	verified_open(&r, dir, id, place);
	bool yes = verified_vouches(&r, &file, st);
	verified_close(&r);
	return yes;
}

static void add(const struct mirror_stat *st)
{
	struct verified r;
	verified_open(&r, dir, "eu", "file:///m");
	verified_add(&r, &file, st);
	verified_close(&r);
}

static void entry_holds_while_nothing_changes(void **state)
{
	(void)state;
	struct mirror_stat st = there;
	assert_false(vouches("eu", "file:///m", &there));
	add(&there);
	assert_true(vouches("eu", "file:///m", &there));
	st.modified_s++;
	assert_false(vouches("eu", "file:///m", &st));
	st = there;
	strcpy(st.etag, "\"x z\"");
	assert_false(vouches("eu", "file:///m", &st));
	st = there;
	st.size--;
	assert_false(vouches("eu", "file:///m", &st));
}

static void entry_is_of_one_place(void **state)
{
	(void)state;
	add(&there);
	assert_false(vouches("eu", "file:///elsewhere", &there));
	assert_false(vouches("us", "file:///m", &there));
}

static void entry_is_of_one_content(void **state)
{
	(void)state;
	struct verified r;
	struct repository_file other = file;
	other.sha256.bytes[31] = 1;
	add(&there);
	verified_open(&r, dir, "eu", "file:///m");
	assert_false(verified_vouches(&r, &other, &there));
	verified_close(&r);
}

static void last_line_of_a_key_wins(void **state)
{
	(void)state;
	struct mirror_stat newer = there;
	newer.modified_s = 99;
	add(&there);
	add(&newer);
	assert_false(vouches("eu", "file:///m", &there));
	assert_true(vouches("eu", "file:///m", &newer));
}

static void without_time_and_tag_there_is_nothing_to_hold_by(void **state)
{
	(void)state;
	struct mirror_stat unmarked = { .size = 10 };
	add(&unmarked);
	assert_false(vouches("eu", "file:///m", &unmarked));
}

static void a_tag_is_enough_where_no_time_was_told(void **state)
{
	(void)state;
	struct mirror_stat st = there;
	st.modified_s = 0;
	add(&st);
	assert_true(vouches("eu", "file:///m", &there));
	strcpy(st.etag, "\"x z\"");
	assert_false(vouches("eu", "file:///m", &st));
	st = there;
	st.etag[0] = '\0';
	assert_false(vouches("eu", "file:///m", &st));
}

static void half_a_line_harms_nothing(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(MIB);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, ".ferry/push/eu");
	add(&there);
	assert_ok(file_read_all(path, &text, &e), &e);
	buf_adds(&text, "0123 45");
	assert_ok(file_write_atomic(path, text.data, text.len, 0644, &e), &e);
	buf_release(&text);
	assert_true(vouches("eu", "file:///m", &there));
	struct mirror_stat newer = there;
	newer.modified_s = 99;
	add(&newer);
	assert_true(vouches("eu", "file:///m", &newer));
}

static void foreign_file_is_replaced(void **state)
{
	(void)state;
	scratch_write(dir, ".ferry/push/eu", "something else\n", 15);
	add(&there);
	assert_true(vouches("eu", "file:///m", &there));
}

/* Years of pushes leave more old lines than new ones. */
static void old_lines_are_swept_away(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct verified r;
	struct mirror_stat st = there;
	CLEANUP(mem_free_ptr) char *path = path_join(dir, ".ferry/push/eu");
	uint64_t before, after;
	verified_open(&r, dir, "eu", "file:///m");
	for (int i = 0; i < 2000; i++) {
		st.modified_s = i;
		verified_add(&r, &file, &st);
	}
	verified_close(&r);
	assert_ok(file_size(path, &before, &e), &e);
	assert_true(vouches("eu", "file:///m", &st));
	assert_ok(file_size(path, &after, &e), &e);
	assert_true(before > 100 * 1000 && after < 1000);
	assert_true(vouches("eu", "file:///m", &st));
}

static void no_folder_no_record(void **state)
{
	(void)state;
	struct verified r;
	verified_open(&r, NULL, "eu", NULL);
	verified_add(&r, &file, &there);
	assert_false(verified_vouches(&r, &file, &there));
	verified_close(&r);
}

static bool is_wrong(const struct repository_file *f)
{
	struct verified r;
	verified_open(&r, dir, "eu", "file:///m");
	bool yes = verified_is_wrong(&r, f);
	verified_close(&r);
	return yes;
}

static void withdraw(void)
{
	struct verified r;
	verified_open(&r, dir, "eu", "file:///m");
	verified_withdraw(&r, &file);
	verified_close(&r);
}

static void what_was_withdrawn_is_wrong_until_it_is_verified(void **state)
{
	(void)state;
	struct repository_file other = file;
	other.sha256.bytes[31] = 1;
	add(&there);
	assert_false(is_wrong(&file));
	withdraw();
	assert_true(is_wrong(&file));
	assert_false(is_wrong(&other));
	assert_false(vouches("eu", "file:///m", &there));
	add(&there);
	assert_false(is_wrong(&file));
	assert_true(vouches("eu", "file:///m", &there));
}

static void what_has_neither_time_nor_tag_is_not_wrong_for_ever(void **state)
{
	(void)state;
	withdraw();
	add(&(struct mirror_stat){ .size = 10 });
	assert_false(is_wrong(&file));
}

/* Of 300,000 objects: 100,000 models. */
static void a_record_of_many_objects_is_read_whole(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *folder = path_join(dir, ".ferry/push");
	CLEANUP(mem_free_ptr) char *path = path_join(folder, "eu");
	CLEANUP(buf_release) struct buf text = BUF_INIT(256 * MIB);
	char hex[DIGEST_HEX];
	add(&there);
	assert_ok(file_read_all(path, &text, &e), &e);
	const char *const parts[] = { digest_hex(hex, &file.sha256),
				      " 1 2 %22900150983cd24fb0d6963f7d28e17f72-",
				      NULL,
				      "%22 targets/models/m-",
				      NULL,
				      "/",
				      hex,
				      ".m-",
				      NULL,
				      ".q4_k_m.gguf.manifest.json\n" };
	for (size_t i = 0; i < 300000; i++) {
		char number[24];
		snprintf(number, sizeof number, "%zu", i);
		for (size_t k = 0; k < ARRAY_LEN(parts); k++)
			buf_adds(&text, parts[k] ? parts[k] : number);
	}
	assert_in_range(text.len, 64 * MIB, 128 * MIB);
	assert_ok(file_write_atomic(path, text.data, text.len, FILE_MODE, &e), &e);
	assert_true(vouches("eu", "file:///m", &there));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entry_holds_while_nothing_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(entry_is_of_one_place, setup, teardown),
		cmocka_unit_test_setup_teardown(entry_is_of_one_content, setup, teardown),
		cmocka_unit_test_setup_teardown(last_line_of_a_key_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(without_time_and_tag_there_is_nothing_to_hold_by,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_tag_is_enough_where_no_time_was_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(half_a_line_harms_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_file_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(old_lines_are_swept_away, setup, teardown),
		cmocka_unit_test_setup_teardown(no_folder_no_record, setup, teardown),
		cmocka_unit_test_setup_teardown(a_record_of_many_objects_is_read_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_was_withdrawn_is_wrong_until_it_is_verified,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_neither_time_nor_tag_is_not_wrong_for_ever,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
