#include "util/err.h"

#include "unit.h"
#include "util/cancel.h"
#include "util/report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static void first_error_wins(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_set(&e, ERR_NETWORK, "mirror %s: %d", "eu", 503), -ERR_NETWORK);
	assert_int_equal(err_set(&e, ERR_BUG, "undo failed"), -ERR_NETWORK);
	assert_int_equal(err_sys(&e, EIO, "undo"), -ERR_NETWORK);
	assert_string_equal(e.text, "mirror eu: 503");
	assert_int_equal(e.sys, 0);
	assert_true(err_is(&e, ERR_NETWORK));
	assert_true(err_is_transient(&e));
	err_clear(&e);
	assert_int_equal(err_set(&e, ERR_BUG, "now"), -ERR_BUG);
	assert_false(err_is_transient(&e));
}

static void system_errors_have_a_cause_and_a_class(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_sys(&e, ENOENT, "%s", "x.gguf"), -ERR_NOT_FOUND);
	assert_string_equal(e.text, "x.gguf: No such file or directory");
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.hint, "");
	err_clear(&e);
	assert_int_equal(err_sys(&e, EACCES, "x"), -ERR_SYSTEM);
	err_clear(&e);
	assert_int_equal(err_sys(&e, ENOSPC, "x"), -ERR_SYSTEM);
	assert_non_null(strstr(e.hint, "free some space"));
	err_clear(&e);
	err_sys(&e, EFBIG, "x");
	assert_non_null(strstr(e.hint, "llama-gguf-split"));
	err_clear(&e);
	err_sys(&e, EROFS, "x");
	assert_non_null(strstr(e.hint, "read-only"));
}

static void context_goes_in_front(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_context(&e, "mirror eu"), 0);
	assert_string_equal(e.text, "");
	err_set(&e, ERR_AUTH, "refused");
	assert_int_equal(err_context(&e, "part %d", 17), -ERR_AUTH);
	err_context(&e, "mirror eu");
	assert_string_equal(e.text, "mirror eu: part 17: refused");
	assert_string_equal(e.text + e.inner, "part 17: refused");
	assert_string_equal(e.text + e.core, "refused");
	err_clear(&e);
	err_sys(&e, ENOENT, "x.gguf");
	assert_string_equal(e.text + e.inner, "No such file or directory");
	err_context(&e, "shard 1");
	assert_string_equal(e.text + e.inner, "x.gguf: No such file or directory");
	assert_string_equal(e.text + e.core, "x.gguf: No such file or directory");
}

static void first_cause_wins_and_needs_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_cause(&e, CAUSE_TLS, 0), 0);
	assert_int_equal(e.cause, CAUSE_NONE);
	err_set(&e, ERR_NETWORK, "HTTP 429");
	assert_int_equal(err_cause(&e, CAUSE_THROTTLED, 7), -ERR_NETWORK);
	err_cause(&e, CAUSE_DROPPED, 0);
	assert_int_equal(e.cause, CAUSE_THROTTLED);
	assert_int_equal(e.retry_after_s, 7);
	err_clear(&e);
	assert_int_equal(e.cause, CAUSE_NONE);
	assert_int_equal(e.retry_after_s, 0);
}

static void long_texts_are_cut_not_overrun(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char large[3000];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	err_sys(&e, EIO, "%s", large);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	err_context(&e, "%s", large);
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_true(e.inner < sizeof e.text && e.core < sizeof e.text);
	err_hint(&e, "%s", large);
	assert_int_equal(strlen(e.hint), sizeof e.hint - 1);
}

static void first_hint_wins_and_needs_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(err_hint(&e, "do"), 0);
	assert_string_equal(e.hint, "");
	err_set(&e, ERR_USAGE, "x");
	assert_int_equal(err_hint(&e, "do %d", 1), -ERR_USAGE);
	err_hint(&e, "do 2");
	assert_string_equal(e.hint, "do 1");
	assert_int_equal(err_class_set(&e, ERR_AUTH), -ERR_AUTH);
	err_clear(&e);
	assert_int_equal(err_class_set(&e, ERR_AUTH), 0);
}

static void classes_have_stable_names(void **state)
{
	(void)state;
	assert_string_equal(err_class_name(ERR_NOT_FOUND), "not-found");
	assert_string_equal(err_class_name(ERR_INTEGRITY), "integrity");
	assert_string_equal(err_class_name(ERR_CANCELLED), "cancelled");
	assert_string_equal(err_class_name((enum err_class)99), "bug");
}

struct recorder {
	struct report report;
	struct report_event last;
	char text[64];
	int events;
};

static void record(struct report *r, const struct report_event *event)
{
	struct recorder *rec = (struct recorder *)r;
	rec->last = *event;
	const char *about = event->task ? event->task : event->source;
	snprintf(rec->text, sizeof rec->text, "%s", event->text ? event->text : about ? about : "");
	rec->events++;
}

static void events_reach_the_report(void **state)
{
	(void)state;
	struct recorder r = { .report.emit = record };
	report_begin(&r.report, "fetch x", 100, 40);
	assert_int_equal(r.last.kind, REPORT_BEGIN);
	assert_int_equal(r.last.total, 100);
	assert_int_equal(r.last.bytes, 40);
	report_advance(&r.report, "fetch x", -5);
	assert_int_equal(r.last.bytes, -5);
	report_end(&r.report, "fetch x", true);
	assert_true(r.last.ok);
	report_warn(&r.report, "mirror %s is slow", "eu");
	assert_int_equal(r.last.kind, REPORT_WARN);
	assert_string_equal(r.text, "mirror eu is slow");
	report_source(&r.report, "eu", 7, "slow");
	assert_int_equal(r.last.kind, REPORT_SOURCE);
	assert_int_equal(r.last.bytes, 7);
	assert_string_equal(r.last.state, "slow");
	assert_string_equal(r.text, "eu");
	report_whole(&r.report, 3, 300);
	assert_int_equal(r.last.kind, REPORT_WHOLE);
	assert_int_equal(r.last.count, 3);
	assert_int_equal(r.last.total, 300);
	assert_int_equal(r.events, 6);
	report_note(NULL, "%s", "nobody listens");
	report_begin(NULL, "x", 0, 0);
}

static void signal_is_an_error_of_its_own(void **state)
{
	(void)state;
	struct cancel c = CANCEL_INIT;
	struct err e = ERR_INIT;
	assert_ok(cancel_check(NULL, &e), &e);
	assert_ok(cancel_check(&c, &e), &e);
	cancel_ask(&c, SIGTERM);
	assert_int_equal(cancel_signal(&c), SIGTERM);
	assert_int_equal(cancel_check(&c, &e), -ERR_CANCELLED);
	assert_string_equal(e.text, "stopped by signal 15 (Terminated)");
	assert_int_equal(e.sys, SIGTERM);
	err_clear(&e);
	err_set(&e, ERR_NETWORK, "down");
	assert_int_equal(cancel_check(&c, &e), -ERR_NETWORK);
	assert_int_equal(e.sys, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_wins),
		cmocka_unit_test(system_errors_have_a_cause_and_a_class),
		cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(first_cause_wins_and_needs_an_error),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
		cmocka_unit_test(first_hint_wins_and_needs_an_error),
		cmocka_unit_test(classes_have_stable_names),
		cmocka_unit_test(events_reach_the_report),
		cmocka_unit_test(signal_is_an_error_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
