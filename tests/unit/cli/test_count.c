#include "cli/frame/count.h"

#include "unit.h"

static void assert_shows(const struct cli_count *c, uint64_t shown, unsigned percent)
{
	assert_int_equal(c->shown, shown);
	assert_int_equal(cli_count_percent(c), percent);
}

static void progress_never_goes_beyond_the_total(void **state)
{
	(void)state;
	struct cli_count c;
	cli_count_begin(&c, 340, 0);
	cli_count_advance(&c, 340);
	assert_shows(&c, 340, 100);
	cli_count_advance(&c, 182);
	assert_shows(&c, 340, 100);
	cli_count_begin(&c, 100, 250);
	assert_shows(&c, 100, 100);
	cli_count_begin(&c, 100, UINT64_MAX);
	cli_count_advance(&c, INT64_MAX);
	cli_count_advance(&c, INT64_MAX);
	assert_shows(&c, 100, 100);
}

static void progress_never_goes_backward(void **state)
{
	(void)state;
	struct cli_count c;
	cli_count_begin(&c, 200, 50);
	assert_shows(&c, 50, 25);
	cli_count_advance(&c, 70);
	assert_shows(&c, 120, 60);
	/* A damaged piece is fetched again: nothing moves until it is there. */
	cli_count_advance(&c, -100);
	assert_shows(&c, 120, 60);
	assert_int_equal(c.done, 20);
	cli_count_advance(&c, 90);
	assert_shows(&c, 120, 60);
	cli_count_advance(&c, 20);
	assert_shows(&c, 130, 65);
	/* More than there was. */
	cli_count_advance(&c, INT64_MIN);
	assert_shows(&c, 130, 65);
	assert_int_equal(c.done, 0);
	cli_count_advance(&c, 200);
	assert_shows(&c, 200, 100);
}

static void almost_everything_is_not_yet_all(void **state)
{
	(void)state;
	struct cli_count c;
	cli_count_begin(&c, 1000, 999);
	assert_shows(&c, 999, 99);
}

static void without_a_total_all_is_shown(void **state)
{
	(void)state;
	struct cli_count c;
	cli_count_begin(&c, 0, 0);
	cli_count_advance(&c, 5);
	cli_count_advance(&c, -3);
	assert_int_equal(c.shown, 5);
	cli_count_advance(&c, 10);
	assert_int_equal(c.shown, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_never_goes_beyond_the_total),
		cmocka_unit_test(progress_never_goes_backward),
		cmocka_unit_test(almost_everything_is_not_yet_all),
		cmocka_unit_test(without_a_total_all_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
