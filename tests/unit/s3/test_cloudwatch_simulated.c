/* CloudWatch's request metrics, from a SIMULATED CloudWatch: canned answers in the form that its
 * API reference shows. */
#include "canned.h"
#include "unit.h"

#include "s3/cloudwatch.h"
#include "util/mem.h"

#include <stdio.h>

#define HOUR 3600
#define START 1795910400 /* 2026-11-29T00:00:00Z */

static char *answer(const char *status, const char *body)
{
	return mem_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
			  body);
}

#define SERIES(id, times, values) \
	"<member><Label>x</Label><Id>" id "</Id><StatusCode>Complete</StatusCode>" \
	"<Timestamps>" times "</Timestamps><Values>" values "</Values></member>"
#define M(text) "<member>" text "</member>"
#define RESULT(series, rest) \
	"<GetMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\">" \
	"<GetMetricDataResult><MetricDataResults>" series "</MetricDataResults>" rest \
	"</GetMetricDataResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>" \
	"</GetMetricDataResponse>"

struct seen {
	struct cloudwatch_hour at[8];
	size_t count;
};

static int on_hour(void *ctx, const struct cloudwatch_hour *h, struct err *e)
{
	struct seen *s = ctx;
	(void)e;
	assert_true(s->count < ARRAY_LEN(s->at));
	s->at[s->count++] = *h;
	return 0;
}

static int ask(const char *url, int64_t to_s, struct seen *seen, struct err *e)
{
	struct s3_place place;
	struct http_client *client = NULL;
	struct s3_place_options o = { .bucket = "models", .region = "eu-west-1" };
	setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "very-secret", 1);
	setenv("AWS_ENDPOINT_URL_CLOUDWATCH", url, 1);
	*seen = (struct seen){ 0 };
	assert_ok(http_client_new(NULL, &client, e), e);
	assert_ok(s3_place_open(&place, &o, e), e);
	int rc = cloudwatch_requests(client, &place, "EntireBucket", START + 100, to_s, on_hour,
				     seen, e);
	http_client_free(client);
	s3_place_release(&place);
	return rc;
}

static void hours_of_all_metrics_and_pages(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *first =
		answer("200 OK",
		       RESULT(SERIES("m0", M("2026-11-29T00:00:00Z") M("2026-11-29T02:00:00Z"),
				     M("10.0") M("1.2E1"))
				      SERIES("m1", M("2026-11-29T02:00:00Z"), M("1.5E9")),
			      "<NextToken>a b/c</NextToken>"));
	CLEANUP(mem_free_ptr) char *second =
		answer("200 OK",
		       RESULT(SERIES("m2", M("2026-11-29T00:00:00Z"), M("3")) SERIES("m3", "", ""),
			      ""));
	const struct canned script[] = {
		{ .want = "MetricDataQueries.member.1.MetricStat.Metric.MetricName=GetRequests",
		  .forbid = "very-secret",
		  .reply = first },
		{ .want = "&NextToken=a%20b%2Fc", .reply = second },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct err e = ERR_INIT;
	struct seen seen;
	assert_ok(ask(canned_url(server), START + 5 * HOUR + 1, &seen, &e), &e);
	canned_stop(server);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.at[0].start_s, START);
	assert_int_equal(seen.at[0].gets, 10);
	assert_int_equal(seen.at[0].errors_4xx, 3);
	assert_int_equal(seen.at[1].start_s, START + 2 * HOUR);
	assert_int_equal(seen.at[1].gets, 12);
	assert_int_equal(seen.at[1].bytes, 1500000000);
}

static void it_is_signed_for_the_region_of_the_bucket(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *empty = answer("200 OK", RESULT("", ""));
	const struct canned script[] = {
		{ .want = "/eu-west-1/monitoring/aws4_request, "
			  "SignedHeaders=content-type;host;x-amz-date, Signature=",
		  .reply = empty },
	};
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct err e = ERR_INIT;
	struct seen seen;
	assert_ok(ask(canned_url(server), START + HOUR, &seen, &e), &e);
	assert_int_equal(seen.count, 0);
	/* The hour that is not over is not asked for. */
	assert_ok(ask(canned_url(server), START + HOUR - 1, &seen, &e), &e);
	canned_stop(server);
}

static void a_refusal_says_which_right_is_missing(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *no =
		answer("403 Forbidden",
		       "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</"
		       "Code><Message>User: x is "
		       "not authorized</Message></Error><RequestId>1</RequestId></ErrorResponse>");
	const struct canned script[] = { { .reply = no } };
	struct canned_server *server = canned_start(script, ARRAY_LEN(script));
	struct err e = ERR_INIT;
	struct seen seen;
	assert_int_equal(ask(canned_url(server), START + HOUR, &seen, &e), -ERR_AUTH);
	canned_stop(server);
	assert_non_null(strstr(e.text, "AccessDenied: User: x is not authorized"));
	assert_non_null(strstr(e.hint, "cloudwatch:GetMetricData"));
}

static void answers_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		RESULT(SERIES("m9", M("2026-11-29T00:00:00Z"), M("1")), ""),
		RESULT(SERIES("m0", M("2026-11-29T00:00:00Z"), ""), ""),
		RESULT(SERIES("m0", M("yesterday"), M("1")), ""),
		RESULT(SERIES("m0", M("2026-11-29T00:00:00Z"), M("-1")), ""),
		RESULT(SERIES("m0", M("2026-11-29T00:00:00Z"), M("nan")), ""),
		"<html>",
	};
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		CLEANUP(mem_free_ptr) char *reply = answer("200 OK", bodies[i]);
		const struct canned script[] = { { .reply = reply } };
		struct canned_server *server = canned_start(script, 1);
		struct err e = ERR_INIT;
		struct seen seen;
		assert_int_equal(ask(canned_url(server), START + HOUR, &seen, &e), -ERR_INTEGRITY);
		canned_stop(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_of_all_metrics_and_pages),
		cmocka_unit_test(it_is_signed_for_the_region_of_the_bucket),
		cmocka_unit_test(a_refusal_says_which_right_is_missing),
		cmocka_unit_test(answers_that_make_no_sense_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
