#include "health/alert.h"

#include "fake_clock.h"
#include "json/json.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#define HOUR_S 3600
#define DOCUMENTS 16

/* A receiver that appends what it gets to the file "got", unless there is a file "down". It keeps
 * the database as it is while it receives. */
#define RECEIVER \
	"test ! -e down && cat >> got && echo >> got && cp ops.db killed.db && " \
	"if test -e ops.db-wal; then cp ops.db-wal killed.db-wal; fi"

struct world {
	char *dir;
	struct db *db;
	struct fake_clock clock;
	struct settings_alert alert[2];
	struct settings_alerts alerts;
	struct alert_env env;
	struct alert_results results;
	json_t *got[DOCUMENTS]; /* by the last run */
	size_t count;
	size_t read; /* lines of "got" */
};

static void add_receiver(struct settings_alert *a, const char *name, const char *script)
{
	a->name = mem_strdup(name);
	a->on = SETTINGS_ALERT_ON_WARNING;
	a->timeout_s = 60;
	str_list_add(&a->words, "/bin/sh");
	str_list_add(&a->words, "-c");
	str_list_add(&a->words, script);
}

static void open_db(struct world *w, const char *name)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, name);
	assert_ok(db_open(path, NULL, &w->db, &e), &e);
}

static int setup(void **state)
{
	static const char *const covered[] = { "lab", NULL };
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	fake_clock_init(&w->clock);
	add_receiver(&w->alert[0], "ops", RECEIVER);
	add_receiver(&w->alert[1], "other", "cat > other");
	w->alerts = (struct settings_alerts){ .at = w->alert, .count = 1 };
	w->env.dir = w->dir;
	w->env.clock = &w->clock.clock;
	w->env.covered = covered;
	open_db(w, "ops.db");
	*state = w;
	return 0;
}

static void forget(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		json_release(&w->got[i]);
	w->count = 0;
	alert_results_release(&w->results);
}

static int teardown(void **state)
{
	struct world *w = *state;
	forget(w);
	db_close(w->db);
	for (size_t i = 0; i < ARRAY_LEN(w->alert); i++) {
		free(w->alert[i].name);
		str_list_release(&w->alert[i].words);
		str_list_release(&w->alert[i].mirrors);
	}
	scratch_free(w->dir);
	free(w);
	return 0;
}

static void read_what_came(struct world *w)
{
	struct err e = ERR_INIT;
	const struct json_limits limits = { .max_bytes = MIB };
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, "got");
	if (!file_exists(path))
		return;
	assert_ok(file_read_all(path, &text, &e), &e);
	str_list_split(&lines, buf_str(&text), "\n");
	for (size_t seen = 0, i = 0; i < lines.count; i++) {
		if (!*lines.at[i] || seen++ < w->read)
			continue;
		w->read++;
		assert_ok(json_parse(lines.at[i], strlen(lines.at[i]), &limits, "got",
				     &w->got[w->count++], &e),
			  &e);
	}
}

static void run(struct world *w, const struct alert_finding *findings, size_t count)
{
	struct err e = ERR_INIT;
	forget(w);
	assert_ok(alert_send(w->db, &w->alerts, findings, count, &w->env, &w->results, &e), &e);
	read_what_came(w);
}

/* One check of the mirror eu is in this state, and it can be reached. */
static void run_with(struct world *w, enum health_state state, bool silenced)
{
	const struct alert_finding findings[] = {
		{ "lab", "eu", HEALTH_REACH, HEALTH_OK, 0, "answers", false },
		{ "lab", "eu", HEALTH_RELEASE, state, clock_wall_s(w->env.clock),
		  state == HEALTH_OK ? "shows release 7" : "shows release 5", silenced },
	};
	run(w, findings, ARRAY_LEN(findings));
}

static void set_down(struct world *w, bool down)
{
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, "down");
	if (down)
		scratch_write(w->dir, "down", "", 0);
	else
		assert_int_equal(remove(path), 0);
}

static void wait_s(struct world *w, uint64_t s)
{
	w->clock.now_us += s * 1000000;
}

static const json_t *change(const struct world *w, size_t i)
{
	assert_true(w->count >= 1);
	return json_array_get(json_object_get(w->got[w->count - 1], "changes"), i);
}

static void assert_change(const struct world *w, size_t i, const char *event, const char *mirror,
			  const char *was, const char *state)
{
	const json_t *c = change(w, i);
	assert_non_null(c);
	assert_string_equal(json_text(c, "event"), event);
	assert_true(str_same(json_text(c, "mirror"), mirror));
	assert_string_equal(json_text(c, "was"), was);
	assert_string_equal(json_text(c, "state"), state);
}

static void assert_quiet(const struct world *w)
{
	assert_int_equal(w->count, 0);
	assert_int_equal(w->results.at[0].outcome, ALERT_QUIET);
}

/* ---- tests ------------------------------------------------------------------------------- */

static void a_problem_is_told_once_and_its_recovery_once(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_OK, false);
	assert_quiet(w);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 1);
	assert_int_equal(w->results.at[0].outcome, ALERT_SENT);
	assert_change(w, 0, "problem", "eu", "ok", "critical");
	assert_string_equal(json_text(change(w, 0), "reason"), "shows release 5");
	assert_string_equal(json_text(w->got[0], "summary"), "1 problem, 1 active");
	wait_s(w, 600);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
	assert_int_equal(w->results.at[0].active, 1);
	run_with(w, HEALTH_OK, false);
	assert_int_equal(w->count, 1);
	assert_change(w, 0, "recovered", "eu", "critical", "ok");
	assert_string_equal(json_text(change(w, 0), "reason"), "shows release 7");
	assert_string_equal(json_text(change(w, 0), "problem"), "shows release 5");
	assert_non_null(strstr(json_text(w->got[0], "text"), "after 10m"));
	run_with(w, HEALTH_OK, false);
	assert_quiet(w);
}

static void all_changes_of_a_run_are_one_notification(void **state)
{
	struct world *w = *state;
	const struct alert_finding findings[] = {
		{ "lab", NULL, HEALTH_EXPIRY, HEALTH_WARNING, 0, "timestamp expires", false },
		{ "lab", "eu", HEALTH_REACH, HEALTH_CRITICAL, 0, "refused", false },
		{ "lab", "us", HEALTH_REACH, HEALTH_CRITICAL, 0, NULL, false },
		{ "lab", "us", HEALTH_CLOCK, HEALTH_OK, 0, NULL, false },
	};
	run(w, findings, ARRAY_LEN(findings));
	assert_int_equal(w->count, 1);
	assert_int_equal(w->results.at[0].changes, 3);
	assert_change(w, 0, "problem", NULL, "ok", "warning");
	assert_change(w, 1, "problem", "eu", "ok", "critical");
	assert_change(w, 2, "problem", "us", "ok", "critical");
	assert_int_equal(json_array_size(json_object_get(w->got[0], "active")), 3);
}

static void worse_and_better_are_told_and_what_is_below_the_threshold_is_not(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_WARNING, false);
	assert_change(w, 0, "problem", "eu", "ok", "warning");
	run_with(w, HEALTH_CRITICAL, false);
	assert_change(w, 0, "worse", "eu", "warning", "critical");
	run_with(w, HEALTH_WARNING, false);
	assert_change(w, 0, "better", "eu", "critical", "warning");
	run_with(w, HEALTH_OK, false);
	w->alert[0].on = SETTINGS_ALERT_ON_CRITICAL;
	run_with(w, HEALTH_WARNING, false);
	assert_quiet(w);
	run_with(w, HEALTH_CRITICAL, false);
	assert_change(w, 0, "problem", "eu", "ok", "critical");
	run_with(w, HEALTH_WARNING, false);
	assert_change(w, 0, "recovered", "eu", "critical", "warning");
}

static void what_could_not_be_delivered_is_sent_by_the_next_run_with_the_same_id(void **state)
{
	struct world *w = *state;
	char id[33];
	set_down(w, true);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 0);
	assert_int_equal(w->results.at[0].outcome, ALERT_FAILED);
	assert_true(w->results.failed);
	assert_string_equal(w->results.at[0].error.text,
			    "alert ops: the command ended with status 1");
	memcpy(id, w->results.at[0].id, sizeof id);
	wait_s(w, 60);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->results.at[0].failures_total, 2);
	assert_int_equal(w->results.at[0].failing_since_s, clock_wall_s(w->env.clock) - 60);
	set_down(w, false);
	wait_s(w, 60);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 1);
	assert_string_equal(json_text(w->got[0], "id"), id);
	assert_change(w, 0, "problem", "eu", "ok", "critical");
	assert_int_equal(w->results.at[0].failures_total, 2);
	assert_int_equal(w->results.at[0].failing_since_s, 0);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
}

static void a_problem_that_nobody_could_be_told_of_is_one_message_with_its_recovery(void **state)
{
	struct world *w = *state;
	set_down(w, true);
	run_with(w, HEALTH_CRITICAL, false);
	wait_s(w, 120);
	run_with(w, HEALTH_OK, false);
	assert_int_equal(w->results.at[0].outcome, ALERT_FAILED);
	set_down(w, false);
	wait_s(w, 60);
	run_with(w, HEALTH_OK, false);
	assert_int_equal(w->count, 1);
	assert_int_equal(w->results.at[0].changes, 1);
	assert_change(w, 0, "passed", "eu", "critical", "ok");
	assert_non_null(strstr(json_text(change(w, 0), "text"), "already recovered"));
	assert_non_null(strstr(json_text(change(w, 0), "text"), "after 2m"));
	run_with(w, HEALTH_OK, false);
	assert_quiet(w);
}

static void a_recovery_that_was_not_delivered_is_dropped_when_the_problem_is_back(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_CRITICAL, false);
	set_down(w, true);
	run_with(w, HEALTH_OK, false);
	assert_int_equal(w->results.at[0].outcome, ALERT_FAILED);
	set_down(w, false);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
	run_with(w, HEALTH_OK, false);
	assert_change(w, 0, "recovered", "eu", "critical", "ok");
}

/* The receiver has kept the database as it was when it got the notification. */
static void a_run_that_is_killed_before_it_records_sends_the_same_again(void **state)
{
	struct world *w = *state;
	char first[33], change_id[33];
	run_with(w, HEALTH_CRITICAL, false);
	memcpy(first, w->results.at[0].id, sizeof first);
	memcpy(change_id, json_text(change(w, 0), "id"), sizeof change_id);
	db_close(w->db);
	open_db(w, "killed.db");
	wait_s(w, 300);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 1);
	assert_string_equal(json_text(w->got[0], "id"), first);
	assert_string_equal(json_text(change(w, 0), "id"), change_id);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
}

static void what_is_silenced_is_told_when_the_silence_ends(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_CRITICAL, true);
	assert_quiet(w);
	assert_int_equal(w->results.at[0].active, 0);
	run_with(w, HEALTH_CRITICAL, false);
	assert_change(w, 0, "problem", "eu", "ok", "critical");
}

static void a_problem_of_before_the_silence_ends_only_when_it_recovers(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_WARNING, false);
	run_with(w, HEALTH_CRITICAL, true);
	assert_quiet(w);
	run_with(w, HEALTH_OK, true);
	assert_change(w, 0, "recovered", "eu", "warning", "ok");
}

static void what_was_not_delivered_before_the_silence_is_not_told_in_it(void **state)
{
	struct world *w = *state;
	set_down(w, true);
	run_with(w, HEALTH_CRITICAL, false);
	set_down(w, false);
	run_with(w, HEALTH_CRITICAL, true);
	assert_quiet(w);
	run_with(w, HEALTH_OK, true);
	assert_quiet(w);
}

static void what_cannot_be_checked_neither_begins_nor_ends_a_problem(void **state)
{
	struct world *w = *state;
	run_with(w, HEALTH_UNKNOWN, false);
	assert_quiet(w);
	run_with(w, HEALTH_WARNING, false);
	assert_int_equal(w->count, 1);
	run_with(w, HEALTH_UNKNOWN, false);
	assert_quiet(w);
	assert_int_equal(w->results.at[0].active, 1);
	run_with(w, HEALTH_OK, false);
	assert_change(w, 0, "recovered", "eu", "warning", "ok");
	w->alert[0].on = SETTINGS_ALERT_ON_UNKNOWN;
	run_with(w, HEALTH_UNKNOWN, false);
	assert_change(w, 0, "problem", "eu", "ok", "unknown");
}

static void what_is_gone_has_ended_if_the_run_looked_at_everything(void **state)
{
	struct world *w = *state;
	const struct alert_finding other = { "lab", "us", HEALTH_REACH, HEALTH_OK, 0, "", false };
	const struct alert_finding away = { "lab", "eu",      HEALTH_REACH, HEALTH_CRITICAL,
					    0,     "refused", false };
	const char *const *covered = w->env.covered;
	run_with(w, HEALTH_WARNING, false);
	w->env.covered = NULL;
	run(w, &other, 1);
	assert_quiet(w);
	w->env.covered = covered;
	run(w, &away, 1);
	assert_int_equal(json_array_size(json_object_get(w->got[0], "changes")), 1);
	assert_change(w, 0, "problem", "eu", "ok", "critical");
	assert_int_equal(w->results.at[0].active, 2);
	run(w, &other, 1);
	assert_change(w, 0, "recovered", "eu", "critical", "ok");
	assert_change(w, 1, "recovered", "eu", "warning", "ok");
	assert_string_equal(json_text(change(w, 1), "reason"), "no longer checked");
	assert_int_equal(w->results.at[0].active, 0);
}

static void problems_of_another_repository_are_left_alone(void **state)
{
	struct world *w = *state;
	static const char *const others[] = { "other", NULL };
	const struct alert_finding f = {
		"other", "eu", HEALTH_REACH, HEALTH_CRITICAL, 0, "", false
	};
	run_with(w, HEALTH_WARNING, false);
	w->env.covered = others;
	run(w, &f, 1);
	assert_int_equal(json_array_size(json_object_get(w->got[0], "active")), 1);
	w->env.covered = NULL;
	run_with(w, HEALTH_OK, false);
	assert_change(w, 0, "recovered", "eu", "warning", "ok");
}

static void reminders_come_only_after_their_time(void **state)
{
	struct world *w = *state;
	char first[33];
	w->alert[0].repeat_s = HOUR_S;
	run_with(w, HEALTH_CRITICAL, false);
	wait_s(w, HOUR_S - 1);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
	wait_s(w, 1);
	run_with(w, HEALTH_CRITICAL, true);
	assert_quiet(w);
	run_with(w, HEALTH_CRITICAL, false);
	assert_change(w, 0, "reminder", "eu", "critical", "critical");
	memcpy(first, json_text(w->got[0], "id"), sizeof first);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
	wait_s(w, HOUR_S);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 1);
	assert_string_not_equal(json_text(w->got[0], "id"), first);
}

static void an_alert_is_for_its_mirrors_and_its_repository(void **state)
{
	struct world *w = *state;
	const struct alert_finding findings[] = {
		{ "lab", NULL, HEALTH_EXPIRY, HEALTH_WARNING, 0, "", false },
		{ "lab", "eu", HEALTH_REACH, HEALTH_CRITICAL, 0, "", false },
		{ "lab", "us", HEALTH_REACH, HEALTH_CRITICAL, 0, "", false },
	};
	char elsewhere[] = "elsewhere", lab[] = "lab";
	str_list_add(&w->alert[0].mirrors, "us");
	w->alert[0].repository = elsewhere;
	run(w, findings, ARRAY_LEN(findings));
	assert_quiet(w);
	w->alert[0].repository = lab;
	run(w, findings, ARRAY_LEN(findings));
	assert_int_equal(w->results.at[0].changes, 1);
	assert_change(w, 0, "problem", "us", "ok", "critical");
}

static void a_receiver_that_fails_does_not_keep_the_others_from_being_told(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(w->dir, "other");
	w->alerts.count = 2;
	set_down(w, true);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->results.at[0].outcome, ALERT_FAILED);
	assert_int_equal(w->results.at[1].outcome, ALERT_SENT);
	assert_true(file_exists(path));
	set_down(w, false);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->results.at[0].outcome, ALERT_SENT);
	assert_int_equal(w->results.at[1].outcome, ALERT_QUIET);
}

static void without_a_database_problems_are_told_and_memory_keeps_them_from_repeating(void **state)
{
	struct world *w = *state;
	CLEANUP(alert_memory_release) struct alert_memory memory = { 0 };
	db_close(STEAL(w->db));
	str_list_release(&w->alert[0].words);
	free(w->alert[0].name);
	add_receiver(&w->alert[0], "ops", "cat >> got; echo >> got");
	run_with(w, HEALTH_CRITICAL, false);
	assert_true(w->results.forgets);
	run_with(w, HEALTH_CRITICAL, false);
	assert_int_equal(w->count, 1);
	run_with(w, HEALTH_OK, false);
	assert_quiet(w);
	w->env.memory = &memory;
	run_with(w, HEALTH_CRITICAL, false);
	assert_false(w->results.forgets);
	assert_int_equal(w->count, 1);
	run_with(w, HEALTH_CRITICAL, false);
	assert_quiet(w);
	run_with(w, HEALTH_OK, false);
	assert_change(w, 0, "recovered", "eu", "critical", "ok");
	assert_int_equal(memory.count, 0);
}

static void a_hostile_reason_is_one_short_line_without_control_characters(void **state)
{
	struct world *w = *state;
	char reason[2000];
	memset(reason, 'x', sizeof reason);
	memcpy(reason, "\x1b[31m\n\xff$(touch hit)`touch hit`", 27);
	reason[sizeof reason - 1] = '\0';
	const struct alert_finding f = { "lab", "e\nu", HEALTH_REACH, HEALTH_CRITICAL,
					 0,     reason, false };
	CLEANUP(mem_free_ptr) char *hit = path_join(w->dir, "hit");
	run(w, &f, 1);
	const char *shown = json_text(change(w, 0), "reason");
	assert_true(strlen(shown) < 500);
	assert_null(strpbrk(shown, "\x1b\n"));
	assert_true(utf8_valid(shown, strlen(shown)));
	assert_null(strchr(json_text(change(w, 0), "text"), '\n'));
	assert_false(file_exists(hit));
}

static void a_test_says_that_it_is_one_and_is_not_remembered(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	w->alerts.count = 2;
	assert_ok(alert_test(&w->alerts, "ops", &w->env, &w->results, &e), &e);
	assert_int_equal(w->results.count, 1);
	assert_int_equal(w->results.at[0].outcome, ALERT_SENT);
	read_what_came(w);
	assert_true(json_flag(w->got[0], "test"));
	assert_non_null(strstr(json_text(w->got[0], "text"), "This is a test"));
	run_with(w, HEALTH_OK, false);
	assert_quiet(w);
	alert_results_release(&w->results);
	assert_int_equal(alert_test(&w->alerts, "no", &w->env, &w->results, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "[alert.no]"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_problem_is_told_once_and_its_recovery_once),
		TEST(all_changes_of_a_run_are_one_notification),
		TEST(worse_and_better_are_told_and_what_is_below_the_threshold_is_not),
		TEST(what_could_not_be_delivered_is_sent_by_the_next_run_with_the_same_id),
		TEST(a_problem_that_nobody_could_be_told_of_is_one_message_with_its_recovery),
		TEST(a_recovery_that_was_not_delivered_is_dropped_when_the_problem_is_back),
		TEST(a_run_that_is_killed_before_it_records_sends_the_same_again),
		TEST(what_is_silenced_is_told_when_the_silence_ends),
		TEST(a_problem_of_before_the_silence_ends_only_when_it_recovers),
		TEST(what_was_not_delivered_before_the_silence_is_not_told_in_it),
		TEST(what_cannot_be_checked_neither_begins_nor_ends_a_problem),
		TEST(what_is_gone_has_ended_if_the_run_looked_at_everything),
		TEST(problems_of_another_repository_are_left_alone),
		TEST(reminders_come_only_after_their_time),
		TEST(an_alert_is_for_its_mirrors_and_its_repository),
		TEST(a_receiver_that_fails_does_not_keep_the_others_from_being_told),
		TEST(without_a_database_problems_are_told_and_memory_keeps_them_from_repeating),
		TEST(a_hostile_reason_is_one_short_line_without_control_characters),
		TEST(a_test_says_that_it_is_one_and_is_not_remembered),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
