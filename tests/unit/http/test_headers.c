#include "http/headers.h"

#include "unit.h"

static void a_line_is_split(void **state)
{
	(void)state;
	char *name, *value;
	char good[] = "ETag:   \"a b\" \t\r\n";
	assert_true(header_split(good, &name, &value));
	assert_string_equal(name, "etag");
	assert_string_equal(value, "\"a b\"");
	char empty[] = "X:";
	assert_true(header_split(empty, &name, &value));
	assert_string_equal(value, "");
	char folded[] = "  continued", space[] = "Na me: x", nothing[] = ": x", none[] = "";
	assert_false(header_split(folded, &name, &value));
	assert_false(header_split(space, &name, &value));
	assert_false(header_split(nothing, &name, &value));
	assert_false(header_split(none, &name, &value));
}

static void content_ranges_are_read(void **state)
{
	(void)state;
	struct content_range r = { 0 };
	assert_true(header_content_range("bytes 0-9/100", &r));
	assert_true(r.has_range && r.has_total);
	assert_int_equal(r.first, 0);
	assert_int_equal(r.last, 9);
	assert_int_equal(r.total, 100);
	assert_true(header_content_range("Bytes 5-5/*", &r));
	assert_false(r.has_total);
	assert_true(header_content_range("bytes */1234567890123", &r));
	assert_false(r.has_range);
	assert_int_equal(r.total, 1234567890123);
	assert_true(header_content_range("bytes 0-18446744073709551614/18446744073709551615", &r));

	static const char *const bad[] = {
		"",
		"bytes",
		"bytes ",
		"bytes=0-9/100",
		"items 0-9/100",
		"bytes 9-0/100",
		"bytes 0-9/9",
		"bytes 0-100/100",
		"bytes 0-9",
		"bytes 0-9/",
		"bytes -9/100",
		"bytes 0-/100",
		"bytes */*",
		"bytes 0-9/100x",
		"bytes 0-9/100, 20-29/100",
		"bytes 0 - 9/100",
		"bytes 0-18446744073709551616/*",
		"bytes +0-9/100",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (header_content_range(bad[i], &r))
			fail_msg("accepted '%s'", bad[i]);
}

static void the_three_forms_of_a_date_are_read(void **state)
{
	(void)state;
	static const char *const same[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
					    "Sunday, 06-Nov-94 08:49:37 GMT",
					    "Sun Nov  6 08:49:37 1994" };
	int64_t s = 0;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		assert_true(header_date(same[i], &s));
		assert_int_equal(s, 784111777);
	}
	assert_true(header_date("Thu, 01-Jan-26 00:00:00 GMT", &s));
	assert_int_equal(s, 1767225600);
	static const char *const bad[] = {
		"",
		"now",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 CET",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Xxx 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1894 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994 GMT",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (header_date(bad[i], &s))
			fail_msg("accepted '%s'", bad[i]);
}

static void a_rate_limit_is_that_with_the_fewest_requests_left(void **state)
{
	(void)state;
	uint64_t left = 9, reset_s = 9;
	assert_true(header_rate_limit("\"api\";r=489;t=189", &left, &reset_s));
	assert_int_equal(left, 489);
	assert_int_equal(reset_s, 189);
	assert_true(header_rate_limit("\"a\"; r=5; t=1, \"b\";t=55;r=0,\"c\";r=0;t=7", &left,
				      &reset_s));
	assert_int_equal(left, 0);
	assert_int_equal(reset_s, 55);
	static const char *const bad[] = {
		"",
		"\"api\"",
		"\"api\";r=1",
		"\"api\";r=;t=1",
		"\"api\";r=-1;t=1",
		"r=1;t=1",
		"\"api\";r=99999999999999999999999;t=1",
		"\"a\";r=1,\"b\";t=1",
		";r",
		";r=",
		",,",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (header_rate_limit(bad[i], &left, &reset_s))
			fail_msg("'%s'", bad[i]);
	assert_int_equal(reset_s, 55);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	(void)state;
	uint64_t s = 0;
	assert_true(header_retry_after("120", 0, &s));
	assert_int_equal(s, 120);
	assert_true(header_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111700, &s));
	assert_int_equal(s, 77);
	assert_true(header_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111800, &s));
	assert_int_equal(s, 0);
	s = 5;
	assert_false(header_retry_after("-1", 0, &s));
	assert_false(header_retry_after("1.5", 0, &s));
	assert_false(header_retry_after("soon", 0, &s));
	assert_int_equal(s, 5);
}

static void etags_are_checked(void **state)
{
	(void)state;
	char out[HEADER_ETAG] = "";
	assert_true(header_etag("\"abc-1\"", out));
	assert_string_equal(out, "\"abc-1\"");
	assert_true(header_etag_is_strong(out));
	assert_true(header_etag("W/\"x\"", out));
	assert_false(header_etag_is_strong(out));
	assert_true(header_etag("\"\"", out));
	static const char *const bad[] = { "",         "abc",     "\"abc",   "abc\"",
					   "\"a\"b\"", "\"a b\"", "w/\"x\"", "\"a\"\"" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (header_etag(bad[i], out))
			fail_msg("accepted '%s'", bad[i]);
	char longest[HEADER_ETAG + 2];
	memset(longest, 'a', sizeof longest);
	longest[0] = longest[sizeof longest - 2] = '"';
	longest[sizeof longest - 1] = '\0';
	assert_false(header_etag(longest, out));
}

static void media_types_are_bare_and_lower(void **state)
{
	(void)state;
	char out[HEADER_TYPE] = "";
	assert_true(header_media_type("Text/HTML; charset=utf-8", out));
	assert_string_equal(out, "text/html");
	assert_true(header_media_type("application/vnd.x+json", out));
	assert_false(header_media_type("text", out));
	assert_false(header_media_type("/html", out));
	assert_false(header_media_type("text/", out));
	assert_false(header_media_type("a/b/c", out));
	assert_false(header_media_type("text/html\x01", out));
	assert_false(header_media_type("", out));
}

static void file_names_do_no_harm(void **state)
{
	(void)state;
	static const struct {
		const char *value, *name;
	} cases[] = {
		{ "attachment; filename=\"model.gguf\"", "model.gguf" },
		{ "attachment; filename=model.gguf", "model.gguf" },
		{ "attachment;filename=\"a \\\"b\\\".gguf\"; x=y", "a \"b\".gguf" },
		{ "inline; FileName*=UTF-8''m%C3%BC.gguf; filename=\"m.gguf\"", "m\xc3\xbc.gguf" },
		{ "attachment; filename=\"m.gguf\"; filename*=utf-8'en'n.gguf", "n.gguf" },
		{ "attachment; filename*=iso-8859-1''n%FC.gguf; filename=m.gguf", "m.gguf" },
		{ "attachment; filename=\"../../etc/passwd\"", "passwd" },
		{ "attachment; filename=\"C:\\\\x\\\\y.gguf\"", "y.gguf" },
		{ "attachment; filename=\".bashrc\"", NULL },
		{ "attachment; filename=\"..\"", NULL },
		{ "attachment; filename=\"a/\"", NULL },
		{ "attachment; filename*=UTF-8''a%00b", NULL },
		{ "attachment; filename*=UTF-8''a%2", NULL },
		{ "attachment; filename*=UTF-8''%2e%2e%2fx", "x" },
		{ "attachment; filename=\"a\nb\"", NULL },
		{ "attachment; filename=\"open", NULL },
		{ "attachment", NULL },
		{ "", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char out[HEADER_NAME] = "";
		bool got = header_file_name(cases[i].value, out);
		if (got != (cases[i].name != NULL) || (got && strcmp(out, cases[i].name) != 0))
			fail_msg("'%s' gave '%s'", cases[i].value, got ? out : "nothing");
	}
	char value[1200] = "attachment; filename=\"";
	memset(value + strlen(value), 'a', 1000);
	strcpy(value + strlen(value), "\"");
	char out[HEADER_NAME];
	assert_false(header_file_name(value, out));
}

static void pages_are_told_from_models(void **state)
{
	(void)state;
	static const char *const pages[] = { "<!DOCTYPE html>", " \r\n<HTML lang=en>",
					     "\xef\xbb\xbf<html>", "<head>", "<script>x" };
	static const char *const others[] = { "",     "GGUF\x03",     "{\"a\": 1}", "<?xml version",
					      "<htm", "<Error><Code>" };
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		assert_true(header_body_is_html(pages[i], strlen(pages[i])));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(header_body_is_html(others[i], strlen(others[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_split),
		cmocka_unit_test(content_ranges_are_read),
		cmocka_unit_test(the_three_forms_of_a_date_are_read),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(a_rate_limit_is_that_with_the_fewest_requests_left),
		cmocka_unit_test(etags_are_checked),
		cmocka_unit_test(media_types_are_bare_and_lower),
		cmocka_unit_test(file_names_do_no_harm),
		cmocka_unit_test(pages_are_told_from_models),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
