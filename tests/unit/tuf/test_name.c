#include "tuf/name.h"
#include "unit.h"

#include "util/mem.h"

static void check(const char *file, const char *role, uint64_t version)
{
	CLEANUP(tuf_name_release) struct tuf_name n = { 0 };
	assert_true(tuf_name_parse(file, &n));
	assert_string_equal(n.role, role);
	assert_int_equal(n.version, version);
	CLEANUP(mem_free_ptr) char *back = tuf_name_file(role, version);
	assert_string_equal(back, file);
}

static void test_a_name_is_version_and_role(void **state)
{
	(void)state;
	check("7.targets.json", "targets", 7);
	check("1.root.json", "root", 1);
	check("18446744073709551615.root.json", "root", UINT64_MAX);
	check("timestamp.json", "timestamp", 0);
	check("3.a%2Fb.json", "a/b", 3);
	check("2.5.root.json", "5.root", 2);
	check("5.json", "5", 0);
}

static void test_a_version_is_a_number_as_it_is_written(void **state)
{
	(void)state;
	check("0.root.json", "0.root", 0);
	check("07.root.json", "07.root", 0);
	check("18446744073709551616.root.json", "18446744073709551616.root", 0);
	check("7a.root.json", "7a.root", 0);
}

static void test_other_files_are_no_metadata(void **state)
{
	(void)state;
	static const char *const files[] = { "",           ".json",    "7..json",   "7.root",
					     "root.jsonx", "a%2.json", "a%00.json", "1.%zz.json" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct tuf_name n;
		assert_false(tuf_name_parse(files[i], &n));
		assert_int_equal(tuf_name_version(files[i], "root"), 0);
	}
}

static void test_the_version_of_one_role(void **state)
{
	(void)state;
	assert_int_equal(tuf_name_version("7.root.json", "root"), 7);
	assert_int_equal(tuf_name_version("7.a.root.json", "root"), 0);
	assert_int_equal(tuf_name_version("7.targets.json", "root"), 0);
	assert_int_equal(tuf_name_version("root.json", "root"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_version_and_role),
		cmocka_unit_test(test_a_version_is_a_number_as_it_is_written),
		cmocka_unit_test(test_other_files_are_no_metadata),
		cmocka_unit_test(test_the_version_of_one_role),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
