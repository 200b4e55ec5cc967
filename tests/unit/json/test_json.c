#include "json/json.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

static const struct json_limits limits = { .max_bytes = 10000, .max_depth = 8 };

static json_t *parsed(const char *text)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	assert_ok(json_parse(text, strlen(text), &limits, "x", &value, &e), &e);
	return value;
}

static void refused_bytes(const char *text, size_t len, const char *message)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	int rc = json_parse(text, len, &limits, "card.json", &value, &e);
	if (rc != -ERR_INTEGRITY || !strstr(e.text, message))
		fail_msg("%s: wanted \"%s\", got %d: %s", text ? text : "", message, rc, e.text);
	assert_true(str_starts(e.text, "card.json: "));
	assert_null(value);
}

static void refused(const char *text, const char *message)
{
	refused_bytes(text, strlen(text), message);
}

/* ---- parsing ---- */

static void what_rfc_8259_allows_is_read(void **state)
{
	(void)state;
	static const char *const good[] = {
		"{}",
		"[]",
		" \t\r\n{ } \n",
		"[null,true,false,0,-0,-1]",
		"[\"\"]",
		"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"]",
		"[\"\xc3\xa4\"]",
		"[9223372036854775807,-9223372036854775808]",
		"[[[[[[[[]]]]]]]]",
		"{\"a\":{\"a\":1}}",
		"[\"\x7f\"]",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		json_decref(parsed(good[i]));
}

static void another_encoding_is_refused_by_its_name(void **state)
{
	(void)state;
	refused("\xef\xbb\xbf{}", "line 1: a byte order mark in front");
	refused_bytes("\xff\xfe{\0}\0", 6, "line 1: the text is UTF-16");
	refused_bytes("\xfe\xff\0{\0}", 6, "line 1: the text is UTF-16");
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
	(void)state;
	refused("", "line 1, column 0");
	refused_bytes(NULL, 0, "line 1, column 0");
	refused("{\n  \"a\": 1,\n}", "line 3, column 1");
	static const char *const bad[] = {
		" ",
		"{",
		"}",
		"[1,]",
		"[,1]",
		"{\"a\"}",
		"{a:1}",
		"{'a':1}",
		"[1 2]",
		"[01]",
		"[+1]",
		"[.5]",
		"[0x10]",
		"[NaN]",
		"[Infinity]",
		"nul",
		"[tru]",
		"1",
		"\"x\"",
		"null",
		"[\"\n\"]",
		"[\"\\x\"]",
		"[\"\\u12\"]",
		"[\"\\ud800\"]",
		"[\"\\udc00\"]",
		"[\"\xff\"]",
		"[\"\xc0\x80\"]",
		"[\"\xed\xa0\x80\"]",
		"[\"abc]",
		"[]]",
		"{}{}",
		"[] x",
		"[] // comment",
		"/* c */ []",
		"\xef\xbb\xbf{}",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(bad[i], "line ");
}

static void duplicate_keys_are_refused(void **state)
{
	(void)state;
	refused("{\"a\":1,\"a\":1}", "duplicate");
	refused("[{\"b\":{\"a\":1,\"\\u0061\":2}}]", "duplicate");
}

static void nul_in_strings_is_refused(void **state)
{
	(void)state;
	refused("[\"a\\u0000b\"]", "line 1");
	refused("{\"a\\u0000b\":1}", "line 1");
	refused_bytes("[\"a\0b\"]", 7, "line 1");
	refused_bytes("[]\0", 3, "line 1");
	refused_bytes("[12\0]", 5, "line 1: a NUL byte");
}

static void numbers_must_be_integers_of_64_bits(void **state)
{
	(void)state;
	refused("[9223372036854775808]", "line 1");
	refused("[-9223372036854775809]", "line 1");
	refused("[99999999999999999999999999]", "line 1");
	refused("[1.5]", "contains a number that is not an integer");
	refused("{\"a\":[{\"b\":1e3}]}", "contains a number that is not an integer");
	refused("[1.0]", "not an integer");
	refused("[1e999]", "line 1");
	const struct json_limits real = { .max_bytes = 100, .allow_real = true };
	struct err e = ERR_INIT;
	json_t *value;
	assert_ok(json_parse("[1.5]", 5, &real, "x", &value, &e), &e);
	json_decref(value);
	assert_int_equal(json_parse("[1e999]", 7, &real, "x", &value, &e), -ERR_INTEGRITY);
}

static void depth_and_size_are_capped(void **state)
{
	(void)state;
	refused("[[[[[[[[[]]]]]]]]]", "nested more than 8 levels deep");
	refused("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[]}}}}}}}}",
		"nested more than 8 levels deep");
	/* Brackets in strings are none, also behind escapes. */
	json_decref(parsed("[\"[[[[[[[[[[[[\\\"[[[[\\\\\",[]]"));
	struct err e = ERR_INIT;
	json_t *value;
	CLEANUP(mem_free_ptr) char *large = mem_alloc(2000000);
	memset(large, '[', 2000000);
	const struct json_limits wide = { .max_bytes = 2000000 };
	assert_int_equal(json_parse(large, 2000000, &wide, "x", &value, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "x: nested more than 64 levels deep");
	refused_bytes(large, 10001, "larger than 10000 bytes");
}

static void foreign_text_in_messages_is_escaped(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *value;
	const char *text = "[\x1b[31m]";
	assert_int_equal(json_parse(text, strlen(text), &limits, "x", &value, &e), -ERR_INTEGRITY);
	assert_null(strchr(e.text, 0x1b));
}

static void files_are_read_and_written(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "a.json");
	json_t *value = parsed("{\"b\":1,\"a\":[\"\xc3\xa4/\"]}"), *again;
	assert_ok(json_write_file(path, value, 0644, &e), &e);
	assert_ok(json_parse_file(path, &limits, &again, &e), &e);
	assert_true(json_equal(value, again));
	json_decref(value);
	json_decref(again);
	const struct json_limits small = { .max_bytes = 10 };
	assert_int_equal(json_parse_file(path, &small, &again, &e), -ERR_INTEGRITY);
	err_clear(&e);
	assert_int_equal(json_parse_file("/nowhere", &limits, &again, &e), -ERR_NOT_FOUND);
	scratch_free(dir);
}

/* ---- writing ---- */

typedef int writer(const json_t *value, struct buf *out, struct err *e);

static void expect_written(writer *write, const char *text, const char *want)
{
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf b = BUF_INIT(10000);
	CLEANUP(json_release) json_t *value = parsed(text);
	assert_ok(write(value, &b, &e), &e);
	assert_string_equal(buf_str(&b), want);
}

static void canonical_form_is_that_of_olpc(void **state)
{
	(void)state;
	expect_written(json_canonical, "{ }", "{}");
	expect_written(json_canonical, "[ 1, -2 , true, false, null ]", "[1,-2,true,false,null]");
	expect_written(json_canonical, "{\"b\":1,\"a\":{\"d\":[],\"c\":2}}",
		       "{\"a\":{\"c\":2,\"d\":[]},\"b\":1}");
	/* Bytes decide the order, not the letters of some language. */
	expect_written(json_canonical, "{\"\xc3\xa4\":1,\"z\":2,\"Z\":3,\"\":4,\"aa\":5,\"a\":6}",
		       "{\"\":4,\"Z\":3,\"a\":6,\"aa\":5,\"z\":2,\"\xc3\xa4\":1}");
	/* Only the quote and the backslash are escaped: control characters stay as they are. */
	expect_written(json_canonical, "[\"\\\"\\\\\\/\\n\\u001f\\u00e4\"]",
		       "[\"\\\"\\\\/\n\x1f\xc3\xa4\"]");
	expect_written(json_canonical, "{\"a\\\"\\n\":1}", "{\"a\\\"\n\":1}");
	expect_written(json_canonical, "[9223372036854775807,-9223372036854775808]",
		       "[9223372036854775807,-9223372036854775808]");
}

static void canonical_form_has_no_fractions_and_a_ceiling(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(4);
	json_t *real = json_pack("{s:[f]}", "a", 1.5);
	assert_int_equal(json_canonical(real, &b, &e), -ERR_INTEGRITY);
	json_decref(real);
	err_clear(&e);
	buf_clear(&b);
	json_t *value = parsed("[12345]");
	assert_int_equal(json_canonical(value, &b, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "canonical JSON is larger than 4 bytes");
	json_decref(value);
	buf_release(&b);
}

static void pretty_keeps_the_order(void **state)
{
	(void)state;
	expect_written(json_pretty, "{\"b\":1,\"a\":[1,{}]}",
		       "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    {}\n  ]\n}\n");
	expect_written(json_compact, "{\"b\": 1, \"a\": [ \"\xc3\xa4/\" ]}",
		       "{\"b\":1,\"a\":[\"\xc3\xa4/\"]}");
}

static void rows_have_a_line_for_each_entry(void **state)
{
	(void)state;
	expect_written(json_rows, "{}", "{}\n");
	expect_written(json_rows, "[]", "[]\n");
	expect_written(json_rows, "[1,2]", "[1,2]\n");
	expect_written(json_rows, "{\"a\":{\"b\":[1,\"x\"],\"e\":{}},\"c\\n\":[{\"d\":[1,2]},{}]}",
		       "{\n  \"a\": {\n    \"b\": [1,\"x\"],\n    \"e\": {}\n  },\n"
		       "  \"c\\n\": [\n    {\"d\":[1,2]},\n    {}\n  ]\n}\n");
	expect_written(json_rows, "[1,2,3,4,5,6,7,8,9]",
		       "[\n  1,\n  2,\n  3,\n  4,\n  5,\n  6,\n  7,\n  8,\n  9\n]\n");
}

/* ---- access ---- */

static void expect_error(int rc, struct err *e, const char *text)
{
	assert_int_equal(rc, -ERR_INTEGRITY);
	assert_string_equal(e->text, text);
	err_clear(e);
}

static void members_have_the_type_that_is_asked(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *o = parsed("{\"s\":\"x\",\"n\":5,\"neg\":-1,\"b\":true,\"null\":null,"
			   "\"a\":[1,2],\"o\":{},\"hex\":\"00ff\"}");
	const char *s = "kept";
	uint64_t n = 7;
	bool b = false;
	json_t *v = o;
	uint8_t raw[2];
	assert_ok(json_get_string(o, "", "s", &s, &e), &e);
	assert_string_equal(s, "x");
	expect_error(json_get_string(o, "", "n", &s, &e), &e,
		     "n: expected a string, but it is an integer");
	expect_error(json_get_string(o, "models[2]", "none", &s, &e), &e,
		     "models[2].none: expected a string, but it is missing");
	expect_error(json_get_string(o, "", "null", &s, &e), &e,
		     "null: expected a string, but it is null");
	assert_string_equal(s, "x");
	assert_ok(json_get_u64(o, "", "n", &n, &e), &e);
	assert_int_equal(n, 5);
	expect_error(json_get_u64(o, "x", "neg", &n, &e), &e, "x.neg: negative");
	expect_error(json_get_u64(o, "", "s", &n, &e), &e,
		     "s: expected an integer, but it is a string");
	assert_ok(json_opt_bool(o, "", "b", false, &b, &e), &e);
	assert_true(b);
	expect_error(json_opt_bool(o, "", "a", false, &b, &e), &e,
		     "a: expected true or false, but it is an array");
	assert_ok(json_get_array(o, "", "a", 2, &v, &e), &e);
	assert_int_equal(json_array_size(v), 2);
	expect_error(json_get_array(o, "", "a", 1, &v, &e), &e, "a: more than 1 entries");
	expect_error(json_get_array(o, "", "o", 1, &v, &e), &e,
		     "o: expected an array, but it is an object");
	assert_ok(json_get_object(o, "", "o", &v, &e), &e);
	expect_error(json_get_object(o, "", "b", &v, &e), &e,
		     "b: expected an object, but it is true");
	assert_ok(json_get_hex(o, "", "hex", raw, 2, &e), &e);
	assert_memory_equal(raw, "\x00\xff", 2);
	expect_error(json_get_hex(o, "", "s", raw, 2, &e), &e,
		     "s: expected 4 lower-case hex digits");
	json_decref(o);
}

static void optional_members_have_defaults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *o = parsed("{\"null\":null,\"n\":5}");
	static const char *const absent[] = { "null", "none" };
	for (size_t i = 0; i < 2; i++) {
		const char *s = "x";
		uint64_t n = 0;
		bool b = false;
		json_t *v = o;
		assert_ok(json_opt_string(o, "", absent[i], &s, &e), &e);
		assert_null(s);
		assert_ok(json_opt_u64(o, "", absent[i], 9, &n, &e), &e);
		assert_int_equal(n, 9);
		assert_ok(json_opt_bool(o, "", absent[i], true, &b, &e), &e);
		assert_true(b);
		assert_ok(json_opt_array(o, "", absent[i], 1, &v, &e), &e);
		assert_null(v);
		v = o;
		assert_ok(json_opt_object(o, "", absent[i], &v, &e), &e);
		assert_null(v);
	}
	const char *s;
	json_t *v;
	assert_int_equal(json_opt_string(o, "", "n", &s, &e), -ERR_INTEGRITY);
	err_clear(&e);
	assert_int_equal(json_opt_array(o, "", "n", 1, &v, &e), -ERR_INTEGRITY);
	err_clear(&e);
	assert_int_equal(json_opt_object(o, "", "n", &v, &e), -ERR_INTEGRITY);
	json_decref(o);
}

static void access_to_what_is_no_object_is_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	uint64_t n;
	json_t *a = parsed("[1]");
	assert_int_equal(json_get_u64(a, "x", "n", &n, &e), -ERR_INTEGRITY);
	json_decref(a);
}

static void setters_build_and_skip(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	json_t *o = json_object(), *a = json_array();
	json_put_string(o, "s", "x");
	json_put_string(o, "skipped", NULL);
	json_put(o, "skipped", NULL);
	json_put_u64(o, "n", 5);
	json_put_bool(o, "b", false);
	json_put_hex(o, "h", "\x01\xab", 2);
	json_push(a, json_null());
	json_put(o, "a", a);
	struct buf b = BUF_INIT(1000);
	assert_ok(json_compact(o, &b, &e), &e);
	assert_string_equal(buf_str(&b),
			    "{\"s\":\"x\",\"n\":5,\"b\":false,\"h\":\"01ab\",\"a\":[null]}");
	buf_release(&b);
	json_decref(o);
}

static void expect_lossy(const char *in, size_t len, const char *want)
{
	json_t *s = json_string_lossy(in, len);
	assert_string_equal(json_string_value(s), want);
	assert_int_equal(json_string_length(s), strlen(want));
	json_decref(s);
}

#define FFFD "\xef\xbf\xbd"

static void foreign_bytes_become_a_string(void **state)
{
	(void)state;
	expect_lossy("plain \xc3\xa4", 8, "plain \xc3\xa4");
	expect_lossy("a\xff"
		     "b",
		     3, "a" FFFD "b");
	expect_lossy("\xf0\x9f\x98\x80\xff\xe2\x82\xac", 8, "\xf0\x9f\x98\x80" FFFD "\xe2\x82\xac");
	expect_lossy("\xc3", 1, FFFD);
	expect_lossy("a\0b", 3, "a" FFFD "b");
	expect_lossy("\xff\0\0c", 4, FFFD FFFD FFFD "c");
	expect_lossy("", 0, "");
	CLEANUP(mem_free_ptr) char *bad = mem_alloc(10000);
	memset(bad, 0xff, 10000);
	json_t *s = json_string_lossy(bad, 10000);
	assert_int_equal(json_string_length(s), 30000);
	json_decref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_rfc_8259_allows_is_read),
		cmocka_unit_test(another_encoding_is_refused_by_its_name),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(duplicate_keys_are_refused),
		cmocka_unit_test(nul_in_strings_is_refused),
		cmocka_unit_test(numbers_must_be_integers_of_64_bits),
		cmocka_unit_test(depth_and_size_are_capped),
		cmocka_unit_test(foreign_text_in_messages_is_escaped),
		cmocka_unit_test(files_are_read_and_written),
		cmocka_unit_test(canonical_form_is_that_of_olpc),
		cmocka_unit_test(canonical_form_has_no_fractions_and_a_ceiling),
		cmocka_unit_test(pretty_keeps_the_order),
		cmocka_unit_test(rows_have_a_line_for_each_entry),
		cmocka_unit_test(members_have_the_type_that_is_asked),
		cmocka_unit_test(optional_members_have_defaults),
		cmocka_unit_test(access_to_what_is_no_object_is_an_error),
		cmocka_unit_test(setters_build_and_skip),
		cmocka_unit_test(foreign_bytes_become_a_string),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
