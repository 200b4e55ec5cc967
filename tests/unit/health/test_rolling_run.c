/* The rolling audit of a mirror in memory, and the findings that come of it. */
#include "health/rolling.h"
#include "publish/push.h"
#include "util/mem.h"

#include "fake_clock.h"
#include "release.h"
#include "unit.h"

#include <limits.h>

#define DAY 86400
#define UNIT (8 * MIB)

struct world {
	char *dir;
	struct tree t;
	struct mirror_mem *store;
	struct mirror *m;
	struct rolling *r;
	struct fake_clock clock;
	struct rolling_options o;
	struct rolling_report report;
	struct health_findings findings;
};
static struct world *w;

static void open_world(void)
{
	struct err e = ERR_INIT;
	struct push_result result;
	struct push_options o = { .threads = 1, .retry = &retry_once };
	w->store = mirror_mem_new();
	w->m = mirror_mem_open(w->store, "eu");
	struct push_mirror pm = { .id = "eu", .mirror = w->m };
	assert_ok(push_run(&w->t, &pm, 1, &o, &result, &e), &e);
	push_mirror_release(&pm);
	fake_clock_init(&w->clock);
	w->r = rolling_new(NULL, 0);
	w->o = (struct rolling_options){
		.budget = 256 * MIB,
		.window_s = 30 * DAY,
		.clock = &w->clock.clock,
	};
}

static int set_up(void **state)
{
	(void)state;
	w = NEW(struct world);
	w->dir = scratch_new();
	release_make_pieces(w->dir, 1, 3, &w->t);
	open_world();
	return 0;
}

/* Objects without a manifest: one in 13 has two pieces. */
static int set_up_many(void **state)
{
	(void)state;
	w = NEW(struct world);
	w->dir = scratch_new();
	release_make_many(w->dir, 8, &w->t);
	open_world();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rolling_report_release(&w->report);
	health_findings_release(&w->findings);
	rolling_free(w->r);
	mirror_close(w->m);
	mirror_mem_free(w->store);
	tree_release(&w->t);
	scratch_free(w->dir);
	free(w);
	return 0;
}

static void run_after(uint64_t s)
{
	struct err e = ERR_INIT;
	w->clock.now_us += s * 1000000;
	rolling_report_release(&w->report);
	health_findings_release(&w->findings);
	assert_ok(rolling_run(w->r, w->m, &w->t, &w->o, &w->report, &e), &e);
	rolling_find(&w->report, &w->o, 90, &w->findings);
}

static void assert_found(enum health_check check, enum health_state state, const char *reason)
{
	for (size_t i = 0; i < w->findings.count; i++)
		if (w->findings.at[i].check == check) {
			assert_string_equal(w->findings.at[i].reason, reason);
			assert_int_equal(w->findings.at[i].state, state);
			return;
		}
	fail_msg("no finding of %s", health_check_name(check));
}

static void flip(const char *key, uint64_t at)
{
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.key = key,
							.times = UINT_MAX,
							.harm = MEM_FLIP,
							.at = at });
}

static void a_mirror_without_a_fault_is_read_completely(void **state)
{
	(void)state;
	run_after(0);
	assert_int_equal(w->report.pieces, 7); /* two small, three of the big one, its manifest,
						  the catalog */
	assert_int_equal(w->report.coverage.verified, w->report.coverage.bytes);
	assert_int_equal(w->report.promise_days, 2);
	assert_found(HEALTH_INTEGRITY, HEALTH_OK,
		     "no wrong bytes are known; 7 pieces have been "
		     "read");
	assert_found(HEALTH_COVERAGE, HEALTH_OK,
		     "100 % of all bytes were verified in the last 30 days, the oldest check is 0s "
		     "old");
}

static void one_wrong_byte_is_found_and_its_recovery_is_seen(void **state)
{
	(void)state;
	run_after(0);
	flip(RELEASE_BIG, UNIT + 77);
	run_after(DAY);
	assert_found(HEALTH_INTEGRITY, HEALTH_CRITICAL,
		     "wrong bytes in " RELEASE_BIG ": piece 1 (bytes 8388608-16777215)");
	assert_int_equal(w->report.coverage.verified, w->report.coverage.bytes - UNIT);
	assert_int_equal(w->report.totals.wrong, 1);
	mirror_mem_mend(w->store);
	run_after(60);
	assert_found(HEALTH_INTEGRITY, HEALTH_OK,
		     "no wrong bytes are known; 15 pieces have been "
		     "read");
}

static void a_missing_object_is_told_and_is_graver_than_one_that_cannot_be_read(void **state)
{
	(void)state;
	mirror_mem_remove(w->store, RELEASE_BIG);
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.key = "targets/models/m/1.gguf",
							.times = UINT_MAX });
	run_after(0);
	assert_int_equal(w->report.faults[ROLLING_MISSING], 3);
	assert_found(HEALTH_INTEGRITY, HEALTH_CRITICAL,
		     "missing: " RELEASE_BIG ": piece 0 (bytes 0-8388607) and 2 more pieces");
}

static void what_could_not_be_read_three_times_is_a_warning(void **state)
{
	(void)state;
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.key = RELEASE_BIG MANIFEST_SUFFIX,
							.times = UINT_MAX });
	run_after(0);
	assert_found(HEALTH_INTEGRITY, HEALTH_OK,
		     "no wrong bytes are known; 6 pieces have been "
		     "read");
	run_after(DAY);
	run_after(DAY);
	assert_string_equal(w->findings.at[0].reason,
			    "for several runs, could not read " RELEASE_BIG MANIFEST_SUFFIX
			    ": mirror eu: " RELEASE_BIG MANIFEST_SUFFIX ": injected failure");
}

static void an_object_without_known_pieces_is_read_as_a_whole(void **state)
{
	(void)state;
	flip("targets/05.bin", 8 * MIB + 3);
	run_after(0);
	assert_found(HEALTH_INTEGRITY, HEALTH_CRITICAL, "wrong bytes in targets/05.bin");
}

static void files_of_others_may_change(void **state)
{
	struct mirror_ops others = *w->m->ops;
	const struct mirror_ops *real = w->m->ops;
	(void)state;
	others.others_files = true;
	flip(RELEASE_BIG, 1);
	w->m->ops = &others;
	run_after(0);
	w->m->ops = real;
	assert_int_equal(w->findings.at[0].state, HEALTH_WARNING);
}

static void coverage_that_is_due_is_a_warning_which_names_what_is_possible(void **state)
{
	(void)state;
	w->o.budget = MIB;
	w->o.window_s = 2 * DAY;
	run_after(0);
	assert_int_equal(w->report.coverage.overdue, 0);
	w->o.budget = 0;
	run_after(3 * DAY);
	assert_int_equal(w->findings.count, 0);
	w->o.budget = MIB;
	run_after(0);
	assert_true(w->report.coverage.overdue > UNIT);
	assert_int_equal(w->findings.at[1].state, HEALTH_WARNING);
	assert_non_null(strstr(w->findings.at[1].reason, "; with this budget, all of it takes up "
							 "to "));
}

static void the_deadline_ends_a_slow_answer(void **state)
{
	(void)state;
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.times = UINT_MAX,
							.harm = MEM_SLOW,
							.at = 60000 });
	w->o.deadline_us = w->clock.now_us + 20000;
	w->o.clock = &w->clock.clock;
	run_after(0);
	assert_int_equal(w->report.totals.right, 0);
	assert_true(w->report.faults[ROLLING_UNREAD] > 0);
}

static void a_signal_ends_it(void **state)
{
	struct cancel cancel = CANCEL_INIT;
	struct err e = ERR_INIT;
	(void)state;
	cancel_ask(&cancel, 15);
	w->o.cancel = &cancel;
	assert_int_equal(rolling_run(w->r, w->m, &w->t, &w->o, &w->report, &e), -ERR_CANCELLED);
	assert_int_equal(w->report.totals.right, 0);
	assert_true(w->report.coverage.bytes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_mirror_without_a_fault_is_read_completely),
		T(one_wrong_byte_is_found_and_its_recovery_is_seen),
		T(a_missing_object_is_told_and_is_graver_than_one_that_cannot_be_read),
		T(what_could_not_be_read_three_times_is_a_warning),
		cmocka_unit_test_setup_teardown(an_object_without_known_pieces_is_read_as_a_whole,
						set_up_many, tear_down),
		T(files_of_others_may_change),
		T(coverage_that_is_due_is_a_warning_which_names_what_is_possible),
		T(the_deadline_ends_a_slow_answer),
		T(a_signal_ends_it),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
