#include "serve/range.h"

#include "unit.h"

#define TAG "\"abc\""
#define TIME 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

struct row {
	struct serve_conditions asked;
	uint64_t size;
	struct serve_part part;
};

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct serve_conditions c = rows[i].asked;
		struct serve_entity n = { TAG, TIME, rows[i].size };
		struct serve_part p = serve_range(&c, &n);
		const struct serve_part *want = &rows[i].part;
		if (p.status != want->status || p.first != want->first || p.length != want->length)
			fail_msg("row %zu: %u %llu+%llu", i, p.status, (unsigned long long)p.first,
				 (unsigned long long)p.length);
	}
}

static void one_range_is_answered_and_anything_else_is_the_whole(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ { .get = true }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=0-0" }, 10, { 206, 0, 1 } },
		{ { .get = true, .range = "bytes=2-5" }, 10, { 206, 2, 4 } },
		{ { .get = true, .range = "Bytes=2-5" }, 10, { 206, 2, 4 } },
		{ { .get = true, .range = "bytes= 2-5 , " }, 10, { 206, 2, 4 } },
		{ { .get = true, .range = "bytes=9-" }, 10, { 206, 9, 1 } },
		{ { .get = true, .range = "bytes=0-99" }, 10, { 206, 0, 10 } },
		{ { .get = true, .range = "bytes=0-99999999999999999999999" }, 10, { 206, 0, 10 } },
		{ { .get = true, .range = "bytes=-3" }, 10, { 206, 7, 3 } },
		{ { .get = true, .range = "bytes=-30" }, 10, { 206, 0, 10 } },
		/* Beyond the end. */
		{ { .get = true, .range = "bytes=10-" }, 10, { 416, 0, 0 } },
		{ { .get = true, .range = "bytes=10-20" }, 10, { 416, 0, 0 } },
		{ { .get = true, .range = "bytes=99999999999999999999999-" }, 10, { 416, 0, 0 } },
		{ { .get = true, .range = "bytes=-0" }, 10, { 416, 0, 0 } },
		{ { .get = true, .range = "bytes=0-0" }, 0, { 416, 0, 0 } },
		{ { .get = true, .range = "bytes=-1" }, 0, { 200, 0, 0 } },
		/* Several, or none at all. */
		{ { .get = true, .range = "bytes=0-0,-1" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=5-2" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=-" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=a-b" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=1-2x" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=+1-2" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes 1-2" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "pieces=1-2" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "" }, 10, { 200, 0, 10 } },
		/* RFC 9110, 14.2: only for GET. */
		{ { .get = false, .range = "bytes=2-5" }, 10, { 200, 0, 10 } },
	};
	check(rows, ARRAY_LEN(rows));
}

static void a_range_goes_on_only_with_the_same_file(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ { .get = true, .range = "bytes=2-", .if_range = TAG }, 10, { 206, 2, 8 } },
		{ { .get = true, .range = "bytes=2-", .if_range = "\"b\"" }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=2-", .if_range = "W/" TAG }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=2-", .if_range = DATE }, 10, { 206, 2, 8 } },
		{ { .get = true, .range = "bytes=2-", .if_range = AFTER }, 10, { 200, 0, 10 } },
		{ { .get = true, .range = "bytes=2-", .if_range = "abc" }, 10, { 200, 0, 10 } },
		/* Not the same: what is beyond the end of another file is not beyond this one. */
		{ { .get = true, .range = "bytes=99-", .if_range = "\"b\"" }, 10, { 200, 0, 10 } },
	};
	check(rows, ARRAY_LEN(rows));
}

static void conditions_are_judged_in_their_order(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{ { .get = true, .if_none_match = TAG }, 10, { 304, 0, 0 } },
		{ { .get = true, .if_none_match = "W/" TAG }, 10, { 304, 0, 0 } },
		{ { .get = true, .if_none_match = "\"x\", " TAG }, 10, { 304, 0, 0 } },
		{ { .get = true, .if_none_match = "*" }, 10, { 304, 0, 0 } },
		{ { .get = true, .if_none_match = "\"x\",\"y\"" }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_none_match = "abc" }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_none_match = "\"abc" }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_modified_since = DATE }, 10, { 304, 0, 0 } },
		{ { .get = true, .if_modified_since = BEFORE }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_modified_since = "yesterday" }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_none_match = "\"x\"", .if_modified_since = DATE },
		  10,
		  { 200, 0, 10 } },
		{ { .get = true, .if_match = TAG }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_match = "*" }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_match = "\"x\"" }, 10, { 412, 0, 0 } },
		{ { .get = true, .if_match = "W/" TAG }, 10, { 412, 0, 0 } },
		{ { .get = true, .if_unmodified_since = BEFORE }, 10, { 412, 0, 0 } },
		{ { .get = true, .if_unmodified_since = DATE }, 10, { 200, 0, 10 } },
		{ { .get = true, .if_match = TAG, .if_unmodified_since = BEFORE },
		  10,
		  { 200, 0, 10 } },
		{ { .get = true, .if_match = TAG, .if_none_match = TAG }, 10, { 304, 0, 0 } },
		{ { .get = false, .if_none_match = TAG }, 10, { 304, 0, 0 } },
		{ { .get = true, .range = "bytes=99-", .if_none_match = TAG }, 10, { 304, 0, 0 } },
		{ { .get = true, .range = "bytes=2-3", .if_match = TAG }, 10, { 206, 2, 2 } },
	};
	check(rows, ARRAY_LEN(rows));
}

static void without_a_date_no_date_matches(void **state)
{
	(void)state;
	struct serve_entity n = { TAG, 0, 10 };
	struct serve_conditions since = { .get = true, .if_modified_since = AFTER };
	struct serve_conditions unless = { .get = true, .if_unmodified_since = BEFORE };
	struct serve_conditions range = { .get = true, .range = "bytes=1-", .if_range = DATE };
	assert_int_equal(serve_range(&since, &n).status, 200);
	assert_int_equal(serve_range(&unless, &n).status, 200);
	assert_int_equal(serve_range(&range, &n).status, 200);
}

static void a_date_is_written_as_the_standard_says(void **state)
{
	(void)state;
	char text[SERVE_DATE];
	serve_date(text, TIME);
	assert_string_equal(text, DATE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_range_is_answered_and_anything_else_is_the_whole),
		cmocka_unit_test(a_range_goes_on_only_with_the_same_file),
		cmocka_unit_test(conditions_are_judged_in_their_order),
		cmocka_unit_test(without_a_date_no_date_matches),
		cmocka_unit_test(a_date_is_written_as_the_standard_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
