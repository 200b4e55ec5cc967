#include "util/text.h"

#include "unit.h"
#include "util/mem.h"

static void prefixes_suffixes_and_case(void **state)
{
	(void)state;
	assert_true(str_starts("model.gguf", "model"));
	assert_true(str_starts("x", ""));
	assert_false(str_starts("mo", "model"));
	assert_true(str_ends("model.gguf", ".gguf"));
	assert_true(str_ends("x", ""));
	assert_false(str_ends("gguf", ".gguf"));
	assert_true(str_eq_nocase("GGUF", "gguf"));
	assert_false(str_eq_nocase("GGUF", "ggu"));
}

static void lists_split_and_grow(void **state)
{
	(void)state;
	struct str_list l = { 0 };
	str_list_split(&l, "  a, b,,c ", " ,");
	assert_int_equal(l.count, 3);
	assert_string_equal(l.at[0], "a");
	assert_string_equal(l.at[2], "c");
	assert_true(str_list_has(&l, "b"));
	assert_false(str_list_has(&l, "d"));
	for (int i = 0; i < 100; i++)
		str_list_take(&l, mem_printf("%d", i));
	assert_int_equal(l.count, 103);
	assert_string_equal(l.at[102], "99");
	str_list_release(&l);
	str_list_split(&l, "", " ");
	assert_int_equal(l.count, 0);
	str_list_release(&l);
}

static void hex_both_ways(void **state)
{
	(void)state;
	char text[9];
	uint8_t data[4] = { 0 };
	hex_encode(text, "\x00\xff\x1a\xa1", 4);
	assert_string_equal(text, "00ff1aa1");
	assert_true(hex_decode(data, 4, "00ff1aa1", false));
	assert_memory_equal(data, "\x00\xff\x1a\xa1", 4);
	assert_false(hex_decode(data, 4, "00FF1AA1", false));
	assert_true(hex_decode(data, 4, "00FF1AA1", true));
	assert_false(hex_decode(data, 4, "00ff1aa", true));
	assert_false(hex_decode(data, 4, "00ff1aa10", true));
	assert_false(hex_decode(data, 4, "00ff1aag", true));
	assert_false(hex_decode(data, 4, " 0ff1aa1", true));
	/* A failure leaves the output alone. */
	memset(data, 7, 4);
	assert_false(hex_decode(data, 4, "00ff1aax", false));
	assert_memory_equal(data, "\7\7\7\7", 4);
	assert_true(hex_decode(data, 0, "", false));
}

static void utf8_is_that_of_rfc_3629(void **state)
{
	(void)state;
	static const char *const good[] = { "",
					    "a",
					    "\xc2\x80",
					    "\xdf\xbf",
					    "\xe0\xa0\x80",
					    "\xed\x9f\xbf",
					    "\xee\x80\x80",
					    "\xef\xbf\xbf",
					    "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf",
					    "a\xc3\xa4z" };
	static const char *const bad[] = { "\x80",
					   "\xbf",
					   "\xc0\x80",
					   "\xc1\xbf",
					   "\xc2",
					   "\xc2z",
					   "\xe0\x9f\xbf",
					   "\xe0\xa0",
					   "\xed\xa0\x80",
					   "\xed\xbf\xbf",
					   "\xf0\x8f\xbf\xbf",
					   "\xf4\x90\x80\x80",
					   "\xf5\x80\x80\x80",
					   "\xf8\x88\x80\x80\x80",
					   "\xff",
					   "\xfe",
					   "a\xc3",
					   "\xe2\x82" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_true(utf8_valid("a\0b", 3));
	/* A sequence cut by the length is invalid, whatever follows in memory. */
	assert_false(utf8_valid("\xc3\xa4", 1));
}

static void numbers_are_digits_and_fit(void **state)
{
	(void)state;
	uint64_t v = 7;
	assert_true(parse_u64("0", &v));
	assert_int_equal(v, 0);
	assert_true(parse_u64("007", &v));
	assert_int_equal(v, 7);
	assert_true(parse_u64("18446744073709551615", &v));
	assert_true(v == UINT64_MAX);
	static const char *const bad[] = { "",
					   "-1",
					   "+1",
					   " 1",
					   "1 ",
					   "1.0",
					   "0x1",
					   "1e3",
					   "18446744073709551616",
					   "99999999999999999999" };
	v = 7;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(parse_u64(bad[i], &v));
	assert_int_equal(v, 7);
}

static void sizes_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "10", 10 },
		{ "10b", 10 },
		{ "10B", 10 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "64KiB", 65536 },
		{ "64kib", 65536 },
		{ "64kB", 64000 },
		{ "64KB", 64000 },
		{ "1 MiB", MIB },
		{ "1GB", 1000000000 },
		{ "1G", GIB },
		{ "1.5G", GIB + GIB / 2 },
		{ "1.5GiB", GIB + GIB / 2 },
		{ "1.5GB", 1500000000 },
		{ "0.5K", 512 },
		{ "2T", 2048 * GIB },
		{ "1P", 1048576 * GIB },
		{ "1.25K", 1280 },
		{ "1.0005M", MIB },
		{ "0.001kB", 1 },
		{ "1.125K", 1152 },
		{ "18446744073709551", 18446744073709551u },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		uint64_t v;
		assert_true(parse_size(good[i].text, &v));
		assert_int_equal(v, good[i].bytes);
	}
	static const char *const bad[] = { "",     "K",     "-1",        "1X",
					   "1KK",  "1KiBx", "1.K",       ".5K",
					   "1,5K", "0x10",  "99999999P", "99999999999999999999",
					   "1i",   "1ib",   "1 ",        "1 K " };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint64_t v = 7;
		if (parse_size(bad[i], &v))
			fail_msg("'%s' was taken for %llu", bad[i], (unsigned long long)v);
		assert_int_equal(v, 7);
	}
}

static void durations_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t s;
	} good[] = {
		{ "0", 0 },        { "90", 90 },       { "90s", 90 },     { "15m", 900 },
		{ "36h", 129600 }, { "30d", 2592000 }, { "2w", 1209600 }, { "1y", 31536000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		uint64_t v;
		assert_true(parse_duration(good[i].text, &v));
		assert_int_equal(v, good[i].s);
	}
	static const char *const bad[] = { "",
					   "m",
					   "1.5h",
					   "1.0001h",
					   "-1s",
					   "1mo",
					   "1 h",
					   "1H",
					   "18446744073709551615y",
					   "999999999999y" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint64_t v = 7;
		if (parse_duration(bad[i], &v))
			fail_msg("'%s' was taken for %llu", bad[i], (unsigned long long)v);
	}
}

static void yes_and_no(void **state)
{
	(void)state;
	bool b = false;
	assert_true(parse_bool("Yes", &b) && b);
	assert_true(parse_bool("off", &b) && !b);
	assert_true(parse_bool("1", &b) && b);
	assert_true(parse_bool("FALSE", &b) && !b);
	assert_false(parse_bool("", &b));
	assert_false(parse_bool("2", &b));
	assert_false(parse_bool("y", &b));
}

static void times_are_exact(void **state)
{
	(void)state;
	int64_t t;
	char text[TIME_TEXT];
	assert_true(parse_time("1970-01-01T00:00:00Z", &t));
	assert_int_equal(t, 0);
	assert_true(parse_time("2026-01-02T03:04:05Z", &t));
	assert_int_equal(t, 1767323045);
	format_time(text, t);
	assert_string_equal(text, "2026-01-02T03:04:05Z");
	assert_true(parse_time("2024-02-29T00:00:00Z", &t));
	assert_true(parse_time("2000-02-29T00:00:00Z", &t));
	assert_true(parse_time("9999-12-31T23:59:59Z", &t));
	assert_int_equal(t, 253402300799);
	static const char *const bad[] = {
		"",
		"2026-01-02",
		"2026-01-02T03:04:05",
		"2026-01-02T03:04:05+00:00",
		"2026-01-02 03:04:05Z",
		"2026-13-02T03:04:05Z",
		"2026-00-02T03:04:05Z",
		"2026-02-29T03:04:05Z",
		"1900-02-29T03:04:05Z",
		"2026-04-31T03:04:05Z",
		"2026-01-00T03:04:05Z",
		"2026-01-02T24:04:05Z",
		"2026-01-02T03:60:05Z",
		"2026-01-02T03:04:61Z",
		"2026-01-02T03:04:5Z",
		"2026-01-02t03:04:05z",
		"2026-01-02T03:04:05.5Z",
		"-026-01-02T03:04:05Z",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(parse_time(bad[i], &t));
	format_time(text, -5);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	format_time(text, INT64_MAX);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void sizes_for_people(void **state)
{
	(void)state;
	char t[SIZE_TEXT];
	assert_string_equal(format_size(t, 0), "0 B");
	assert_string_equal(format_size(t, 1023), "1023 B");
	assert_string_equal(format_size(t, 1024), "1.0 KiB");
	assert_string_equal(format_size(t, 1536), "1.5 KiB");
	assert_string_equal(format_size(t, 99 * 1024 + 1000), "100 KiB");
	assert_string_equal(format_size(t, 2 * GIB), "2.0 GiB");
	assert_string_equal(format_size(t, UINT64_MAX), "16.0 EiB");
	/* Never "1024 KiB". */
	assert_string_equal(format_size(t, MIB - 1), "1.0 MiB");
	assert_string_equal(format_size(t, GIB - 1), "1.0 GiB");
}

static void durations_for_people(void **state)
{
	(void)state;
	char t[DURATION_TEXT];
	assert_string_equal(format_duration(t, 0), "0s");
	assert_string_equal(format_duration(t, 59), "59s");
	assert_string_equal(format_duration(t, 61), "1m 01s");
	assert_string_equal(format_duration(t, 7380), "2h 03m");
	assert_string_equal(format_duration(t, 90000), "1d 01h");
	assert_string_equal(format_duration(t, UINT64_MAX), "9999d 00h");
}

static void expect_escaped(const char *in, const char *want)
{
	CLEANUP(mem_free_ptr) char *got = text_escaped(in);
	assert_string_equal(got, want);
}

static void json_says_the_same_without_what_a_terminal_would_obey(void **state)
{
	(void)state;
	static const char json[] = "{\n  \"a\": \"\xc3\xa4\xe2\x80\xae\xc2\x9b\x7f\"\n}\n";
	CLEANUP(buf_release) struct buf out = BUF_INIT(1000);
	text_escape_json(&out, json, strlen(json));
	assert_string_equal(buf_str(&out), "{\n  \"a\": \"\xc3\xa4\\u202e\\u009b\\u007f\"\n}\n");
}

static void what_a_terminal_would_obey_is_escaped(void **state)
{
	(void)state;
	expect_escaped("plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		       "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
	expect_escaped("a\x1b[31mb\n\t\r\x7f", "a\\x1b[31mb\\x0a\\x09\\x0d\\x7f");
	expect_escaped("\xff\xc3", "\\xff\\xc3");
	expect_escaped("\xc2\x9b"
		       "1m",
		       "\\u{9b}1m");                 /* C1 control: CSI */
	expect_escaped("\xe2\x80\xae", "\\u{202e}"); /* right-to-left override */
	expect_escaped("\xe2\x81\xa6\xe2\x81\xa9", "\\u{2066}\\u{2069}");
	expect_escaped("\xe2\x80\x8b\xef\xbb\xbf", "\\u{200b}\\u{feff}");
	expect_escaped("", "");
	struct buf b = BUF_INIT(100);
	text_escape(&b, "a\0b", 3);
	assert_string_equal(buf_str(&b), "a\\x00b");
	buf_release(&b);
}

static void typos_find_their_neighbour(void **state)
{
	(void)state;
	static const char *const names[] = { "fetch",
					     "list",
					     "show",
					     "store",
					     "run",
					     ("a-name-that-is-far-longer-than-sixty-four-"
					      "characters-so-that-nobody-compares-it") };
	size_t n = ARRAY_LEN(names);
	assert_string_equal(text_nearest("fecth", names, n), "fetch");
	assert_string_equal(text_nearest("fetc", names, n), "fetch");
	assert_string_equal(text_nearest("shwo", names, n), "show");
	assert_string_equal(text_nearest("stores", names, n), "store");
	assert_string_equal(text_nearest("soter", names, n), "store");
	assert_string_equal(text_nearest("st", names, n), "store");
	assert_null(text_nearest("prepare", names, n));
	assert_null(text_nearest("x", names, 0));
	static const char *const models[] = { "phi-2", "q4_k_m", "llama-3.2-1b", "dry-run" };
	n = ARRAY_LEN(models);
	assert_string_equal(text_nearest("ph2", models, n), "phi-2");
	assert_string_equal(text_nearest("Q4KM", models, n), "q4_k_m");
	assert_string_equal(text_nearest("llama3", models, n), "llama-3.2-1b");
	assert_string_equal(text_nearest("dryrun", models, n), "dry-run");
	n = ARRAY_LEN(names);
	CLEANUP(mem_free_ptr) char *large = mem_alloc(1001);
	memset(large, 'f', 1000);
	assert_null(text_nearest(large, names, n));
}

static void the_hint_names_the_nearest_else_what_helps(void **state)
{
	(void)state;
	static const char *const names[] = { "fetch", "list" };
	static const struct {
		const char *word, *otherwise, *hint;
	} cases[] = { { "fecth", "see the list", "did you mean 'fetch'?" },
		      { "prepare", "see the list", "see the list" },
		      { "prepare", NULL, "" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOT_FOUND, "there is no such name");
		assert_int_equal(text_hint_nearest(cases[i].word, names, ARRAY_LEN(names),
						   cases[i].otherwise, &e),
				 -ERR_NOT_FOUND);
		assert_string_equal(e.hint, cases[i].hint);
	}
}

static void another_short_word_is_no_typo(void **state)
{
	(void)state;
	static const char *const names[] = { "init", "push", "help", "quiet", "list", "role" };
	static const char *const words[] = { "edit", "pull", "keep", "quant", "tsit", "file" };
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		assert_null(text_nearest(words[i], names, ARRAY_LEN(names)));
}

static void a_shell_reads_one_word(void **state)
{
	(void)state;
	static const char *const words[][2] = {
		{ "https://a.example/x_y-z.json", "https://a.example/x_y-z.json" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "it's", "'it'\\''s'" },
		{ "$(rm -r /)", "'$(rm -r /)'" },
		{ "https://a/?x=1&y=2", "'https://a/?x=1&y=2'" },
		{ "~/x", "'~/x'" },
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		CLEANUP(mem_free_ptr) char *got = text_shell_quoted(words[i][0]);
		assert_string_equal(got, words[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_suffixes_and_case),
		cmocka_unit_test(lists_split_and_grow),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(utf8_is_that_of_rfc_3629),
		cmocka_unit_test(numbers_are_digits_and_fit),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(yes_and_no),
		cmocka_unit_test(times_are_exact),
		cmocka_unit_test(sizes_for_people),
		cmocka_unit_test(durations_for_people),
		cmocka_unit_test(json_says_the_same_without_what_a_terminal_would_obey),
		cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
		cmocka_unit_test(a_shell_reads_one_word),
		cmocka_unit_test(typos_find_their_neighbour),
		cmocka_unit_test(another_short_word_is_no_typo),
		cmocka_unit_test(the_hint_names_the_nearest_else_what_helps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
