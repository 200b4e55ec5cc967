#include "settings/conf.h"

#include "unit.h"

static int parse(const char *text, struct conf *c, struct err *e)
{
	return conf_parse(text, strlen(text), "some/ferry.conf", c, e);
}

static void refused(const char *text, const char *message)
{
	struct err e = ERR_INIT;
	struct conf c = { 0 };
	assert_int_equal(parse(text, &c, &e), -ERR_USAGE);
	if (!strstr(e.text, message))
		fail_msg("'%s' lacks '%s'", e.text, message);
}

static void sections_and_values_are_found(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(conf_release) struct conf c = { 0 };
	assert_ok(parse("# a comment\n[mirror.eu]\nkind = file\npath = data\n"
			"[mirror.us]\nkind=http\n[publish]\nquorum = 2\n",
			&c, &e),
		  &e);
	assert_string_equal(conf_get(conf_find(&c, "mirror", "us"), "kind"), "http");
	assert_string_equal(conf_nth(&c, "mirror", 0)->name, "eu");
	assert_null(conf_nth(&c, "mirror", 2));
	assert_null(conf_get(NULL, "kind"));
	uint64_t quorum = 0;
	assert_ok(conf_get_u64(&c, conf_find(&c, "publish", ""), "quorum", &quorum, &e), &e);
	assert_int_equal(quorum, 2);
	char *path = conf_get_path(&c, conf_find(&c, "mirror", "eu"), "path");
	assert_string_equal(path, "some/data");
	free(path);
}

static void indented_lines_continue_a_value(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(str_list_release) struct str_list words = { 0 };
	assert_ok(parse("[repository.demo]\nmetadata = https://a/ https://b/\n\thttps://c/\n", &c,
			&e),
		  &e);
	conf_get_words(conf_nth(&c, "repository", 0), "metadata", &words);
	assert_int_equal(words.count, 3);
	assert_string_equal(words.at[2], "https://c/");
}

/* inih itself takes 199 bytes a line. */
static void long_lines_are_whole(void **state)
{
	(void)state;
	for (size_t n = 100; n < 3000; n += 37) {
		struct err e = ERR_INIT;
		CLEANUP(conf_release) struct conf c = { 0 };
		CLEANUP(buf_release) struct buf text = BUF_INIT(8 * KIB), url = BUF_INIT(8 * KIB);
		buf_adds(&url, "https://a/");
		while (url.len < n)
			buf_addf(&url, "%zu%s", url.len, url.len % 3 ? "/x;y#z/" : " https://b/ü/");
		buf_addf(&text, "[a]\nx = %s\n  more\ny = 1\n", url.data);
		assert_ok(conf_parse(text.data, text.len, "f", &c, &e), &e);
		buf_adds(&url, "\nmore");
		assert_string_equal(conf_get(conf_nth(&c, "a", 0), "x"), url.data);
		assert_string_equal(conf_get(conf_nth(&c, "a", 0), "y"), "1");
	}
}

static void long_comments_are_comments(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(conf_release) struct conf c = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(8 * KIB);
	buf_adds(&text, "[a]\nx = 1 ; ");
	for (int i = 0; i < 100; i++)
		buf_adds(&text, "a note, ");
	buf_adds(&text, "\n#");
	for (int i = 0; i < 100; i++)
		buf_adds(&text, "another, ");
	buf_adds(&text, "\ny = 2\n");
	assert_ok(conf_parse(text.data, text.len, "f", &c, &e), &e);
	assert_string_equal(conf_get(conf_nth(&c, "a", 0), "x"), "1");
	assert_string_equal(conf_get(conf_nth(&c, "a", 0), "y"), "2");
}

static void faults_name_file_and_line(void **state)
{
	(void)state;
	refused("[mirror.a]\nkind = file\nnonsense\n", "some/ferry.conf:3: ");
	refused("[mirror.a]\nkind = file\nkind = http\n", ":3: 'kind' is given twice");
	refused("[a]\nx = 1\n[b]\nx = 1\n[a]\ny = 2\n", "given twice");
	refused("[a]\nx = 1\n\n[mirror.A B]\n\nkind = file\n", ":4: [mirror.A B]");
	refused("[a\nx = 1\n", ":1: the ']'");
	refused("[a]\nx = 1\n  [continued\n[b\n", ":4: the ']'");
	refused("kind = file\n", ":1: this key is before");
	refused("[a]\nx = \xff\n", ":2: the line is not UTF-8");
	char text[9000] = "[a]\nx = ";
	memset(text + 8, 'y', sizeof text - 9);
	refused(text, ":2: the line is longer than 8192 bytes");
}

static void bad_values_name_what_is_wanted(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(conf_release) struct conf c = { 0 };
	assert_ok(parse("[fetch]\nlimit-rate = fast\nstal-time = 3s\n", &c, &e), &e);
	const struct conf_section *s = conf_find(&c, "fetch", "");
	uint64_t v = 7;
	assert_int_equal(conf_get_size(&c, s, "limit-rate", &v, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, ":2: limit-rate: 'fast' is not a size"));
	assert_int_equal(v, 7);
	err_clear(&e);
	static const char *const keys[] = { "limit-rate", "stall-time", NULL };
	assert_int_equal(conf_check_keys(&c, s, keys, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, "did you mean 'stall-time'?"));
	err_clear(&e);
	assert_ok(conf_check_kinds(&c, &e), &e);
}

static void a_mistyped_section_is_named(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(conf_release) struct conf c = { 0 };
	assert_ok(parse("[fetch]\n[mirrr.a]\nkind = file\n", &c, &e), &e);
	assert_int_equal(conf_check_kinds(&c, &e), -ERR_USAGE);
	assert_non_null(strstr(e.text, ":2: unknown section [mirrr]; did you mean [mirror]?"));
}

static void edited(const char *text, const char *want, int (*edit)(struct buf *, struct err *))
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	buf_adds(&b, text);
	assert_ok(edit(&b, &e), &e);
	assert_string_equal(buf_str(&b), want);
}

static int append_b(struct buf *b, struct err *e)
{
	return conf_edit_append(b, "ferry.conf", "[a.b]\nx =\n    1\n    2\n", e);
}

static int remove_b(struct buf *b, struct err *e)
{
	return conf_edit_remove(b, "ferry.conf", "a", "b", e);
}

#define B "[a.b]\nx =\n    1\n    2\n"

static void sections_are_appended(void **state)
{
	(void)state;
	edited("", B, append_b);
	edited("# only\n", "# only\n\n" B, append_b);
	edited("[c]\ny = 1", "[c]\ny = 1\n\n" B, append_b);
	edited("[c]\r\ny = 1\r\n\r\n", "[c]\r\ny = 1\r\n\r\n\n" B, append_b);
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	buf_adds(&b, B);
	assert_int_equal(append_b(&b, &e), -ERR_USAGE);
	assert_string_equal(buf_str(&b), B);
}

static void sections_are_removed(void **state)
{
	(void)state;
	edited(B, "", remove_b);
	edited("[c]\ny = 1\n\n" B, "[c]\ny = 1\n", remove_b);
	edited("[c]\ny = 1\n" B "# of d\n\n[d]\nz = 1\n", "[c]\ny = 1\n# of d\n\n[d]\nz = 1\n",
	       remove_b);
	edited("; mine\n[a.b] ; note\n# inside\n\nx = 1\r\n\n; after", "; mine\n\n; after",
	       remove_b);
	edited("[a.bb]\ny = 1\n[a.b]\nx = 1\n[a.b.c]\nz = 1\n", "[a.bb]\ny = 1\n[a.b.c]\nz = 1\n",
	       remove_b);
}

static void edits_that_would_change_more_are_refused(void **state)
{
	(void)state;
	/* An indented header right behind another one; no header of its own at all. */
	static const char *const texts[] = {
		"[a.b]\n  [c]\ny = 1\n", "[c]\ny = 1\n", "[c]\ny = 1\n  [a.b]\n", "",
		"  [a.b]\nx = 1\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
		struct err e = ERR_INIT;
		buf_adds(&b, texts[i]);
		assert_int_equal(remove_b(&b, &e), -ERR_USAGE);
		assert_non_null(strstr(e.hint, "by hand"));
		assert_string_equal(buf_str(&b), texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_values_are_found),
		cmocka_unit_test(a_mistyped_section_is_named),
		cmocka_unit_test(indented_lines_continue_a_value),
		cmocka_unit_test(long_lines_are_whole),
		cmocka_unit_test(long_comments_are_comments),
		cmocka_unit_test(faults_name_file_and_line),
		cmocka_unit_test(bad_values_name_what_is_wanted),
		cmocka_unit_test(sections_are_appended),
		cmocka_unit_test(sections_are_removed),
		cmocka_unit_test(edits_that_would_change_more_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
