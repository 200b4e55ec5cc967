#include "cli/frame/cli.h"

#include "unit.h"
#include "util/mem.h"

#include <locale.h>
#include <stdio.h>

static const struct json_limits limits = { .max_bytes = 10000 };

static json_t *parsed(const char *text)
{
	struct err e = ERR_INIT;
	json_t *value = NULL;
	assert_ok(json_parse(text, strlen(text), &limits, "x", &value, &e), &e);
	return value;
}

/* A cli that prints into memory. */
struct page {
	struct cli cli;
	char *text;
	size_t len;
};

static void page_open(struct page *p, bool json)
{
	*p = (struct page){ .cli = { .name = "catalog add", .json = json } };
	p->cli.out = open_memstream(&p->text, &p->len);
	assert_non_null(p->cli.out);
}

static void give(struct page *p, struct err *e, int wanted)
{
	CLEANUP(json_release) json_t *document = cli_document(&p->cli);
	assert_int_equal(cli_result(&p->cli, document, e), wanted);
}

static void page_is(struct page *p, const char *wanted)
{
	fclose(p->cli.out);
	assert_string_equal(p->text, wanted);
	free(p->text);
}

/* ---- templates ---- */

static void filled(const char *document, const char *template, const char *wanted)
{
	CLEANUP(json_release) json_t *object = parsed(document);
	CLEANUP(mem_free_ptr) char *text = cli_fill(object, template);
	assert_string_equal(text, wanted);
}

static void members_stand_where_the_template_says(void **state)
{
	(void)state;
	filled("{\"a\":\"x\",\"n\":12}", "{a}: {n} {a}", "x: 12 x");
	filled("{\"error\":{\"message\":\"no\"}}", "{error.message}", "no");
	filled("{\"n\":9223372036854775807}", "{n}", "9223372036854775807");
	filled("{}", "no members", "no members");
	filled("{}", "open { stays", "open { stays");
}

static void a_missing_member_is_nothing_or_a_word(void **state)
{
	(void)state;
	filled("{}", "<{a}{a.b}{n:size}>", "<>");
	filled("{\"a\":\"\",\"b\":null}", "{a|-} {b|-} {c|none}", "- - none");
	filled("{\"a\":\"x\"}", "{a|-} {a.b|-}", "x -");
	filled("{\"n\":0}", "{n|-} {n:size|-}", "0 0 B");
}

static void numbers_are_rounded_only_for_people(void **state)
{
	(void)state;
	filled("{\"n\":1503238553}", "{n} {n:size}", "1503238553 1.4 GiB");
	filled("{\"id\":\"0123456789abcdef0123\"}", "{id:short} {id}",
	       "0123456789abcdef 0123456789abcdef0123");
	filled("{\"a\":0,\"b\":1,\"c\":2}", "{a#file}, {b#file}, {c#file}",
	       "0 files, 1 file, 2 files");
}

static void arrays_are_counted_and_joined(void **state)
{
	(void)state;
	filled("{\"a\":[],\"b\":[1],\"c\":[1,2]}", "{a} {b#model} {c#model} {a?some:none}",
	       "0 1 model 2 models none");
	CLEANUP(json_release) json_t *ids = parsed("[\"x\",\"y\"]");
	CLEANUP(json_release) json_t *objects = parsed("[{\"a\":1},{\"a\":2,\"b\":true}]");
	CLEANUP(mem_free_ptr) char *list = cli_join(ids, "{}", ", ");
	CLEANUP(mem_free_ptr) char *stars = cli_join(objects, "{a}{b?*:}", " ");
	CLEANUP(mem_free_ptr) char *nothing = cli_join(NULL, "{}", ", ");
	assert_string_equal(list, "x, y");
	assert_string_equal(stars, "1 2*");
	assert_string_equal(nothing, "");
}

static void a_member_can_be_filled_up(void **state)
{
	(void)state;
	filled("{\"a\":\"ok\",\"b\":\"damaged\"}", "{a:7}|{b:7}|{c:2}|{b:3}|",
	       "ok     |damaged|  |damaged|");
}

static void one_of_two_words_is_chosen(void **state)
{
	(void)state;
	static const char template[] = "{a?yes:no}{a? (a):}";
	filled("{\"a\":true}", template, "yes (a)");
	filled("{\"a\":\"x\"}", template, "yes (a)");
	filled("{\"a\":1}", template, "yes (a)");
	filled("{\"a\":false}", template, "no");
	filled("{\"a\":0}", template, "no");
	filled("{\"a\":\"\"}", template, "no");
	filled("{}", template, "no");
	filled("{}", "{a?yes:no: it is not}", "no: it is not");
}

/* ---- lines ---- */

static void foreign_bytes_do_not_reach_a_terminal(void **state)
{
	(void)state;
	struct page p;
	CLEANUP(json_release) json_t *object = parsed("{\"a\":\"red \\u001b[31m\"}");
	page_open(&p, false);
	cli_say(&p.cli, object, "{a}");
	cli_line(&p.cli, "%s%d", "\t", 7);
	cli_raw(&p.cli, "-----BEGIN\n");
	page_is(&p, "red \\x1b[31m\n\\x097\n-----BEGIN\n");
}

static void with_json_only_the_document_is_printed(void **state)
{
	(void)state;
	static const struct cli_column columns[] = { { "A", "{a}", NULL } };
	struct err e = ERR_INIT;
	struct page p;
	CLEANUP(json_release) json_t *rows = parsed("[{\"a\":\"x\"}]");
	page_open(&p, true);
	cli_say(&p.cli, rows, "said");
	cli_line(&p.cli, "said");
	cli_raw(&p.cli, "said");
	cli_table(&p.cli, rows, columns, ARRAY_LEN(columns));
	assert_false(p.cli.answered);
	give(&p, &e, 0);
	assert_true(p.cli.answered);
	page_is(&p, "{\n  \"command\": \"catalog add\"\n}\n");
}

static void without_json_no_document_is_printed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct page p;
	page_open(&p, false);
	give(&p, &e, 0);
	assert_false(p.cli.answered);
	page_is(&p, "");
}

static void a_failure_is_part_of_the_document(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct page p;
	page_open(&p, true);
	err_set(&e, ERR_NETWORK, "nobody answers");
	err_hint(&e, "try later");
	give(&p, &e, -ERR_NETWORK);
	page_is(&p, "{\n  \"command\": \"catalog add\",\n  \"error\": {\n"
		    "    \"class\": \"network\",\n    \"exit\": 4,\n"
		    "    \"message\": \"nobody answers\",\n    \"hint\": \"try later\"\n  }\n}\n");
}

/* ---- tables ---- */

static char *cell_of_two(const json_t *row)
{
	return cli_fill(row, "{a}+{n}");
}

static void columns_are_aligned_and_cells_escaped(void **state)
{
	(void)state;
	static const struct cli_column columns[] = {
		{ "A", "{a}", NULL },
		{ ">SIZE", "{n:size}", NULL },
		{ "BOTH", NULL, cell_of_two },
	};
	struct page p;
	CLEANUP(json_release) json_t *rows = parsed(
		"[{\"a\":\"long name\",\"n\":1},{\"a\":\"\\u00e4\\u001b\",\"n\":104857600}]");
	page_open(&p, false);
	cli_table(&p.cli, rows, columns, ARRAY_LEN(columns));
	page_is(&p, "long name      1 B  long name+1\nä\\x1b      100 MiB  ä\\x1b+104857600\n");
}

static void a_table_without_rows_is_nothing(void **state)
{
	(void)state;
	static const struct cli_column columns[] = { { "A", "{a}", NULL } };
	struct page p;
	CLEANUP(json_release) json_t *rows = json_array();
	page_open(&p, false);
	cli_table(&p.cli, rows, columns, ARRAY_LEN(columns));
	page_is(&p, "");
}

static void lists_within_lists_become_rows(void **state)
{
	(void)state;
	static const struct cli_column columns[] = { { "WHERE", "{at}", NULL },
						     { "WHAT", "{a}", NULL } };
	struct page p;
	CLEANUP(json_release) json_t *objects =
		parsed("[{\"id\":\"x\",\"l\":[{\"a\":1},{\"a\":2}]},{\"id\":\"y\",\"l\":[]},"
		       "{\"id\":\"z\",\"l\":[{\"a\":3}]}]");
	CLEANUP(json_release) json_t *rows = cli_rows(objects, "l", "id", "at");
	page_open(&p, false);
	cli_table(&p.cli, rows, columns, ARRAY_LEN(columns));
	page_is(&p, "x  1\nx  2\nz  3\n");
}

static void assert_wrapped(const char *text, size_t width, size_t indent, const char *wanted)
{
	CLEANUP(mem_free_ptr) char *lines = cli_wrap(text, width, indent);
	assert_string_equal(lines, wanted);
}

static void a_sentence_is_broken_between_its_words(void **state)
{
	(void)state;
	assert_wrapped("one two three four", 9, 2, "one two\n  three\n  four");
	assert_wrapped("  one two three", 9, 4, "  one two\n    three");
	assert_wrapped("one two", 7, 2, "one two");
	assert_wrapped("one two three", 0, 2, "one two three");
	assert_wrapped("one two three", 4, 2, "one two three"); /* too narrow for that */
	assert_wrapped("a averylongword b", 8, 2, "a\n  averylongword\n  b");
	assert_wrapped("", 8, 2, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_stand_where_the_template_says),
		cmocka_unit_test(a_missing_member_is_nothing_or_a_word),
		cmocka_unit_test(numbers_are_rounded_only_for_people),
		cmocka_unit_test(arrays_are_counted_and_joined),
		cmocka_unit_test(a_member_can_be_filled_up),
		cmocka_unit_test(one_of_two_words_is_chosen),
		cmocka_unit_test(foreign_bytes_do_not_reach_a_terminal),
		cmocka_unit_test(with_json_only_the_document_is_printed),
		cmocka_unit_test(without_json_no_document_is_printed),
		cmocka_unit_test(a_failure_is_part_of_the_document),
		cmocka_unit_test(columns_are_aligned_and_cells_escaped),
		cmocka_unit_test(a_sentence_is_broken_between_its_words),
		cmocka_unit_test(a_table_without_rows_is_nothing),
		cmocka_unit_test(lists_within_lists_become_rows),
	};
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
