/* What webhooks, Slack and an Alertmanager get, and what becomes of their answers. */
#include "health/alert.h"

#include "canned.h"
#include "fake_clock.h"
#include "unit.h"
#include "util/mem.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define SECRET "/services/T0/B0/s3cr3t"

struct sent {
	struct settings_alert alert;
	struct alert_env env;
	struct fake_clock clock;
	struct canned_server *server;
	struct alert_results results;
};

static void begin(struct sent *s, enum settings_alert_kind kind, const struct canned *script,
		  size_t count)
{
	*s = (struct sent){ .alert = { .name = mem_strdup("hook"),
				       .kind = kind,
				       .on = SETTINGS_ALERT_ON_WARNING,
				       .timeout_s = 30 } };
	fake_clock_init(&s->clock);
	s->env.clock = &s->clock.clock;
	s->env.random = &random_largest;
	s->server = canned_start(script, count);
	s->alert.url = mem_printf("%s%s", canned_url(s->server),
				  kind == SETTINGS_ALERT_ALERTMANAGER ? "/am/" : SECRET);
}

static const struct alert_result *send_it(struct sent *s, const char *reason)
{
	struct err e = ERR_INIT;
	const struct alert_finding f = { "lab", "eu",   HEALTH_REACH, HEALTH_CRITICAL,
					 0,     reason, false };
	const struct settings_alerts alerts = { .at = &s->alert, .count = 1 };
	assert_ok(alert_send(NULL, &alerts, &f, 1, &s->env, &s->results, &e), &e);
	return &s->results.at[0];
}

static void end(struct sent *s)
{
	canned_stop(s->server);
	alert_results_release(&s->results);
	free(s->alert.name);
	free(s->alert.url);
}

static void assert_no_secret(const struct err *e)
{
	assert_null(strstr(e->text, "s3cr3t"));
	assert_null(strstr(e->hint, "s3cr3t"));
}

static void a_webhook_gets_the_document_as_json(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ "POST " SECRET " HTTP/1.1\r\n", NULL, OK_REPLY, 0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 1);
	assert_int_equal(send_it(&s, "refused")->outcome, ALERT_SENT);
	end(&s);
}

static void a_server_that_fails_once_is_asked_again_in_the_same_run(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ "Content-Type: application/json\r\n", NULL,
		  "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 0, CANNED_CLOSE },
		{ "\"event\":\"problem\"", NULL, OK_REPLY, 0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 2);
	assert_int_equal(send_it(&s, "refused")->outcome, ALERT_SENT);
	assert_int_equal(s.clock.sleeps, 1);
	end(&s);
}

static void a_refusal_is_not_repeated_and_its_word_is_shown(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ NULL, NULL, "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nno_service", 0,
		  CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_SLACK, script, 1);
	const struct alert_result *r = send_it(&s, "refused");
	assert_int_equal(r->outcome, ALERT_FAILED);
	assert_non_null(strstr(r->error.text, "alert hook: "));
	assert_non_null(strstr(r->error.text, "no_service"));
	assert_no_secret(&r->error);
	end(&s);
}

static void a_server_that_repeats_the_secret_does_not_get_it_into_a_message(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ NULL, NULL,
		  "HTTP/1.1 400 Bad\r\nContent-Length: 31\r\n\r\nno hook " SECRET ", sorry", 0,
		  CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 1);
	const struct alert_result *r = send_it(&s, "refused");
	assert_int_equal(r->outcome, ALERT_FAILED);
	assert_no_secret(&r->error);
	end(&s);
}

static void no_redirect_is_followed(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ NULL, NULL,
		  "HTTP/1.1 307 Moved\r\nLocation: /elsewhere/s3cr3t\r\nContent-Length: 0\r\n\r\n",
		  0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 1);
	const struct alert_result *r = send_it(&s, "refused");
	assert_int_equal(r->outcome, ALERT_FAILED);
	assert_non_null(strstr(r->error.text, "status 307"));
	assert_no_secret(&r->error);
	end(&s);
}

static void a_server_that_never_answers_is_given_up_in_time(void **state)
{
	(void)state;
	static const struct canned script[] = { { NULL, NULL, "HTTP/1.1 2", 0, CANNED_STALL } };
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 1);
	s.env.clock = NULL;
	s.alert.timeout_s = 1;
	const struct alert_result *r = send_it(&s, "refused");
	assert_int_equal(r->outcome, ALERT_FAILED);
	assert_int_equal(r->error.class, ERR_NETWORK);
	assert_no_secret(&r->error);
	end(&s);
}

static void a_pause_that_is_longer_than_the_time_of_the_alert_ends_it(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ NULL, NULL, "HTTP/1.1 429 Slow\r\nRetry-After: 31\r\nContent-Length: 0\r\n\r\n",
		  0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_SLACK, script, 1);
	assert_int_equal(send_it(&s, "refused")->outcome, ALERT_FAILED);
	assert_int_equal(s.clock.sleeps, 0);
	end(&s);
}

static void text_for_slack_has_no_markup_of_servers(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ "&lt;!channel&gt; &amp; @here", "<!channel>", OK_REPLY, 0, CANNED_CLOSE },
		{ "\"verbatim\":true", "\"verbatim\":false", OK_REPLY, 0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_SLACK, script, 2);
	assert_int_equal(send_it(&s, "<!channel> & @here")->outcome, ALERT_SENT);
	alert_results_release(&s.results);
	assert_int_equal(send_it(&s, "x")->outcome, ALERT_SENT);
	end(&s);
}

static void an_alertmanager_gets_labels_times_and_an_end(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ "POST /am/api/v2/alerts HTTP/1.1\r\n", NULL, OK_REPLY, 0, CANNED_CLOSE },
		{ "\"labels\":{\"alertname\":\"FerryMirrorReach\",\"repository\":\"lab\","
		  "\"mirror\":\"eu\",\"check\":\"reach\",\"severity\":\"critical\"}",
		  NULL, OK_REPLY, 0, CANNED_CLOSE },
		{ "\"startsAt\":\"2026-01-01T00:16:40Z\",\"endsAt\":\"2026-01-01T00:46:40Z\"", NULL,
		  OK_REPLY, 0, CANNED_CLOSE },
		{ "\"startsAt\":\"2026-01-01T00:16:40Z\",\"endsAt\":\"2026-01-03T00:16:40Z\"", NULL,
		  OK_REPLY, 0, CANNED_CLOSE },
	};
	struct sent s;
	begin(&s, SETTINGS_ALERT_ALERTMANAGER, script, 4);
	s.env.interval_s = 600;
	for (size_t i = 0; i < ARRAY_LEN(script); i++) {
		s.alert.resolve_after_s = i == 3 ? 2 * 86400 : 0;
		assert_int_equal(send_it(&s, "refused")->outcome, ALERT_SENT);
		alert_results_release(&s.results);
	}
	end(&s);
}

static void an_alertmanager_hears_of_what_lasts_again_and_of_its_end_once(void **state)
{
	(void)state;
	static const struct canned script[] = {
		{ "\"severity\":\"critical\"", NULL, OK_REPLY, 0, CANNED_CLOSE },
		{ "\"startsAt\":\"2026-01-01T00:16:40Z\",\"endsAt\":\"2026-01-02T00:17:40Z\"", NULL,
		  OK_REPLY, 0, CANNED_CLOSE },
		{ "\"startsAt\":\"2026-01-01T00:16:40Z\",\"endsAt\":\"2026-01-01T00:18:40Z\"", NULL,
		  OK_REPLY, 0, CANNED_CLOSE },
	};
	static const char *const covered[] = { "lab", NULL };
	CLEANUP(alert_memory_release) struct alert_memory memory = { 0 };
	struct err e = ERR_INIT;
	struct sent s;
	begin(&s, SETTINGS_ALERT_ALERTMANAGER, script, 3);
	const struct settings_alerts alerts = { .at = &s.alert, .count = 1 };
	s.env.memory = &memory;
	s.env.covered = covered;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(send_it(&s, "refused")->outcome, ALERT_SENT);
		assert_int_equal(s.results.at[0].changes, i == 0);
		alert_results_release(&s.results);
		s.clock.now_us += 60000000;
	}
	for (size_t i = 0; i < 2; i++) {
		alert_results_release(&s.results);
		assert_ok(alert_send(NULL, &alerts, NULL, 0, &s.env, &s.results, &e), &e);
		assert_int_equal(s.results.at[0].outcome, i == 0 ? ALERT_SENT : ALERT_QUIET);
	}
	end(&s);
}

static void an_alert_whose_secret_cannot_be_read_fails_with_that(void **state)
{
	(void)state;
	static const struct canned script[] = { { NULL, NULL, OK_REPLY, 0, CANNED_CLOSE } };
	struct err e = ERR_INIT;
	struct sent s;
	begin(&s, SETTINGS_ALERT_WEBHOOK, script, 1);
	err_set(&s.alert.fault, ERR_USAGE, "others can read it");
	assert_string_equal(send_it(&s, "refused")->error.text, "others can read it");
	alert_results_release(&s.results);
	s.alert.fault = e;
	assert_int_equal(send_it(&s, "refused")->outcome, ALERT_SENT);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_webhook_gets_the_document_as_json),
		cmocka_unit_test(a_server_that_fails_once_is_asked_again_in_the_same_run),
		cmocka_unit_test(a_refusal_is_not_repeated_and_its_word_is_shown),
		cmocka_unit_test(a_server_that_repeats_the_secret_does_not_get_it_into_a_message),
		cmocka_unit_test(no_redirect_is_followed),
		cmocka_unit_test(a_server_that_never_answers_is_given_up_in_time),
		cmocka_unit_test(a_pause_that_is_longer_than_the_time_of_the_alert_ends_it),
		cmocka_unit_test(text_for_slack_has_no_markup_of_servers),
		cmocka_unit_test(an_alertmanager_gets_labels_times_and_an_end),
		cmocka_unit_test(an_alertmanager_hears_of_what_lasts_again_and_of_its_end_once),
		cmocka_unit_test(an_alert_whose_secret_cannot_be_read_fails_with_that),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
