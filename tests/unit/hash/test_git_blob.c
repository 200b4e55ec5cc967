#include "hash/git_blob.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include "unit.h"

static void check(const char *content, size_t len, const char *wanted)
{
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "f");
	struct err e = ERR_INIT;
	uint8_t got[GIT_BLOB_SIZE];
	char hex[2 * GIT_BLOB_SIZE + 1];
	assert_int_equal(file_write_atomic(path, content, len, FILE_MODE, &e), 0);
	assert_int_equal(git_blob_of_file(path, NULL, got, &e), 0);
	hex_encode(hex, got, sizeof got);
	assert_string_equal(hex, wanted);
	scratch_free(dir);
}

/* As `git hash-object FILE` prints them. */
static void the_names_are_those_of_git(void **state)
{
	(void)state;
	check("", 0, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
	check("test content\n", 13, "d670460b4b4aece5915caf5c68d12f560a9fe3e4");
	size_t len = 600 * KIB;
	CLEANUP(mem_free_ptr) char *zeros = mem_alloc(len);
	check(zeros, len, "2adfd9c7d00b9591ff424884416ce10f6af916cb");
}

static void a_file_that_is_missing_has_none(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	uint8_t got[GIT_BLOB_SIZE];
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "none");
	assert_int_equal(git_blob_of_file(path, NULL, got, &e), -ERR_NOT_FOUND);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_names_are_those_of_git),
		cmocka_unit_test(a_file_that_is_missing_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
