#include "unit.h"

#include "s3/s3.h"
#include "s3/xml.h"
#include "util/mem.h"

#include <stdio.h>

/* A failed answer with this status and document. */
static void judge(long status, enum err_class http_class, const char *body, char code[S3_CODE],
		  struct err *e)
{
	struct http_response r = { .status = status };
	struct err http = ERR_INIT;
	err_set(&http, http_class, "HTTP %ld", status);
	struct s3_failure f = { .answer = &r, .body = body, .len = strlen(body), .http = &http };
	assert_true(s3_fault(&f, code, e) < 0);
}

static void a_code_decides_on_the_class(void **state)
{
	(void)state;
	static const struct {
		long status;
		enum err_class http;
		const char *code;
		enum err_class class;
		enum err_cause cause;
		const char *text;
	} cases[] = {
		{ 403, ERR_AUTH, "AccessDenied", ERR_AUTH, CAUSE_NONE, "access denied" },
		{ 403, ERR_AUTH, "InvalidAccessKeyId", ERR_AUTH, CAUSE_NONE, "access key" },
		{ 403, ERR_AUTH, "SignatureDoesNotMatch", ERR_AUTH, CAUSE_NONE, "signature" },
		{ 400, ERR_USAGE, "ExpiredToken", ERR_AUTH, CAUSE_NONE, "has expired" },
		{ 403, ERR_AUTH, "QuotaExceeded", ERR_AUTH, CAUSE_NONE, "quota" },
		{ 404, ERR_NOT_FOUND, "NoSuchBucket", ERR_USAGE, CAUSE_NONE, "bucket does not" },
		{ 404, ERR_NOT_FOUND, "NoSuchKey", ERR_NOT_FOUND, CAUSE_NONE, "not found" },
		{ 404, ERR_NOT_FOUND, "NoSuchUpload", ERR_NOT_FOUND, CAUSE_NONE, "upload" },
		{ 412, ERR_CONFLICT, "PreconditionFailed", ERR_CONFLICT, CAUSE_NONE, "precond" },
		{ 409, ERR_CONFLICT, "ConditionalRequestConflict", ERR_CONFLICT, CAUSE_NONE, "" },
		{ 400, ERR_USAGE, "BadDigest", ERR_INTEGRITY, CAUSE_NONE, "damaged" },
		{ 400, ERR_USAGE, "XAmzContentSHA256Mismatch", ERR_INTEGRITY, CAUSE_NONE, "" },
		{ 503, ERR_NETWORK, "SlowDown", ERR_NETWORK, CAUSE_THROTTLED, "fewer requests" },
		{ 200, ERR_NETWORK, "InternalError", ERR_NETWORK, CAUSE_SERVER, "failed" },
		{ 400, ERR_USAGE, "RequestTimeout", ERR_NETWORK, CAUSE_STALLED, "too long" },
		{ 501, ERR_USAGE, "NotImplemented", ERR_USAGE, CAUSE_NONE, "not implemented" },
		/* What is not known keeps the class of its status. */
		{ 418, ERR_USAGE, "ImATeapot", ERR_USAGE, CAUSE_NONE, "HTTP 418 ImATeapot" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		char code[S3_CODE];
		CLEANUP(mem_free_ptr) char *body =
			mem_printf("<Error><Code>%s</Code><Message>m</Message></Error>",
				   cases[i].code);
		judge(cases[i].status, cases[i].http, body, code, &e);
		assert_string_equal(code, cases[i].code);
		assert_int_equal(e.class, cases[i].class);
		assert_int_equal(e.cause, cases[i].cause);
		assert_non_null(strstr(e.text, cases[i].text));
	}
}

static void an_answer_without_a_document_keeps_its_error(void **state)
{
	(void)state;
	static const char *const bodies[] = { "", "<html>", "<Error></Error>", "nothing",
					      "<Error><Code></Code></Error>" };
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct err e = ERR_INIT;
		char code[S3_CODE];
		judge(502, ERR_NETWORK, bodies[i], code, &e);
		assert_string_equal(code, "");
		assert_string_equal(e.text, "HTTP 502");
	}
}

static void a_message_of_the_server_is_safe_for_a_terminal(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char code[S3_CODE];
	judge(400, ERR_USAGE, "<Error><Code>New</Code><Message>a&#x9b;31m b</Message></Error>",
	      code, &e);
	assert_string_equal(e.text, "HTTP 400 New: a\\u{9b}31m b");
}

static void a_wrong_clock_is_told_with_its_distance(void **state)
{
	(void)state;
	struct http_response r = { .status = 403 };
	struct err http = ERR_INIT, e = ERR_INIT;
	char code[S3_CODE];
	const char *body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
	str_list_add(&r.headers, "date: Sat, 28 Nov 2026 06:00:00 GMT");
	err_set(&http, ERR_AUTH, "HTTP 403");
	struct s3_failure f = { &r, body, strlen(body), 1795845600 + 7200, &http };
	assert_int_equal(s3_fault(&f, code, &e), -ERR_AUTH);
	assert_string_equal(e.text, "the clock of this machine is 2h 00m ahead of the server's");
	http_response_release(&r);
}

static void the_region_is_found_in_header_and_document(void **state)
{
	(void)state;
	struct http_response r = { .status = 301 };
	char region[S3_REGION];
	const char *body = "<Error><Code>AuthorizationHeaderMalformed</Code>"
			   "<Region>eu-west-1</Region></Error>";
	struct s3_failure f = { .answer = &r, .body = body, .len = strlen(body) };
	s3_fault_region(&f, region);
	assert_string_equal(region, "eu-west-1");
	str_list_add(&r.headers, "x-amz-bucket-region: us-west-2");
	s3_fault_region(&f, region);
	assert_string_equal(region, "us-west-2");
	http_response_release(&r);
}

/* -- documents -------------------------------------------------------------------- */

static int collect(void *ctx, const char *path, const char *text, struct err *e)
{
	(void)e;
	buf_addf(ctx, "%s=%s;", path, text);
	return 0;
}

static void elements_come_with_their_path_and_text(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
	const char *text =
		"<?xml version=\"1.0\"?><a:R xmlns:a=\"u\"> <K>x&amp;y</K><C><K/></C></a:R>";
	assert_ok(s3_xml_parse(text, strlen(text), collect, &out, &e), &e);
	assert_string_equal(buf_str(&out), "R/K=x&y;R/C/K=;R/C=;R=;");
}

static void what_is_no_plain_document_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "<a>", "<a></b>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a>&y;</a>",
	};
	CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(s3_xml_parse(texts[i], strlen(texts[i]), collect, &out, &e),
				 -ERR_INTEGRITY);
	}
}

static void a_document_that_is_too_deep_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(1000), out = BUF_INIT(1000);
	for (int i = 0; i <= S3_XML_DEPTH; i++)
		buf_adds(&text, "<a>");
	assert_int_equal(s3_xml_parse(text.data, text.len, collect, &out, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "too deeply"));
}

/* Its end is reported even though its start was refused. */
static void an_empty_element_with_a_name_that_is_too_long_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf text = BUF_INIT(4000), out = BUF_INIT(1000);
	buf_addc(&text, '<');
	for (int i = 0; i < 2000; i++)
		buf_addc(&text, 'a');
	buf_adds(&text, "/>");
	assert_int_equal(s3_xml_parse(text.data, text.len, collect, &out, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "too deeply"));
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_decides_on_the_class),
		cmocka_unit_test(an_answer_without_a_document_keeps_its_error),
		cmocka_unit_test(a_message_of_the_server_is_safe_for_a_terminal),
		cmocka_unit_test(a_wrong_clock_is_told_with_its_distance),
		cmocka_unit_test(the_region_is_found_in_header_and_document),
		cmocka_unit_test(elements_come_with_their_path_and_text),
		cmocka_unit_test(what_is_no_plain_document_is_refused),
		cmocka_unit_test(a_document_that_is_too_deep_is_refused),
		cmocka_unit_test(an_empty_element_with_a_name_that_is_too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
