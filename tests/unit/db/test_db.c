#include "unit.h"

#include "db/db.h"
#include "db_contract.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <sys/stat.h>

static void sqlite_fulfils_the_contract(void **state)
{
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "ops.db");
	(void)state;
	for (size_t i = 0; i < db_contract_count; i++) {
		const char *why = db_contract_tests[i].run(path);
		if (why)
			fail_msg("%s: %s", db_contract_tests[i].name, why);
	}
	scratch_free(dir);
}

static void the_file_and_its_new_folder_are_for_the_owner(void **state)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *folder = path_join(dir, "state");
	CLEANUP(mem_free_ptr) char *path = path_join(folder, "ops.db");
	struct db *d = NULL;
	struct stat st;
	(void)state;
	assert_ok(db_open(path, NULL, &d, &e), &e);
	assert_string_equal(db_name(d), path);
	assert_false(db_is_server(d));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	db_close(d);
	scratch_free(dir);
}

static void a_file_that_is_no_database_is_left_alone(void **state)
{
	static const char text[] = "These are notes about models, not a database of them.\n";
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "notes");
	CLEANUP(buf_release) struct buf back = BUF_INIT(KIB);
	struct db *d = NULL;
	(void)state;
	scratch_write(dir, "notes", text, sizeof text - 1);
	assert_int_equal(db_open(path, NULL, &d, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.hint, "move it away"));
	err_clear(&e);
	assert_ok(file_read_all(path, &back, &e), &e);
	assert_string_equal(buf_str(&back), text);
	scratch_free(dir);
}

static void a_folder_in_its_place_is_told(void **state)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	struct db *d = NULL;
	(void)state;
	assert_int_equal(db_open(dir, NULL, &d, &e), -ERR_SYSTEM);
	assert_non_null(strstr(e.text, dir));
	scratch_free(dir);
}

static void a_password_is_in_no_message(void **state)
{
	static const char *const urls[] = {
		"postgresql://u:secret@127.0.0.1:1/db",
		"postgresql://u@127.0.0.1:1/db?password=secret",
		"postgresql://u:secret@127.0.0.1:port/db",
		"postgresql://u:secret@[127.0.0.1/db",
		"mysql://u:secret@127.0.0.1/db",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct err e = ERR_INIT;
		struct db *d = NULL;
		assert_true(db_open(urls[i], NULL, &d, &e) < 0);
		assert_null(strstr(e.text, "secret"));
		assert_null(strstr(e.hint, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sqlite_fulfils_the_contract),
		cmocka_unit_test(the_file_and_its_new_folder_are_for_the_owner),
		cmocka_unit_test(a_file_that_is_no_database_is_left_alone),
		cmocka_unit_test(a_folder_in_its_place_is_told),
		cmocka_unit_test(a_password_is_in_no_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
