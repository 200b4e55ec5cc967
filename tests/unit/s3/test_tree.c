#include "s3/tree.h"

#include "unit.h"
#include "util/buf.h"

static struct s3_tree *parse(const char *text)
{
	struct err e = ERR_INIT;
	struct s3_tree *t = NULL;
	assert_ok(s3_tree_parse(text, strlen(text), &t, &e), &e);
	return t;
}

static bool equal(const char *a, const char *b)
{
	CLEANUP_PTR(s3_tree_free) struct s3_tree *x = parse(a);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *y = parse(b);
	assert_int_equal(s3_tree_equal(x, y), s3_tree_equal(y, x));
	return s3_tree_equal(x, y);
}

static void what_was_read_is_written_with_its_characters_escaped(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(KIB);
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<?xml version='1.0'?>\n<A xmlns='urn:x'><B>1 &lt; 2 &amp; 3</B>\n "
		      "<C><D/></C></A>");
	s3_tree_write(&out, t);
	assert_string_equal(buf_str(&out), "<A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
					   "<B>1 &lt; 2 &amp; 3</B><C><D></D></C></A>");
	CLEANUP_PTR(s3_tree_free) struct s3_tree *again = parse(buf_str(&out));
	assert_true(s3_tree_equal(t, again));
}

static void elements_keep_their_places(void **state)
{
	(void)state;
	CLEANUP_PTR(s3_tree_free) struct s3_tree *t =
		parse("<A><B><C>1</C><C>2</C></B><B><C>3</C></B><D>4</D></A>");
	assert_int_equal(t->count, 3);
	assert_int_equal(t->children[0]->count, 2);
	assert_string_equal(t->children[0]->children[1]->text, "2");
	assert_string_equal(s3_tree_text(t->children[1], "C"), "3");
	assert_string_equal(s3_tree_text(t, "D"), "4");
	assert_null(s3_tree_text(t, "E"));
	assert_null(s3_tree_child(NULL, "E"));
}

static void order_and_blanks_and_empty_elements_make_no_difference(void **state)
{
	(void)state;
	assert_true(equal("<A><B>1</B><C>2</C></A>", "<A>\n<C> 2 </C>\n<B>1</B></A>"));
	assert_true(equal("<A><B>1</B></A>", "<A><B>1</B><Prefix/></A>"));
	assert_true(equal("<A><F><P></P></F></A>", "<A/>"));
	assert_false(equal("<A><B>1</B></A>", "<A><B>2</B></A>"));
	assert_false(equal("<A><B>1</B></A>", "<A><B>1</B><B>1</B></A>"));
	assert_false(equal("<A><B>1</B><B>1</B><B>2</B></A>", "<A><B>1</B><B>2</B><B>2</B></A>"));
	assert_false(equal("<A><B>1</B></A>", "<A><C>1</C></A>"));
	assert_false(equal("<A/>", "<B/>"));
}

static void what_is_no_xml_is_refused(void **state)
{
	static const char *const texts[] = { "",        "x",        "<A>",
					     "<A></B>", "<A/><B/>", "<!DOCTYPE a><A/>" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err e = ERR_INIT;
		struct s3_tree *t = NULL;
		assert_int_equal(s3_tree_parse(texts[i], strlen(texts[i]), &t, &e), -ERR_INTEGRITY);
		assert_null(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_written_with_its_characters_escaped),
		cmocka_unit_test(elements_keep_their_places),
		cmocka_unit_test(order_and_blanks_and_empty_elements_make_no_difference),
		cmocka_unit_test(what_is_no_xml_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
