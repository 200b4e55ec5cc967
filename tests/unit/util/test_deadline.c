#include "util/deadline.h"

#include "fake_clock.h"
#include "unit.h"

#include <signal.h>

static void its_token_ends_work_when_the_time_has_passed(void **s)
{
	struct fake_clock f;
	struct deadline d;
	struct err e = ERR_INIT;
	(void)s;
	fake_clock_init(&f);
	deadline_start(&d, 2000, &f.clock, NULL);
	assert_int_equal(deadline_left_ms(&d), 2000);
	assert_ok(cancel_check(&d.cancel, &e), &e);
	f.now_us += 1999 * 1000 + 1;
	assert_int_equal(deadline_left_ms(&d), 1);
	assert_false(deadline_passed(&d));
	f.now_us += 999;
	assert_int_equal(deadline_left_ms(&d), 0);
	assert_true(deadline_passed(&d));
	assert_int_equal(cancel_signal(&d.cancel), SIGALRM);
	assert_int_equal(cancel_check(&d.cancel, &e), -ERR_CANCELLED);
}

static void a_pause_ends_with_it(void **s)
{
	struct fake_clock f;
	struct deadline d;
	struct err e = ERR_INIT;
	(void)s;
	fake_clock_init(&f);
	deadline_start(&d, 1000, &f.clock, NULL);
	assert_ok(clock_sleep_ms(&f.clock, 999, &d.cancel, &e), &e);
	assert_int_equal(clock_sleep_ms(&f.clock, 1, &d.cancel, &e), -ERR_CANCELLED);
}

static void what_a_person_asked_for_is_no_deadline(void **s)
{
	struct fake_clock f;
	struct deadline d;
	struct cancel user = CANCEL_INIT;
	(void)s;
	fake_clock_init(&f);
	deadline_start(&d, 1000, &f.clock, &user);
	cancel_ask(&user, SIGINT);
	assert_int_equal(cancel_signal(&d.cancel), SIGINT);
	f.now_us += 1000 * 1000;
	assert_false(deadline_passed(&d));
}

static void without_a_time_it_never_ends(void **s)
{
	struct fake_clock f;
	struct deadline d;
	(void)s;
	fake_clock_init(&f);
	deadline_start(&d, 0, &f.clock, NULL);
	f.now_us = UINT64_MAX - 1;
	assert_int_equal(deadline_left_ms(&d), UINT64_MAX);
	assert_int_equal(cancel_signal(&d.cancel), 0);
	assert_int_equal(deadline_left_ms(NULL), UINT64_MAX);
	deadline_start(&d, UINT64_MAX, &f.clock, NULL);
	assert_false(deadline_passed(&d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_token_ends_work_when_the_time_has_passed),
		cmocka_unit_test(a_pause_ends_with_it),
		cmocka_unit_test(what_a_person_asked_for_is_no_deadline),
		cmocka_unit_test(without_a_time_it_never_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
