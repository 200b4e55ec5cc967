#include "health/judge.h"

#include "unit.h"

static const unsigned at_once[HEALTH_STATES] = { 0, 1, 1, 1 };
static const unsigned third[HEALTH_STATES] = { 0, 3, 3, 3 };

static enum health_state judged(struct health_seen *s, enum health_state found,
				const unsigned after[HEALTH_STATES], int64_t now_s)
{
	health_judge(s, found, health_state_name(found), after, now_s);
	return s->state;
}

static void a_fault_counts_at_once_by_default(void **state)
{
	(void)state;
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	assert_int_equal(judged(&s, HEALTH_OK, at_once, 100), HEALTH_OK);
	assert_int_equal(s.since_s, 100);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, at_once, 200), HEALTH_CRITICAL);
	assert_int_equal(s.since_s, 200);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, at_once, 300), HEALTH_CRITICAL);
	assert_int_equal(s.since_s, 200);
	assert_int_equal(judged(&s, HEALTH_OK, at_once, 400), HEALTH_OK);
	assert_int_equal(s.since_s, 400);
}

static void a_fault_that_has_to_last_counts_from_its_first_run_on(void **state)
{
	(void)state;
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	assert_int_equal(judged(&s, HEALTH_OK, third, 100), HEALTH_OK);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, third, 200), HEALTH_OK);
	assert_int_equal(s.found, HEALTH_CRITICAL);
	assert_int_equal(s.runs[HEALTH_CRITICAL], 1);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, third, 300), HEALTH_OK);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, third, 400), HEALTH_CRITICAL);
	assert_int_equal(s.since_s, 200);
}

static void one_good_run_begins_the_row_anew(void **state)
{
	(void)state;
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	judged(&s, HEALTH_WARNING, third, 100);
	judged(&s, HEALTH_WARNING, third, 200);
	judged(&s, HEALTH_OK, third, 300);
	judged(&s, HEALTH_WARNING, third, 400);
	assert_int_equal(judged(&s, HEALTH_WARNING, third, 500), HEALTH_OK);
	assert_int_equal(judged(&s, HEALTH_WARNING, third, 600), HEALTH_WARNING);
	assert_int_equal(s.since_s, 400);
}

static void a_critical_run_is_also_one_with_a_warning(void **state)
{
	(void)state;
	static const unsigned after[HEALTH_STATES] = { 0, 2, 4, 1 };
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	judged(&s, HEALTH_CRITICAL, after, 100);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, after, 200), HEALTH_WARNING);
	assert_int_equal(judged(&s, HEALTH_WARNING, after, 300), HEALTH_WARNING);
	for (int i = 0; i < 3; i++)
		assert_int_equal(judged(&s, HEALTH_CRITICAL, after, 400), HEALTH_WARNING);
	assert_int_equal(judged(&s, HEALTH_CRITICAL, after, 500), HEALTH_CRITICAL);
	assert_int_equal(s.since_s, 500);
	assert_int_equal(s.bad_s, 100);
}

static void what_cannot_be_checked_does_not_end_a_fault_at_once(void **state)
{
	(void)state;
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	for (int i = 0; i < 3; i++)
		judged(&s, HEALTH_CRITICAL, third, 100 + i);
	assert_int_equal(judged(&s, HEALTH_UNKNOWN, third, 200), HEALTH_CRITICAL);
	assert_int_equal(judged(&s, HEALTH_UNKNOWN, third, 300), HEALTH_CRITICAL);
	assert_int_equal(judged(&s, HEALTH_UNKNOWN, third, 400), HEALTH_UNKNOWN);
	assert_int_equal(judged(&s, HEALTH_OK, third, 500), HEALTH_OK);
}

static void judging_says_what_counted_before(void **state)
{
	(void)state;
	CLEANUP(health_seen_release) struct health_seen s = { 0 };
	assert_int_equal(health_judge(&s, HEALTH_WARNING, "slow", at_once, 1), HEALTH_OK);
	assert_int_equal(health_judge(&s, HEALTH_CRITICAL, "down", at_once, 2), HEALTH_WARNING);
	assert_string_equal(s.reason, "down");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_counts_at_once_by_default),
		cmocka_unit_test(a_fault_that_has_to_last_counts_from_its_first_run_on),
		cmocka_unit_test(one_good_run_begins_the_row_anew),
		cmocka_unit_test(a_critical_run_is_also_one_with_a_warning),
		cmocka_unit_test(what_cannot_be_checked_does_not_end_a_fault_at_once),
		cmocka_unit_test(judging_says_what_counted_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
