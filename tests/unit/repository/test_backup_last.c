#include "repository/backup_last.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <string.h>

static void write_file(const char *dir, const char *key, const char *text)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, key);
	struct err e = ERR_INIT;
	assert_ok(file_mkdirs_for(path, FILE_DIR_MODE, &e), &e);
	assert_ok(file_write_atomic(path, text, strlen(text), FILE_MODE, &e), &e);
}

static void what_was_written_is_read(void **state)
{
	char path[] = "/backups/demo.tar.zst";
	const struct backup_last last = { 1767323045, 7, 2, 4, path };
	CLEANUP(backup_last_release) struct backup_last read = { 0 };
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	(void)state;
	assert_ok(backup_last_write(dir, &last, &e), &e);
	assert_ok(backup_last_read(dir, &read, &e), &e);
	assert_int_equal(read.time_s, last.time_s);
	assert_int_equal(read.release, 7);
	assert_int_equal(read.root, 2);
	assert_int_equal(read.keys, 4);
	assert_string_equal(read.path, path);
	scratch_free(dir);
}

static void a_tree_without_a_record_is_not_found(void **state)
{
	struct backup_last last = { 0 };
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	(void)state;
	assert_int_equal(backup_last_read(dir, &last, &e), -ERR_NOT_FOUND);
	scratch_free(dir);
}

static void a_damaged_record_is_refused(void **state)
{
	static const char *const damaged[] = {
		"",
		"{}",
		"[]",
		"{\"format\":\"model-ferry-last-backup\",\"version\":2}",
		"{\"format\":\"model-ferry-last-backup\",\"version\":1}",
		"{\"format\":\"model-ferry-last-backup\",\"version\":1,\"time\":\"soon\","
		"\"release\":1,\"root\":1,\"keys\":0,\"path\":\"x\"}",
		"{\"format\":\"model-ferry-last-backup\",\"version\":1,"
		"\"time\":\"2026-01-02T03:04:05Z\",\"release\":-1,\"root\":1,\"keys\":0,"
		"\"path\":\"x\"}",
	};
	char *dir = scratch_new();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
		struct backup_last last = { 0 };
		struct err e = ERR_INIT;
		write_file(dir, BACKUP_LAST, damaged[i]);
		assert_int_equal(backup_last_read(dir, &last, &e), -ERR_INTEGRITY);
	}
	scratch_free(dir);
}

static void the_newest_root_counts_by_its_number(void **state)
{
	char *dir = scratch_new();
	(void)state;
	assert_int_equal(backup_last_root(dir), 0);
	write_file(dir, "metadata/9.root.json", "");
	write_file(dir, "metadata/10.root.json", "");
	write_file(dir, "metadata/11.targets.json", "");
	write_file(dir, "metadata/x.root.json", "");
	assert_int_equal(backup_last_root(dir), 10);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_tree_without_a_record_is_not_found),
		cmocka_unit_test(a_damaged_record_is_refused),
		cmocka_unit_test(the_newest_root_counts_by_its_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
