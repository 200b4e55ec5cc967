#include "publish/share.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>

static void a_share_is_written_as_index_and_count(void **state)
{
	static const char *const wrong[] = { "",
					     "3",
					     "/",
					     "0/4",
					     "5/4",
					     "1/0",
					     "a/4",
					     "1/b",
					     "-1/4",
					     "1/4/2",
					     " 1/4",
					     "1/100001",
					     "4294967297/4294967298" };
	struct err e = ERR_INIT;
	struct share s;
	(void)state;
	assert_ok(share_parse("3/16", &s, &e), &e);
	assert_true(s.index == 3 && s.count == 16);
	assert_ok(share_parse("1/1", &s, &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct err why = ERR_INIT;
		assert_int_equal(share_parse(wrong[i], &s, &why), -ERR_USAGE);
	}
}

#define OBJECTS 1000

static void each_object_is_in_exactly_one_share(void **state)
{
	static struct repository_file list[OBJECTS + 1];
	struct repository_files files = { .at = list, .count = OBJECTS + 1 };
	unsigned in[OBJECTS + 1] = { 0 };
	(void)state;
	for (unsigned i = 0; i < OBJECTS; i++)
		sha256_of(&i, sizeof i, &list[i].sha256);
	list[OBJECTS].class = REPOSITORY_METADATA;
	for (uint32_t k = 1; k <= 4; k++) {
		CLEANUP(mem_free_ptr) bool *chosen = share_select(&(struct share){ k, 4 }, &files);
		unsigned size = 0;
		for (size_t i = 0; i < files.count; i++) {
			in[i] += chosen[i];
			size += chosen[i];
		}
		assert_in_range(size, 200, 300);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		assert_int_equal(in[i], 1);
	assert_int_equal(in[OBJECTS], 0); /* metadata */
	assert_null(share_select(&(struct share){ 0 }, &files));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_is_written_as_index_and_count),
		cmocka_unit_test(each_object_is_in_exactly_one_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
