#include "http/url.h"

#include "unit.h"

static void a_url_is_taken_apart(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(url_release) struct url u = { 0 };
	assert_ok(url_parse("HTTPS://us%40er:p%3A@Example.COM/a/../b%20c?x=1&y#frag", &u, &e), &e);
	assert_string_equal(u.scheme, "https");
	assert_string_equal(u.user, "us@er");
	assert_string_equal(u.password, "p:");
	assert_string_equal(u.host, "example.com");
	assert_int_equal(u.port, 443);
	assert_string_equal(u.path, "/a/../b%20c");
	assert_string_equal(u.query, "x=1&y");
	assert_string_equal(u.text, "https://Example.COM/a/../b%20c?x=1&y");
	url_release(&u);
	assert_ok(url_parse("http://[::1]:8080", &u, &e), &e);
	assert_string_equal(u.host, "[::1]");
	assert_int_equal(u.port, 8080);
	assert_string_equal(u.path, "/");
	assert_null(u.user);
	assert_null(u.query);
}

static void a_host_header_names_only_a_port_that_is_not_the_usual_one(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "https://Example.com/a", "example.com" },
		{ "https://h:443", "h" },
		{ "http://h:443", "h:443" },
		{ "http://h:80", "h" },
		{ "http://u:p@[::1]:8080/", "[::1]:8080" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		CLEANUP(url_release) struct url u = { 0 };
		assert_ok(url_parse(cases[i][0], &u, &e), &e);
		char *header = url_host_header(&u);
		assert_string_equal(header, cases[i][1]);
		free(header);
	}
}

static void what_is_no_web_url_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "",
					   "x",
					   "/a/b",
					   "ftp://host/x",
					   "file:///etc/passwd",
					   "javascript:alert(1)",
					   "http://",
					   "http://host:99999/",
					   "http://ho st/",
					   "gopher://user:hunter2@host/x" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct url u = { 0 };
		if (url_parse(bad[i], &u, &e) != -ERR_USAGE)
			fail_msg("'%s': %s", bad[i], e.text);
		assert_null(strstr(e.text, "hunter2"));
		assert_null(u.text);
	}
	char *longest = malloc(URL_MAX + 100);
	memset(longest, 'a', URL_MAX + 99);
	memcpy(longest, "http://h/", 9);
	longest[URL_MAX + 99] = '\0';
	struct err e = ERR_INIT;
	struct url u = { 0 };
	assert_int_equal(url_parse(longest, &u, &e), -ERR_USAGE);
	free(longest);
}

static bool same(const char *a, const char *b)
{
	struct err e = ERR_INIT;
	CLEANUP(url_release) struct url x = { 0 };
	CLEANUP(url_release) struct url y = { 0 };
	assert_ok(url_parse(a, &x, &e), &e);
	assert_ok(url_parse(b, &y, &e), &e);
	return url_same_origin(&x, &y);
}

static void origins_are_compared(void **state)
{
	(void)state;
	assert_true(same("http://a/x", "http://A:80/y"));
	assert_true(same("https://a", "https://u:p@a:443/y"));
	assert_false(same("http://a", "https://a"));
	assert_false(same("http://a", "http://a:81"));
	assert_false(same("http://a", "http://b.a"));
}

static void assert_text(char *got, const char *wanted)
{
	assert_string_equal(got, wanted);
	free(got);
}

static void keys_are_joined_encoded(void **state)
{
	(void)state;
	assert_text(url_join("https://h/base", "targets/a b%+#?\xc3\xbc.gguf"),
		    "https://h/base/targets/a%20b%25%2B%23%3F%C3%BC.gguf");
	assert_text(url_join("https://h/base/", "x"), "https://h/base/x");
}

static void file_urls_become_paths(void **state)
{
	(void)state;
	static const struct {
		const char *url, *path;
	} cases[] = {
		{ "file:///srv/models", "/srv/models" },
		{ "file://localhost/srv/a%20b", "/srv/a b" },
		{ "FILE:///srv/%C3%BC", "/srv/\xc3\xbc" },
		{ "file:/srv", "/srv" },
		{ "file://otherhost/srv", NULL },
		{ "file://", NULL },
		{ "file:srv", NULL },
		{ "file:///a%00b", NULL },
		{ "file:///a%2", NULL },
		{ "file:///a?x", NULL },
		{ "http://h/x", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		char *path = NULL;
		int rc = url_file_path(cases[i].url, &path, &e);
		if (cases[i].path) {
			assert_ok(rc, &e);
			assert_text(path, cases[i].path);
		} else {
			assert_int_equal(rc, -ERR_USAGE);
		}
	}
}

static void secrets_are_hidden(void **state)
{
	(void)state;
	assert_text(url_redact("https://user:pw@host/x"), "https://***@host/x");
	assert_text(url_redact("https://h/x@y?a=1"), "https://h/x@y?a=1");
	assert_text(url_redact("https://h/"
			       "x?X-Amz-Date=1&X-Amz-Signature=abc&X-Amz-Credential=q%2F"),
		    "https://h/x?X-Amz-Date=1&X-Amz-Signature=***&X-Amz-Credential=***");
	assert_text(url_redact("https://h/x?sig=abc&se=2&access_token=t;key=k#token=z"),
		    "https://h/x?sig=***&se=2&access_token=***;key=***#token=***");
	assert_text(url_redact("https://h/x?q=a=b&monkey=1"), "https://h/x?q=a=b&monkey=1");
	assert_text(url_redact("no url at all"), "no url at all");
	assert_text(url_redact(""), "");
	assert_text(url_redact("http://a@b@h/"), "http://***@h/");
}

static void a_password_with_an_unencoded_delimiter_is_hidden(void **state)
{
	(void)state;
	assert_text(url_redact("http://user:pa/ss@host/x"), "http://***@host/x");
	assert_text(url_redact("http://user:pa?ss@host/x"), "http://***@host/x");
	assert_text(url_redact("http://user:pa#ss@host:81/x"), "http://***@host:81/x");
	assert_text(url_redact("http://user:12/34@host/x"), "http://***@host/x");
	assert_text(url_redact("http://me@example.org:pa/ss@host/x"), "http://***@host/x");
	assert_text(url_redact("https://user:a.b:12/x@host/y"), "https://***@host/y");
	assert_text(url_redact("https://user:a@b.c:12/x@host/y"), "https://***@host/y");
	assert_text(url_redact("https://user:a@b.c:12/y?q=@"), "https://***@b.c:12/y?q=@");
	assert_text(url_redact("https://user.name:12:34/x@host/y"), "https://***@host/y");
	assert_text(url_redact_text("at https://user:a.b:12/x@host/y: gone"),
		    "at https://***@host/y: gone");
	assert_text(url_redact("http://user:p@mirror:8080/x"), "http://***@mirror:8080/x");
	assert_text(url_redact("http://127.0.0.1:80/a@b"), "http://127.0.0.1:80/a@b");
	assert_text(url_redact("http://localhost:80/a@b"), "http://localhost:80/a@b");
	assert_text(url_redact("http://[::1]:80/a@b"), "http://[::1]:80/a@b");
}

static void what_is_as_long_as_a_token_is_hidden_whatever_its_name(void **state)
{
	(void)state;
	assert_text(url_redact("https://h/x?st=0123456789abcdefghij&e=1"),
		    "https://h/x?st=***&e=1");
	assert_text(url_redact("https://h/x?0123456789abcdefghij"), "https://h/x?***");
	assert_text(url_redact("https://h/x?st=0123456789abcdefghi&e=1"),
		    "https://h/x?st=0123456789abcdefghi&e=1");
	assert_text(url_redact("https://h/x?hmac=1&SID=2&session_id=3&otp=4&ticket=5"),
		    "https://h/x?hmac=***&SID=***&session_id=***&otp=***&ticket=***");
}

static void a_url_in_the_path_is_redacted_too(void **state)
{
	(void)state;
	assert_text(url_redact("https://proxy/https://user:pw@host/x?a=1"),
		    "https://proxy/https://***@host/x?a=1");
	assert_text(url_redact("https://u:p@proxy/https://host/x"),
		    "https://***@proxy/https://host/x");
}

static void a_fragment_keeps_only_names(void **state)
{
	(void)state;
	assert_text(url_redact("https://h/x#token=z"), "https://h/x#token=***");
	assert_text(url_redact("https://h/x#a=1&secret"), "https://h/x#a=***&***");
	assert_text(url_redact("https://h/x?a=1#z"), "https://h/x?a=1#***");
	assert_text(url_redact("a#b.gguf"), "a#b.gguf");
}

static void the_name_of_a_parameter_may_be_percent_encoded(void **state)
{
	(void)state;
	assert_text(url_redact("https://h/x?%74oken=z&a%62=1"), "https://h/x?%74oken=***&a%62=1");
	assert_text(url_redact("https://h/x?%zz=1"), "https://h/x?%zz=***");
}

static void each_url_in_a_sentence_is_redacted(void **state)
{
	(void)state;
	assert_text(url_redact_text("Unsupported proxy syntax in 'http://u:p@h:x': Port number"),
		    "Unsupported proxy syntax in 'http://***@h:x': Port number");
	assert_text(url_redact_text("see (https://h/?sig=a), https://h/b."),
		    "see (https://h/?sig=***), https://h/b.");
	assert_text(url_redact_text("://"), "://");
	assert_text(url_redact_text("no URL: here"), "no URL: here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_is_taken_apart),
		cmocka_unit_test(a_host_header_names_only_a_port_that_is_not_the_usual_one),
		cmocka_unit_test(what_is_no_web_url_is_refused),
		cmocka_unit_test(origins_are_compared),
		cmocka_unit_test(keys_are_joined_encoded),
		cmocka_unit_test(file_urls_become_paths),
		cmocka_unit_test(secrets_are_hidden),
		cmocka_unit_test(a_password_with_an_unencoded_delimiter_is_hidden),
		cmocka_unit_test(what_is_as_long_as_a_token_is_hidden_whatever_its_name),
		cmocka_unit_test(a_url_in_the_path_is_redacted_too),
		cmocka_unit_test(a_fragment_keeps_only_names),
		cmocka_unit_test(the_name_of_a_parameter_may_be_percent_encoded),
		cmocka_unit_test(each_url_in_a_sentence_is_redacted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
