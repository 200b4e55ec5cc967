#include "json/json.h"

#include "unit.h"
#include "util/mem.h"

#define BYTES(text) text, sizeof(text) - 1

static void becomes(const char *data, size_t len, const char *want)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	assert_ok(json_lenient(data, len, 10000, "config.json", &value, &e), &e);
	CLEANUP(mem_free_ptr) char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_string_equal(text, want);
	json_decref(value);
}

static void refused(const char *data, size_t len, const char *message)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	int rc = json_lenient(data, len, 10000, "config.json", &value, &e);
	if (rc != -ERR_INTEGRITY || !strstr(e.text, message))
		fail_msg("%s: wanted \"%s\", got %d: %s", data, message, rc, e.text);
	assert_non_null(strstr(e.text, "config.json: "));
	assert_null(value);
}

static void numbers_that_no_type_holds_become_null(void **state)
{
	(void)state;
	becomes(BYTES("[NaN,Infinity,-Infinity, 1e999,-1e999]"), "[null,null,null,null,null]");
	becomes(BYTES("[9223372036854775807,-9223372036854775808]"),
		"[9223372036854775807,-9223372036854775808]");
	becomes(BYTES("[9223372036854775808,1000000000000000019884624838656]"), "[null,null]");
	becomes(BYTES("[-9223372036854775809,1e-999,0.5,-0,1E2]"), "[null,0.0,0.5,0,100.0]");
	CLEANUP(buf_release) struct buf b = BUF_INIT(1000);
	buf_adds(&b, "[1");
	for (int i = 0; i < 900; i++)
		buf_addc(&b, '0');
	buf_adds(&b, ", 2]");
	becomes(b.data, b.len, "[null,2]");
}

static void the_last_of_two_equal_keys_counts(void **state)
{
	(void)state;
	becomes(BYTES("{\"a\":1,\"b\":2,\"a\":3}"), "{\"a\":3,\"b\":2}");
}

static void strings_may_hold_what_they_like(void **state)
{
	(void)state;
	becomes(BYTES("[\"NaN 1e999 \\\"Infinity\"]"), "[\"NaN 1e999 \\\"Infinity\"]");
	becomes(BYTES("[\"a\\u0000b\"]"), "[\"a\xef\xbf\xbd"
					  "b\"]");
	becomes(BYTES("[\"\\ud83d\\ude00\"]"), "[\"\xf0\x9f\x98\x80\"]");
	becomes(BYTES("[\"\\ud83d\",\"\\ude00\\ud83d\"]"),
		"[\"\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd\"]");
	becomes(BYTES("[\"\xff\xc3\xa4\xc3\"]"), "[\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\"]");
	becomes(BYTES("[\"\\\\u0000\",\"\\u00e4\"]"), "[\"\\\\u0000\",\"\xc3\xa4\"]");
}

static void what_editors_make_of_a_file_is_read(void **state)
{
	(void)state;
	becomes(BYTES("\xef\xbb\xbf{\r\n\"a\" : 1\r\n}\r\n \t\r\n"), "{\"a\":1}");
	becomes(BYTES("\xff\xfe{\0\"\0\xe4\0\"\0:\0001\0}\0"), "{\"\xc3\xa4\":1}");
	becomes(BYTES("\xfe\xff\0[\0\x31\0]"), "[1]");
	becomes(BYTES("[\0001\0]\0"), "[1]");
	becomes(BYTES("1"), "1");
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{",     "[",           "[1,]",  "{\"a\":1", "[nan]",  "[+Infinity]",
		"[--1]", "[1 2]",       "[1] x", "[\"a",     "[\"a\\", "[01]",
		"[1.]",  "[.5]",        "[0x1]", "[1e]",     "<html>", "[\"a\nb\"]",
		"{a:1}", "[\"\\u12\"]", "-",     "[1]\x1a",  "[NaNo]",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i], strlen(bad[i]), "line ");
	refused(BYTES("{\n\"a\": Infinity,\n}"), "line 3, column 1");
	refused(BYTES("[12\0]"), "line 1: a NUL byte");
	refused(BYTES("[\"a\0b\"]"), "line 1: a NUL byte");
}

static void what_a_crash_left_without_content_is_called_empty(void **state)
{
	(void)state;
	refused(BYTES(""), "it is empty");
	refused(BYTES(" \r\n"), "it is empty");
	refused(BYTES("\xef\xbb\xbf"), "it is empty");
	refused(BYTES("\0\0\0\0"), "it is empty");
}

static void depth_and_size_are_limited(void **state)
{
	(void)state;
	char deep[2002];
	for (size_t i = 0; i < sizeof deep; i++)
		deep[i] = i < 1001 ? '[' : ']';
	refused(deep, 2002, "nested more than 1000 levels deep");
	struct err e = ERR_INIT;
	json_t *value = NULL;
	assert_ok(json_lenient(deep + 1, 2000, 10000, "x", &value, &e), &e);
	json_decref(value);
	static char large[10001];
	refused(large, sizeof large, "larger than 10000 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_that_no_type_holds_become_null),
		cmocka_unit_test(the_last_of_two_equal_keys_counts),
		cmocka_unit_test(strings_may_hold_what_they_like),
		cmocka_unit_test(what_editors_make_of_a_file_is_read),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(what_a_crash_left_without_content_is_called_empty),
		cmocka_unit_test(depth_and_size_are_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
