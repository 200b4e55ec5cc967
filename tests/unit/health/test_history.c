#include "health/history.h"

#include "unit.h"
#include "util/mem.h"
#include "util/path.h"

#define DAY 86400
#define NOON (INT64_C(20000) * DAY + DAY / 2)

static const unsigned at_once[HEALTH_STATES] = { 0, 1, 1, 1 };

struct place {
	char *dir, *path;
	struct db *db;
};

static int set_up(void **state)
{
	struct place *p = NEW(struct place);
	struct err e = ERR_INIT;
	p->dir = scratch_new();
	p->path = path_join(p->dir, "ops.db");
	assert_ok(health_history_open(p->path, NULL, &p->db, &e), &e);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;
	db_close(p->db);
	scratch_free(p->dir);
	free(p->path);
	free(p);
	return 0;
}

/* A run that found `found` on the mirror "eu". */
static void run(struct place *p, int64_t now_s, enum health_state found, bool silenced)
{
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	struct err e = ERR_INIT;
	assert_ok(health_history_load(p->db, "lab", &h, &e), &e);
	struct health_known *k = health_history_of(&h, "eu");
	enum health_state from = health_judge(&k->checks[HEALTH_REACH], found, "it's \"down\"",
					      at_once, now_s);
	const struct health_change change = {
		.mirror = "eu",
		.check = HEALTH_REACH,
		.from = from,
		.to = found,
		.reason = "it's \"down\"",
		.since_s = now_s,
	};
	const struct health_result result = {
		.mirror = "eu",
		.state = silenced ? HEALTH_OK : found,
		.up = found == HEALTH_OK,
		.silenced = silenced,
		.first_byte_us = 2000,
	};
	const struct health_record record = {
		.start_s = now_s,
		.duration_ms = 5,
		.state = found,
		.results = &result,
		.result_count = 1,
		.changes = &change,
		.change_count = from != found,
		.keep_s = 90 * DAY,
	};
	h.release = 7;
	h.release_s = now_s;
	assert_ok(health_history_save(p->db, "lab", &h, &record, &e), &e);
}

static void what_was_found_is_known_in_the_next_run(void **state)
{
	struct place *p = *state;
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	struct err e = ERR_INIT;
	run(p, NOON, HEALTH_OK, false);
	run(p, NOON + 60, HEALTH_CRITICAL, false);
	run(p, NOON + 120, HEALTH_CRITICAL, false);
	assert_ok(health_history_load(p->db, "lab", &h, &e), &e);
	assert_int_equal(h.release, 7);
	assert_int_equal(h.run_s, NOON + 120);
	const struct health_seen *s = &health_history_of(&h, "eu")->checks[HEALTH_REACH];
	assert_true(s->known);
	assert_int_equal(s->state, HEALTH_CRITICAL);
	assert_int_equal(s->since_s, NOON + 60);
	assert_int_equal(s->bad_s, NOON + 60);
	assert_int_equal(s->runs[HEALTH_WARNING], 2);
	assert_int_equal(s->runs[HEALTH_CRITICAL], 2);
	assert_int_equal(s->runs[HEALTH_UNKNOWN], 0);
	assert_string_equal(s->reason, "it's \"down\"");
	assert_false(health_history_of(&h, "eu")->checks[HEALTH_CLOCK].known);
	assert_false(health_history_of(&h, "other")->checks[HEALTH_REACH].known);
}

static void the_states_of_the_audit_come_back_byte_for_byte(void **state)
{
	static const char bytes[] = "\0audit\n\xff";
	struct place *p = *state;
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	struct err e = ERR_INIT;
	const struct health_result result = { .mirror = "eu" };
	const struct health_record record = {
		.start_s = NOON, .results = &result, .result_count = 1, .keep_s = DAY
	};
	buf_add(&health_history_of(&h, "eu")->audit, bytes, sizeof bytes);
	health_history_of(&h, "eu")->newest_s = 42;
	assert_ok(health_history_save(p->db, "lab", &h, &record, &e), &e);
	health_history_release(&h);
	assert_ok(health_history_load(p->db, "lab", &h, &e), &e);
	struct health_known *k = health_history_of(&h, "eu");
	assert_int_equal(k->audit.len, sizeof bytes);
	assert_memory_equal(k->audit.data, bytes, sizeof bytes);
	assert_int_equal(k->objects.len, 0);
	assert_int_equal(k->newest_s, 42);
}

/* ---- uptime ---- */

struct sum {
	size_t days;
	uint64_t runs, up, silenced, ok, critical, first_byte_us;
};

static int sum_day(void *ctx, const struct health_day *day, struct err *e)
{
	struct sum *s = ctx;
	(void)e;
	assert_string_equal(day->mirror, "eu");
	s->days++;
	s->runs += day->runs;
	s->up += day->up;
	s->silenced += day->silenced;
	s->ok += day->states[HEALTH_OK];
	s->critical += day->states[HEALTH_CRITICAL];
	s->first_byte_us = day->first_byte_us;
	return 0;
}

static struct sum sum_of(struct place *p, int64_t since_s)
{
	struct sum s = { 0 };
	struct err e = ERR_INIT;
	assert_ok(health_history_days(p->db, NULL, "eu", since_s, sum_day, &s, &e), &e);
	return s;
}

static void runs_are_counted_by_day(void **state)
{
	struct place *p = *state;
	for (int i = 0; i < 9; i++)
		run(p, NOON + i * 60, HEALTH_OK, false);
	run(p, NOON + 600, HEALTH_CRITICAL, false);
	run(p, NOON + DAY, HEALTH_CRITICAL, true);
	struct sum s = sum_of(p, NOON - DAY);
	assert_int_equal(s.days, 2);
	assert_int_equal(s.runs, 11);
	assert_int_equal(s.up, 9);
	assert_int_equal(s.silenced, 1);
	assert_int_equal(s.ok, 10);
	assert_int_equal(s.critical, 1);
	assert_int_equal(s.first_byte_us, 2000);
	assert_int_equal(sum_of(p, NOON + DAY).days, 1);
}

static void what_is_older_than_it_is_kept_goes(void **state)
{
	struct place *p = *state;
	CLEANUP(health_history_release) struct health_history h = HEALTH_HISTORY_INIT;
	const struct health_record empty = { .start_s = NOON + 91 * DAY, .keep_s = 90 * DAY };
	struct err e = ERR_INIT;
	run(p, NOON, HEALTH_CRITICAL, false);
	assert_ok(health_history_save(p->db, "lab", &h, &empty, &e), &e);
	assert_int_equal(sum_of(p, 0).days, 0);
	assert_ok(health_history_load(p->db, "lab", &h, &e), &e);
	for (size_t i = 0; i < h.count; i++)
		assert_string_equal(h.at[i]->mirror, "");
}

/* ---- changes ---- */

static int count_event(void *ctx, const struct health_event *event, struct err *e)
{
	int64_t *times = ctx;
	(void)e;
	times[++times[0]] = event->at_s;
	assert_string_equal(event->repository, "lab");
	assert_int_equal(event->change.check, HEALTH_REACH);
	return 0;
}

static void changes_are_listed_the_newest_first(void **state)
{
	struct place *p = *state;
	int64_t times[8] = { 0 };
	struct err e = ERR_INIT;
	run(p, NOON, HEALTH_OK, false);
	run(p, NOON + 60, HEALTH_CRITICAL, false);
	run(p, NOON + 120, HEALTH_CRITICAL, false);
	run(p, NOON + 180, HEALTH_OK, false);
	assert_ok(health_history_events(p->db, "lab", NULL, 0, 5, count_event, times, &e), &e);
	assert_int_equal(times[0], 2);
	assert_int_equal(times[1], NOON + 180);
	assert_int_equal(times[2], NOON + 60);
}

/* ---- silences ---- */

static void silence(struct place *p, int64_t from_s, int64_t until_s, bool wanted)
{
	const struct health_silence s = { .mirror = (char *)"eu",
					  .from_s = from_s,
					  .until_s = until_s };
	struct err e = ERR_INIT;
	bool was = !wanted;
	assert_ok(health_history_silence(p->db, &s, &was, &e), &e);
	assert_int_equal(was, wanted);
}

static size_t silences(struct place *p, int64_t now_s)
{
	CLEANUP(health_silences_release) struct health_silences all = { 0 };
	struct err e = ERR_INIT;
	assert_ok(health_history_silences(p->db, now_s, &all, &e), &e);
	return all.count;
}

static void a_silence_ends_by_itself_or_when_it_is_ended(void **state)
{
	struct place *p = *state;
	silence(p, NOON, NOON + 100, false);
	assert_int_equal(silences(p, NOON + 99), 1);
	assert_int_equal(silences(p, NOON + 100), 0);
	silence(p, NOON + 50, NOON + 200, true);
	assert_int_equal(silences(p, NOON + 100), 1);
	silence(p, NOON + 110, NOON + 110, true);
	assert_int_equal(silences(p, NOON + 111), 0);
	silence(p, NOON + 120, NOON + 120, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_found_is_known_in_the_next_run, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_states_of_the_audit_come_back_byte_for_byte,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_are_counted_by_day, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_older_than_it_is_kept_goes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(changes_are_listed_the_newest_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_silence_ends_by_itself_or_when_it_is_ended,
						set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
