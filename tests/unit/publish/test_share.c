#include "publish/share.h"

#include "unit.h"

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

static void each_object_is_in_exactly_one_share(void **state)
{
	size_t objects[4] = { 0 };
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct repository_file f = { .class = REPOSITORY_OBJECT };
		unsigned in = 0;
		sha256_of(&i, sizeof i, &f.sha256);
		for (uint32_t k = 0; k < 4; k++) {
			bool has = share_has(&(struct share){ k + 1, 4 }, &f);
			objects[k] += has;
			in += has;
		}
		assert_int_equal(in, 1);
		assert_true(share_has(&(struct share){ 0 }, &f));
	}
	for (size_t k = 0; k < 4; k++)
		assert_in_range(objects[k], 200, 300);
}

static void metadata_belongs_to_every_share(void **state)
{
	struct repository_file f = { .class = REPOSITORY_METADATA };
	(void)state;
	assert_true(share_has(&(struct share){ 1, 2 }, &f));
	assert_true(share_has(&(struct share){ 2, 2 }, &f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_is_written_as_index_and_count),
		cmocka_unit_test(each_object_is_in_exactly_one_share),
		cmocka_unit_test(metadata_belongs_to_every_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
