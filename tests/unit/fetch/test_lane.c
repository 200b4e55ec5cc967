/* How many connections a source gets, for what it does with them. The time is ours. */
#include "fetch/lane.h"

#include "unit.h"

#include <stdatomic.h>

#define SECOND 1000000ULL
#define HELD (11 * SECOND) /* longer than a number that did not help is kept */

struct fixture {
	struct source source;
	struct lane lane;
	uint64_t now_us;
};

static void begin(struct fixture *f, unsigned first, unsigned most)
{
	*f = (struct fixture){ .now_us = 5 * SECOND };
	lane_init(&f->lane, &f->source, first, most, f->now_us);
}

/* As many connections as it may have. */
static void fill(struct fixture *f)
{
	while (f->lane.active < f->lane.target)
		lane_begin(&f->lane, f->now_us);
	while (f->lane.active > f->lane.target)
		lane_end(&f->lane);
}

/* All of its connections together give so many MiB in a second. */
static void a_second(struct fixture *f, unsigned mib)
{
	fill(f);
	lane_tick(&f->lane, f->now_us);
	f->now_us += SECOND;
	atomic_fetch_add(&f->lane.got, mib * MIB);
	lane_tick(&f->lane, f->now_us);
}

static void it_begins_with_the_first_number(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	assert_int_equal(f.lane.target, 1);
	assert_int_equal(f.lane.most, LANE_MOST);
	begin(&f, LANE_SMALL, 0);
	assert_int_equal(f.lane.target, LANE_SMALL);
	begin(&f, LANE_SMALL, 2);
	assert_int_equal(f.lane.target, 2);
}

static void connections_double_while_it_is_faster_by_a_quarter(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	a_second(&f, 500);
	assert_int_equal(f.lane.target, 2);
	a_second(&f, 650);
	assert_int_equal(f.lane.target, 4);
	a_second(&f, 850);
	assert_int_equal(f.lane.target, 8);
	a_second(&f, 1100);
	assert_int_equal(f.lane.target, 16);
	a_second(&f, 2500);
	assert_int_equal(f.lane.target, 16);
}

static void several_at_once_where_one_is_slow(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	a_second(&f, 10);
	assert_int_equal(f.lane.target, LANE_SMALL);
	a_second(&f, 20);
	assert_int_equal(f.lane.target, 2 * LANE_SMALL);
	begin(&f, 1, 2);
	a_second(&f, 10);
	assert_int_equal(f.lane.target, 2);
}

static void they_stay_within_the_most(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 3);
	a_second(&f, 10);
	a_second(&f, 20);
	assert_int_equal(f.lane.target, 3);
	a_second(&f, 40);
	assert_int_equal(f.lane.target, 3);
}

static void they_go_back_when_it_is_not_faster_and_are_tried_again_later(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 4, 0);
	a_second(&f, 20);
	assert_int_equal(f.lane.target, 8);
	a_second(&f, 24);
	assert_int_equal(f.lane.target, 4);
	a_second(&f, 20);
	assert_int_equal(f.lane.target, 4);
	f.now_us += HELD;
	lane_tick(&f.lane, f.now_us);
	a_second(&f, 20);
	assert_int_equal(f.lane.target, 8);
}

/* Neither time nor bytes say anything while a connection is unused. */
static void nothing_is_learned_while_a_connection_is_unused(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 4, 0);
	lane_begin(&f.lane, f.now_us);
	for (int i = 0; i < 5; i++) {
		f.now_us += SECOND;
		atomic_fetch_add(&f.lane.got, 100 * MIB);
		lane_tick(&f.lane, f.now_us);
	}
	assert_int_equal(f.lane.target, 4);
}

static void a_failure_halves_them(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 8, 0);
	fill(&f);
	f.now_us += SECOND;
	assert_true(lane_failed(&f.lane, 5 * SECOND, f.now_us));
	assert_int_equal(f.lane.target, 4);
	/* It is not given more at once. */
	a_second(&f, 50);
	assert_int_equal(f.lane.target, 4);
}

static void there_is_always_one(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	for (int i = 0; i < 3; i++) {
		f.now_us += SECOND;
		assert_true(lane_failed(&f.lane, f.now_us, f.now_us));
		assert_int_equal(f.lane.target, 1);
	}
}

static void failures_that_began_before_the_last_one_do_not_count_again(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 16, 0);
	uint64_t began_us = f.now_us, failed_us = began_us + SECOND;
	assert_true(lane_failed(&f.lane, began_us, failed_us));
	for (int i = 1; i < 16; i++)
		assert_false(lane_failed(&f.lane, began_us, failed_us + i));
	assert_int_equal(f.lane.target, 8);
	assert_true(lane_failed(&f.lane, failed_us, failed_us + SECOND));
	assert_int_equal(f.lane.target, 4);
	/* This one began between the two. */
	assert_false(lane_failed(&f.lane, failed_us + 1, failed_us + 2 * SECOND));
	assert_int_equal(f.lane.target, 4);
}

static void a_source_that_stands_still_gets_another_connection(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	fill(&f);
	lane_look(&f.lane, f.now_us);
	for (unsigned want = 2; want <= LANE_SMALL + 2; want++) {
		atomic_fetch_add(&f.lane.got, 1);
		lane_look(&f.lane, f.now_us);
		f.now_us += SECOND;
		lane_look(&f.lane, f.now_us);
		assert_int_equal(f.lane.target, MIN(want - 1, LANE_SMALL));
		f.now_us += 2 * SECOND;
		lane_look(&f.lane, f.now_us);
		assert_int_equal(f.lane.target, MIN(want, LANE_SMALL));
		fill(&f);
	}
}

static void a_source_that_stands_still_gets_none_while_one_is_unused_or_forbidden(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 2, 0);
	lane_begin(&f.lane, f.now_us);
	for (int i = 0; i < 3; i++) {
		lane_look(&f.lane, f.now_us);
		f.now_us += 3 * SECOND;
	}
	assert_int_equal(f.lane.target, 2);
	begin(&f, 1, 1);
	fill(&f);
	for (int i = 0; i < 3; i++) {
		lane_look(&f.lane, f.now_us);
		f.now_us += 3 * SECOND;
	}
	assert_int_equal(f.lane.target, 1);
}

static void the_time_for_a_piece_is_measured(void **state)
{
	struct fixture f;
	(void)state;
	begin(&f, 1, 0);
	assert_true(lane_piece_s(&f.lane, MIB) == 0);
	lane_landed(&f.lane, 8 * MIB, 4 * SECOND);
	assert_true(lane_piece_s(&f.lane, 4 * MIB) > 1.99 && lane_piece_s(&f.lane, 4 * MIB) < 2.01);
	lane_landed(&f.lane, 8 * MIB, SECOND);
	assert_true(lane_piece_s(&f.lane, 4 * MIB) < 1.99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_with_the_first_number),
		cmocka_unit_test(connections_double_while_it_is_faster_by_a_quarter),
		cmocka_unit_test(several_at_once_where_one_is_slow),
		cmocka_unit_test(they_stay_within_the_most),
		cmocka_unit_test(they_go_back_when_it_is_not_faster_and_are_tried_again_later),
		cmocka_unit_test(nothing_is_learned_while_a_connection_is_unused),
		cmocka_unit_test(a_failure_halves_them),
		cmocka_unit_test(there_is_always_one),
		cmocka_unit_test(failures_that_began_before_the_last_one_do_not_count_again),
		cmocka_unit_test(a_source_that_stands_still_gets_another_connection),
		cmocka_unit_test(
			a_source_that_stands_still_gets_none_while_one_is_unused_or_forbidden),
		cmocka_unit_test(the_time_for_a_piece_is_measured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
