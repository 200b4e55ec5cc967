#include "util/rate.h"

#include "fake_clock.h"
#include "unit.h"
#include "util/mem.h"
#include "util/text.h"

#include <stdlib.h>
#include <time.h>

#define AT(h, m) ((h)*60 + (m))
#define ON(day, h, m) ((day)*24 * 60 + AT(h, m))

static struct rate_table table_of(const char *text)
{
	struct rate_table t = { 0 };
	assert_true(rate_table_parse(text, &t));
	return t;
}

/* ---- timetables ------------------------------------------------------------------ */

static void a_size_holds_at_any_time(void **state)
{
	(void)state;
	struct rate_table t = table_of("20MiB");
	for (unsigned minute = 0; minute < ON(7, 0, 0); minute += 61)
		assert_int_equal(rate_table_at(&t, minute), 20 * MIB);
	t = table_of("off");
	assert_int_equal(rate_table_at(&t, 0), 0);
	assert_int_equal(rate_table_at(&(struct rate_table){ 0 }, 0), 0);
}

static void an_entry_holds_until_the_next_one_over_midnight(void **state)
{
	(void)state;
	struct rate_table t = table_of("08:00,512k 12:30,10M  13:00,512k\n\t18:00,30M 23:00,off");
	for (unsigned day = 0; day < 7; day++) {
		assert_int_equal(rate_table_at(&t, ON(day, 7, 59)), 0);
		assert_int_equal(rate_table_at(&t, ON(day, 8, 0)), 512 * KIB);
		assert_int_equal(rate_table_at(&t, ON(day, 12, 29)), 512 * KIB);
		assert_int_equal(rate_table_at(&t, ON(day, 12, 30)), 10 * MIB);
		assert_int_equal(rate_table_at(&t, ON(day, 17, 59)), 512 * KIB);
		assert_int_equal(rate_table_at(&t, ON(day, 22, 59)), 30 * MIB);
		assert_int_equal(rate_table_at(&t, ON(day, 23, 0)), 0);
	}
}

static void the_order_of_entries_does_not_matter(void **state)
{
	(void)state;
	struct rate_table a = table_of("08:00,1M 19:00,off"), b = table_of("19:00,off 08:00,1M");
	for (unsigned minute = 0; minute < ON(7, 0, 0); minute += 7)
		assert_int_equal(rate_table_at(&a, minute), rate_table_at(&b, minute));
}

static void weekdays_are_known(void **state)
{
	(void)state;
	struct rate_table t = table_of("Mon-08:00,1M fri-20:00,off");
	assert_int_equal(rate_table_at(&t, ON(0, 7, 59)), 0);
	assert_int_equal(rate_table_at(&t, ON(0, 8, 0)), MIB);
	assert_int_equal(rate_table_at(&t, ON(4, 19, 59)), MIB);
	assert_int_equal(rate_table_at(&t, ON(4, 20, 0)), 0);
	assert_int_equal(rate_table_at(&t, ON(6, 23, 59)), 0);
	t = table_of("08:00,1M 19:00,2M Sun-08:00,off");
	assert_int_equal(rate_table_at(&t, ON(5, 8, 0)), MIB);
	assert_int_equal(rate_table_at(&t, ON(6, 8, 0)), 0);
	assert_int_equal(rate_table_at(&t, ON(6, 19, 0)), 2 * MIB);
}

static void what_is_no_timetable_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",           "fast",        "0",           "08:00",        "08:00,",
		"08:00,fast", "24:00,1M",    "08:60,1M",    "8,1M",         "08:0,1M",
		"08:000,1M",  "Mo-08:00,1M", "Mon08:00,1M", "Mon-,1M",      "08:00,1M 5M",
		"1M 2M",      "-8:00,1M",    "08:00,0",     "08:00,10M:1M", "08:00 1M",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rate_table t = { .count = 7 };
		assert_false(rate_table_parse(bad[i], &t));
		assert_int_equal(t.count, 7);
	}
}

static void too_many_entries_are_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * KIB);
	struct rate_table t;
	for (int i = 0; i < RATE_MAX_ENTRIES; i++)
		buf_addf(&text, "%02d:%02d,1M ", i / 2, i % 2 * 30);
	assert_true(rate_table_parse(buf_str(&text), &t));
	buf_addf(&text, "23:59,1M");
	assert_false(rate_table_parse(buf_str(&text), &t));
}

/* ---- the queue ------------------------------------------------------------------- */

/* The fake clock begins at 2026-01-01 00:16:40 UTC, a Thursday. */
static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static uint64_t slept_for(const char *zone, const char *text, uint64_t bytes)
{
	struct fake_clock f;
	struct err e = ERR_INIT;
	fake_clock_init(&f);
	set_zone(zone);
	struct rate r = { .table = table_of(text), .clock = &f.clock };
	assert_ok(rate_take(&r, bytes, NULL, &e), &e);
	return f.slept_ms;
}

static void the_time_is_the_local_one(void **state)
{
	(void)state;
	const char *text = "08:00,1000B 19:00,off";
	assert_int_equal(slept_for("UTC0", text, 5000), 0);
	assert_int_equal(slept_for("EAST-10", text, 5000), 5000); /* 10:16 there */
	assert_int_equal(slept_for("WEST6", text, 5000), 5000);   /* 18:16 on the day before */
	assert_int_equal(slept_for("UTC0", "Thu-00:00,1000B Fri-00:00,off", 5000), 5000);
	assert_int_equal(slept_for("WEST6", "Thu-00:00,1000B Fri-00:00,off", 5000), 0);
}

static void the_limit_changes_while_bytes_pass(void **state)
{
	(void)state;
	struct fake_clock f;
	struct err e = ERR_INIT;
	fake_clock_init(&f);
	set_zone("UTC0");
	struct rate r = { .table = table_of("00:00,1000B 00:20,4000B 00:21,off"),
			  .clock = &f.clock };
	for (int i = 0; i < 200; i++) /* 200 s, until 00:20:00 */
		assert_ok(rate_take(&r, 1000, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 200000);
	for (int i = 0; i < 60; i++)
		assert_ok(rate_take(&r, 4000, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 260000);
	for (int i = 0; i < 1000; i++)
		assert_ok(rate_take(&r, GIB, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 260000);
}

static void a_limit_within_another_keeps_both(void **state)
{
	(void)state;
	struct fake_clock f;
	struct err e = ERR_INIT;
	fake_clock_init(&f);
	struct rate all = { .table = table_of("3000B"), .clock = &f.clock };
	struct rate one = { .table = table_of("1000B"), .within = &all, .clock = &f.clock };
	struct rate other = { .within = &all, .clock = &f.clock };
	assert_ok(rate_take(&one, 6000, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 6000); /* its own limit */
	assert_ok(rate_take(&other, 9000, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 9000); /* that of all */
	assert_int_equal(rate_limit(&one), 1000);
	assert_int_equal(rate_limit(&other), 3000);
}

static void the_bytes_of_all_are_in_one_queue(void **state)
{
	(void)state;
	struct fake_clock f;
	struct err e = ERR_INIT;
	fake_clock_init(&f);
	struct rate all = { .table = table_of("1000B"), .clock = &f.clock };
	struct rate a = { .within = &all, .clock = &f.clock }, b = a;
	for (int i = 0; i < 5; i++) {
		assert_ok(rate_take(&a, 1000, NULL, &e), &e);
		assert_ok(rate_take(&b, 1000, NULL, &e), &e);
	}
	assert_int_equal(f.slept_ms, 10000);
}

static void buffers_are_made_for_the_lowest_limit(void **state)
{
	(void)state;
	struct rate r = { .table = table_of("08:00,20M 12:00,1M 19:00,off") };
	assert_int_equal(rate_limit(&r), MIB);
	r.table = table_of("off");
	assert_int_equal(rate_limit(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_holds_at_any_time),
		cmocka_unit_test(an_entry_holds_until_the_next_one_over_midnight),
		cmocka_unit_test(the_order_of_entries_does_not_matter),
		cmocka_unit_test(weekdays_are_known),
		cmocka_unit_test(what_is_no_timetable_is_refused),
		cmocka_unit_test(too_many_entries_are_refused),
		cmocka_unit_test(the_time_is_the_local_one),
		cmocka_unit_test(the_limit_changes_while_bytes_pass),
		cmocka_unit_test(a_limit_within_another_keeps_both),
		cmocka_unit_test(the_bytes_of_all_are_in_one_queue),
		cmocka_unit_test(buffers_are_made_for_the_lowest_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
