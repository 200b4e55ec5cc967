#include "cli/frame/lines.h"

#include "unit.h"

/* So many bytes a second from then on, measured five times a second. */
static void run(struct cli_gauge *g, int64_t *now_ms, int64_t span_ms, uint64_t rate)
{
	for (int64_t end = *now_ms + span_ms; *now_ms < end;) {
		*now_ms += 200;
		cli_gauge_advance(g, (int64_t)(rate / 5));
		cli_gauge_measure(g, *now_ms);
	}
}

static void a_steady_rate_tells_the_time_that_is_left(void **state)
{
	(void)state;
	struct cli_gauge g;
	int64_t now = 1000;
	cli_gauge_begin(&g, 100 * MIB, 0, now);
	assert_int_equal(cli_gauge_left_s(&g), 0);
	run(&g, &now, 6000, 10 * MIB);
	assert_in_range((uint64_t)g.rate, 10 * MIB - 5, 10 * MIB);
	assert_int_equal(cli_gauge_left_s(&g), 4);
	run(&g, &now, 4000, 10 * MIB);
	assert_int_equal(cli_gauge_left_s(&g), 0);
}

static void what_was_there_before_does_not_count_as_fast(void **state)
{
	(void)state;
	struct cli_gauge g;
	int64_t now = 0;
	cli_gauge_begin(&g, 100 * MIB, 50 * MIB, now);
	cli_gauge_skip(&g, 20 * MIB);
	run(&g, &now, 2000, 5 * MIB);
	assert_in_range((uint64_t)g.rate, 5 * MIB - 5, 5 * MIB);
	assert_int_equal(cli_count_percent(&g.count), 80);
}

static void a_pause_changes_the_rate_slowly_and_a_stall_ends_it(void **state)
{
	(void)state;
	struct cli_gauge g;
	int64_t now = 0;
	cli_gauge_begin(&g, GIB, 0, now);
	run(&g, &now, 10000, 10 * MIB);
	run(&g, &now, 1000, 0);
	assert_in_range((uint64_t)g.rate, 7 * MIB, 9 * MIB);
	run(&g, &now, 200000, 0);
	assert_true(g.rate < 1);
	assert_int_equal(cli_gauge_left_s(&g), 0);
}

static void what_is_taken_back_makes_no_negative_rate(void **state)
{
	(void)state;
	struct cli_gauge g;
	int64_t now = 0;
	cli_gauge_begin(&g, 100 * MIB, 0, now);
	run(&g, &now, 2000, 10 * MIB);
	cli_gauge_advance(&g, -(int64_t)(15 * MIB));
	now += 1000;
	cli_gauge_measure(&g, now);
	assert_true(g.rate >= 0 && g.rate <= 10 * MIB);
	assert_int_equal(g.count.shown, 20 * MIB);
}

static void a_line_of_its_own_leaves_out_what_is_not_known(void **state)
{
	(void)state;
	struct cli_gauge g;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	int64_t now = 0;
	cli_gauge_begin(&g, 0, 0, now);
	run(&g, &now, 2000, 10 * MIB);
	cli_lines_describe(&text, &g, false);
	assert_string_equal(buf_str(&text), "20.0 MiB  10.0 MiB/s");
	buf_clear(&text);
	cli_gauge_begin(&g, 2000, 500, now);
	cli_lines_describe(&text, &g, true);
	assert_string_equal(buf_str(&text), " 25 %  500 of 2000 files");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_rate_tells_the_time_that_is_left),
		cmocka_unit_test(what_was_there_before_does_not_count_as_fast),
		cmocka_unit_test(a_pause_changes_the_rate_slowly_and_a_stall_ends_it),
		cmocka_unit_test(what_is_taken_back_makes_no_negative_rate),
		cmocka_unit_test(a_line_of_its_own_leaves_out_what_is_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
