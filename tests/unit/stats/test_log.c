#include "stats/log.h"

#include "unit.h"

#include <stdio.h>

static const char *text(struct request_text t)
{
	static char out[4][512];
	static unsigned next;
	if (!t.at)
		return "(none)";
	char *o = out[next++ % 4];
	snprintf(o, sizeof out[0], "%.*s", (int)t.len, t.at);
	return o;
}

static struct request must_parse(struct log_parser *p, const char *line)
{
	struct request r;
	if (log_parse(p, line, strlen(line), &r) != LOG_REQUEST)
		fail_msg("no request: %s", line);
	return r;
}

/* ---- combined ---------------------------------------------------------------------- */

static void combined_of_apaches_manual(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(
		p, "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /apache_pb.gif HTTP/1.0\" "
		   "200 2326 \"http://www.example.com/start.html\" \"Mozilla/4.08 [en] (Win98; I "
		   ";Nav)\"");
	assert_int_equal(r.time_s, 971211336);
	assert_int_equal(r.method, REQUEST_GET);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.bytes, 2326);
	assert_string_equal(text(r.path), "/apache_pb.gif");
	assert_string_equal(text(r.address), "127.0.0.1");
	assert_string_equal(text(r.agent), "Mozilla/4.08 [en] (Win98; I ;Nav)");
	assert_false(r.has_range);
	assert_int_equal(log_parser_format(p), LOG_COMBINED);
}

static void common_has_no_agent(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(p, "127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET "
					 "/apache_pb.gif HTTP/1.0\" "
					 "200 2326");
	assert_null(r.agent.at);
	assert_string_equal(text(r.path), "/apache_pb.gif");
}

static void apaches_virtual_host_is_not_the_address(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(p, "models.example.org:443 192.0.2.7 - - "
					 "[29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 "
					 "\"-\" \"curl/7.88.1\"");
	assert_string_equal(text(r.address), "192.0.2.7");
	r = must_parse(p, "2001:db8::1 - john doe [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" "
			  "200 5 \"-\" \"curl/7.88.1\"");
	assert_string_equal(text(r.address), "2001:db8::1");
}

static void zones_and_ipv6_and_queries(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(p, "2001:db8:0:1::2 - - [01/Jan/2027:01:00:00 +0200] \"HEAD "
					 "/m/x.gguf?download=1 HTTP/2.0\" 206 0 \"-\" \"-\"\r");
	assert_int_equal(r.time_s, 1798758000); /* 2026-12-31T23:00:00Z */
	assert_string_equal(text(r.address), "2001:db8:0:1::2");
	assert_string_equal(text(r.path), "/m/x.gguf");
	assert_int_equal(r.method, REQUEST_HEAD);
	assert_null(r.agent.at);
}

static void escaped_quotes_of_nginx_and_apache(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r =
		must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" "
			      "200 5 \"-\" \"a \\x22quoted\\x22 \\x5C agent\"");
	assert_string_equal(text(r.agent), "a \"quoted\" \\ agent");
	r = must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a\\\"b HTTP/1.1\" "
			  "200 5 \"-\" \"a \\\"quoted\\\" \\\\\"");
	assert_string_equal(text(r.agent), "a \"quoted\" \\");
	assert_string_equal(text(r.path), "/a\"b");
}

static void a_content_range_behind_combined_is_read(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r =
		must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" "
			      "206 50 \"-\" \"curl\" 0.003 \"-\" \"bytes 100-199/4000\"");
	assert_true(r.has_range && r.has_total);
	assert_int_equal(r.first, 100);
	assert_int_equal(r.last, 149); /* only 50 bytes were sent */
	assert_int_equal(r.total, 4000);
}

static void requests_without_a_path(void **state)
{
	(void)state;
	static const char *const requests[] = { "", "-", "\\x16\\x03\\x01", "OPTIONS * HTTP/1.1",
						"CONNECT a.example:443 HTTP/1.1" };
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		char line[200];
		snprintf(line, sizeof line,
			 "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"%s\" 400 0 \"-\" \"-\"",
			 requests[i]);
		assert_null(must_parse(p, line).path.at);
	}
	struct request r = must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET "
					 "http://h.example/x HTTP/1.1\" 200 1 \"-\" \"-\"");
	assert_string_equal(text(r.path), "/x");
}

/* ---- what all have in common ------------------------------------------------------- */

static void what_is_no_line_of_a_log_is_malformed(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"garbage",
		"192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"cu",
		"192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 999 5 \"-\" \"x\"",
		"192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 x \"-\" \"x\"",
		"192.0.2.1 - - [31/Feb/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"x\"",
		"192.0.2.1 - - [29/Nov/2026:24:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"x\"",
		"[29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" \"x\"",
		"{\"status\":200}",
		"{",
		"2026-11-29\t00:38:12\tLHR\t1\t192.0.2.1\tGET\t/a\t200",
	};
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct request r;
		if (log_parse(p, lines[i], strlen(lines[i]), &r) != LOG_MALFORMED)
			fail_msg("not malformed: %s", lines[i]);
	}
	assert_int_equal(log_parser_format(p), LOG_UNKNOWN);
}

static void zeros_in_front_do_not_matter_others_do(void **state)
{
	(void)state;
	static const char line[] =
		"\0\0\0192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" "
		"200 5 \"-\" \"x\"";
	static const char inside[] =
		"192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /\0a HTTP/1.1\" "
		"200 5 \"-\" \"x\"";
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r;
	assert_int_equal(log_parse(p, line, sizeof line - 1, &r), LOG_REQUEST);
	assert_int_equal(log_parse(p, inside, sizeof inside - 1, &r), LOG_MALFORMED);
	assert_int_equal(log_parse(p, "\0\0", 2, &r), LOG_NOTHING);
	assert_int_equal(log_parse(p, "", 0, &r), LOG_NOTHING);
	assert_int_equal(log_parse(p, "\r", 1, &r), LOG_NOTHING);
}

static void names_of_formats(void **state)
{
	(void)state;
	enum log_format f;
	for (int i = LOG_COMBINED; i <= LOG_CLOUDFLARE; i++) {
		assert_true(log_format_parse(log_format_name((enum log_format)i), &f));
		assert_int_equal(f, i);
		assert_non_null(strstr(log_format_names, log_format_name(f)));
	}
	assert_false(log_format_parse("unknown", &f));
	assert_false(log_format_parse("", &f));
}

static void logs_of_errors_are_known(void **state)
{
	(void)state;
	static const char nginx[] = "2026/11/29 00:38:12 [error] 7#7: *1 open() \"/x\" failed";
	static const char apache[] =
		"[Sun Nov 29 00:38:12.123456 2026] [core:notice] [pid 7] AH00094";
	assert_true(log_is_error_log(nginx, sizeof nginx - 1));
	assert_true(log_is_error_log(apache, sizeof apache - 1));
	assert_false(log_is_error_log("2026", 4));
	assert_false(log_is_error_log("192.0.2.1 - - [29/Nov/2026:00:38:12 +0000]", 42));
}

/* ---- S3 ---------------------------------------------------------------------------- */

#define S3_HEAD \
	"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be DOC-EXAMPLE-BUCKET1 " \
	"[06/Feb/2019:00:00:38 +0000] 192.0.2.3 " \
	"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be "
#define S3_TAIL \
	" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 " \
	"ECDHE-RSA-AES128-GCM-SHA256 AuthHeader DOC-EXAMPLE-BUCKET1.s3.us-west-1.amazonaws.com " \
	"TLSV1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1"

static void s3_of_amazons_manual(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(p, S3_HEAD "3E57427F3EXAMPLE REST.GET.VERSIONING - \"GET "
						 "/DOC-EXAMPLE-BUCKET1?versioning HTTP/1.1\" 200 - "
						 "113 - 7 - \"-\" "
						 "\"S3Console/0.4\"" S3_TAIL);
	assert_int_equal(log_parser_format(p), LOG_S3);
	assert_int_equal(r.time_s, 1549411238);
	assert_int_equal(r.bytes, 113);
	assert_false(r.has_total);
	assert_null(r.path.at);
	assert_string_equal(text(r.agent), "S3Console/0.4");
	assert_string_equal(text(r.address), "192.0.2.3");
	r = must_parse(p, S3_HEAD "DD6CC733AEXAMPLE REST.GET.OBJECT models/a%20b.gguf \"GET "
				  "/DOC-EXAMPLE-BUCKET1/models/a%20b.gguf HTTP/1.1\" 206 - 1048576 "
				  "4406583 41754 28 \"-\" \"S3Console/0.4\"" S3_TAIL);
	assert_string_equal(text(r.path), "/models/a%20b.gguf");
	assert_int_equal(r.status, 206);
	assert_int_equal(r.bytes, 1048576);
	assert_true(r.has_total);
	assert_int_equal(r.total, 4406583);
	assert_false(r.has_range);
}

static void s3_does_not_escape_quotes(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r =
		must_parse(p,
			   S3_HEAD "X REST.GET.OBJECT k \"GET /k?a=\"b\" HTTP/1.1\" 200 - 5 5 7 6 "
				   "\"http://\"x\"/\" \"an \"agent\" with \" quotes\"" S3_TAIL);
	assert_string_equal(text(r.agent), "an \"agent\" with \" quotes");
	assert_string_equal(text(r.path), "/k");
	/* 18 fields, as in the first years. */
	r = must_parse(p, S3_HEAD "X REST.GET.OBJECT k \"GET /k HTTP/1.1\" 200 - 5 5 7 6 \"-\" "
				  "\"curl/7.15.1\" -");
	assert_string_equal(text(r.agent), "curl/7.15.1");
}

static void s3_does_things_without_a_request(void **state)
{
	(void)state;
	static const char line[] = S3_HEAD "X S3.EXPIRE.OBJECT old.gguf - - - - 55 - - - - -";
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r;
	assert_int_equal(log_parse(p, line, sizeof line - 1, &r), LOG_NOTHING);
	assert_int_equal(log_parser_format(p), LOG_S3);
}

/* ---- CloudFront -------------------------------------------------------------------- */

#define CLOUDFRONT_FIELDS \
	"#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem " \
	"sc-status " \
	"cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id " \
	"x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher " \
	"x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port " \
	"time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len " \
	"sc-range-start sc-range-end"

static void cloudfront_of_amazons_manual(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r;
	assert_int_equal(log_parse(p, "#Version: 1.0", 13, &r), LOG_NOTHING);
	assert_int_equal(log_parse(p, CLOUDFRONT_FIELDS, strlen(CLOUDFRONT_FIELDS), &r),
			 LOG_NOTHING);
	r = must_parse(p, "2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\t"
			  "d111111abcdef8.cloudfront.net\t/index.html\t200\t-\t"
			  "Mozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)\t-\t-\tHit\t"
			  "SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\t"
			  "d111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\t"
			  "ECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\t"
			  "text/html\t78\t-\t-");
	assert_int_equal(r.time_s, 1575493351);
	assert_int_equal(r.bytes, 78); /* 392 with the headers */
	assert_string_equal(text(r.address), "192.0.2.100");
	assert_string_equal(text(r.path), "/index.html");
	assert_string_equal(text(r.agent), "Mozilla/5.0 (Windows NT 10.0; Win64; x64)");
	assert_false(r.has_range);
	assert_int_equal(log_parser_format(p), LOG_CLOUDFRONT);
	r = must_parse(p,
		       "2019-12-04\t21:02:31\tLAX1\t1500\t192.0.2.100\tGET\t"
		       "d111111abcdef8.cloudfront.net\t/m/x.gguf\t206\t-\tcurl/7\t-\t-\tMiss\tS\t"
		       "d111111abcdef8.cloudfront.net\thttps\t23\t0.001\t-\tTLSv1.2\t"
		       "E\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ta/b\t1000\t2000\t2999");
	assert_true(r.has_range);
	assert_int_equal(r.first, 2000);
	assert_int_equal(r.last, 2999);
}

static void cloudfront_columns_are_found_by_name(void **state)
{
	(void)state;
	static const char fields[] = "#Fields: sc-status cs-uri-stem time date c-ip unknown-later";
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_CLOUDFRONT);
	struct request r;
	assert_int_equal(log_parse(p, fields, sizeof fields - 1, &r), LOG_NOTHING);
	r = must_parse(p, "404\t/a\t21:02:31\t2019-12-04\t2001:db8::7\tx");
	assert_int_equal(r.status, 404);
	assert_string_equal(text(r.address), "2001:db8::7");
}

/* ---- JSON -------------------------------------------------------------------------- */

static void our_json_lines(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(
		p,
		"{\"time_iso8601\":\"2026-11-29T01:38:12+01:00\",\"remote_addr\":\"2001:db8::1\","
		"\"request_method\":\"GET\",\"request_uri\":\"/m/x%20y.gguf?a=1\",\"status\":206,"
		"\"body_bytes_sent\":\"100\",\"sent_http_content_range\":\"bytes 0-99/200\","
		"\"http_user_agent\":\"a \\\"b\\\" \\u00e9\",\"request_time\":0.001,"
		"\"upstream_cache_status\":\"\",\"request_id\":\"c0ffee\"}");
	assert_int_equal(r.time_s, 1795912692);
	assert_string_equal(text(r.path), "/m/x%20y.gguf");
	assert_string_equal(text(r.agent), "a \"b\" \xc3\xa9");
	assert_true(r.has_range && r.has_total);
	assert_int_equal(r.last, 99);
	assert_int_equal(log_parser_format(p), LOG_JSON);
	r = must_parse(p, "{ \"msec\": 1764376692.123, \"uri\": \"/x\", \"status\": \"200\", "
			  "\"more\": {\"a\": [1, {\"b\": \"}\"}]}, \"none\": null}");
	assert_int_equal(r.time_s, 1764376692);
	assert_null(r.address.at);
}

static void logpush_with_each_form_of_time(void **state)
{
	(void)state;
	static const char *const times[] = { "1764376692", "1764376692123456789",
					     "\"2025-11-29T00:38:12Z\"",
					     "\"2025-11-29T00:38:12.5Z\"", "\"1764376692\"" };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
		char line[1000];
		snprintf(line, sizeof line,
			 "{\"ClientIP\":\"192.0.2.9\",\"ClientCountry\":\"de\","
			 "\"ClientRequestMethod\":\"GET\",\"ClientRequestPath\":\"/m/x.gguf\","
			 "\"ClientRequestUserAgent\":\"ferry/1.2 (fetch; t=0123456789abcdef)\","
			 "\"EdgeResponseStatus\":206,\"EdgeResponseBytes\":1400,"
			 "\"EdgeResponseBodyBytes\":1000,\"EdgeStartTimestamp\":1,"
			 "\"EdgeEndTimestamp\":%s,\"RequestHeaders\":{\"range\":\"bytes=500-\"},"
			 "\"CacheCacheStatus\":\"hit\",\"RayID\":\"4ec0\"}",
			 times[i]);
		struct request r = must_parse(p, line);
		assert_int_equal(r.time_s, 1764376692);
		assert_string_equal(text(r.country), "DE");
		assert_int_equal(r.bytes, 1000);
		assert_true(r.has_range);
		assert_int_equal(r.first, 500);
		assert_int_equal(r.last, 1499);
		assert_int_equal(log_parser_format(p), LOG_CLOUDFLARE);
	}
}

static void logpush_prefers_the_answered_range(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	struct request r = must_parse(p, "{\"ClientRequestPath\":\"/"
					 "x\",\"EdgeResponseStatus\":206,\"ClientCountry\":\"XX\","
					 "\"EdgeResponseBytes\":10,\"EdgeEndTimestamp\":5,"
					 "\"RequestHeaders\":{\"range\":\"bytes=0-\"},"
					 "\"ResponseHeaders\":{\"content-range\":\"bytes "
					 "7-16/20\",\"etag\":\"\\\"x\\\"\"}}");
	assert_int_equal(r.first, 7);
	assert_int_equal(r.total, 20);
	assert_null(r.country.at);
	struct request none;
	static const char no_answer[] = "{\"ClientRequestPath\":\"/x\",\"EdgeResponseStatus\":0,"
					"\"EdgeEndTimestamp\":5}";
	assert_int_equal(log_parse(p, no_answer, sizeof no_answer - 1, &none), LOG_NOTHING);
}

static void a_log_may_change_its_format(void **state)
{
	(void)state;
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_UNKNOWN);
	must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" "
		      "\"x\"");
	must_parse(p, "{\"msec\":\"1764376692.123\",\"uri\":\"/x\",\"status\":\"200\"}");
	assert_int_equal(log_parser_format(p), LOG_JSON);
	must_parse(p,
		   S3_HEAD "X REST.GET.OBJECT k \"GET /k HTTP/1.1\" 200 - 5 5 7 6 \"-\" \"-\" -");
	must_parse(p, "192.0.2.1 - - [29/Nov/2026:00:38:12 +0000] \"GET /a HTTP/1.1\" 200 5 \"-\" "
		      "\"x\"");
	assert_int_equal(log_parser_format(p), LOG_COMBINED);
}

static void a_given_format_is_not_changed(void **state)
{
	(void)state;
	static const char line[] =
		"{\"msec\":\"1764376692.123\",\"uri\":\"/x\",\"status\":\"200\"}";
	CLEANUP_PTR(log_parser_free) struct log_parser *p = log_parser_new(LOG_CLOUDFLARE);
	CLEANUP_PTR(log_parser_free) struct log_parser *q = log_parser_new(LOG_COMBINED);
	struct request r;
	assert_int_equal(log_parse(p, line, sizeof line - 1, &r), LOG_MALFORMED);
	assert_int_equal(log_parse(q, line, sizeof line - 1, &r), LOG_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(combined_of_apaches_manual),
		cmocka_unit_test(common_has_no_agent),
		cmocka_unit_test(apaches_virtual_host_is_not_the_address),
		cmocka_unit_test(zones_and_ipv6_and_queries),
		cmocka_unit_test(escaped_quotes_of_nginx_and_apache),
		cmocka_unit_test(a_content_range_behind_combined_is_read),
		cmocka_unit_test(requests_without_a_path),
		cmocka_unit_test(what_is_no_line_of_a_log_is_malformed),
		cmocka_unit_test(zeros_in_front_do_not_matter_others_do),
		cmocka_unit_test(names_of_formats),
		cmocka_unit_test(logs_of_errors_are_known),
		cmocka_unit_test(s3_of_amazons_manual),
		cmocka_unit_test(s3_does_not_escape_quotes),
		cmocka_unit_test(s3_does_things_without_a_request),
		cmocka_unit_test(cloudfront_of_amazons_manual),
		cmocka_unit_test(cloudfront_columns_are_found_by_name),
		cmocka_unit_test(our_json_lines),
		cmocka_unit_test(logpush_with_each_form_of_time),
		cmocka_unit_test(logpush_prefers_the_answered_range),
		cmocka_unit_test(a_log_may_change_its_format),
		cmocka_unit_test(a_given_format_is_not_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
