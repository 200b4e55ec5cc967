#include "util/encoding.h"

#include "unit.h"

#define BYTES(text) text, sizeof(text) - 1

static void becomes(const char *data, size_t len, const char *want, size_t want_len)
{
	struct buf in_place = BUF_INIT(len), out = BUF_INIT(1000);
	encoding_add_utf8(&out, data, len);
	assert_int_equal(out.len, want_len);
	assert_memory_equal(buf_str(&out), want, want_len);
	buf_add(&in_place, data, len);
	encoding_to_utf8(&in_place);
	assert_int_equal(in_place.len, want_len);
	assert_memory_equal(buf_str(&in_place), want, want_len);
	buf_release(&in_place);
	buf_release(&out);
}

static void plain_text_is_copied(void **state)
{
	(void)state;
	becomes(BYTES(""), BYTES(""));
	becomes(BYTES("a"), BYTES("a"));
	becomes(BYTES("\0"), BYTES("\0"));
	becomes(BYTES("\xc3\xa4\r\n"), BYTES("\xc3\xa4\r\n"));
	becomes(BYTES("\xff\xc3 not UTF-8"), BYTES("\xff\xc3 not UTF-8"));
	becomes(BYTES("abc\0"), BYTES("abc\0"));
}

static void the_mark_in_front_is_dropped(void **state)
{
	(void)state;
	becomes(BYTES("\xef\xbb\xbf"), BYTES(""));
	becomes(BYTES("\xef\xbb\xbf"
		      "a"),
		BYTES("a"));
	becomes(BYTES("\xef\xbb"), BYTES("\xef\xbb"));
	becomes(BYTES("a\xef\xbb\xbf"), BYTES("a\xef\xbb\xbf"));
}

static void utf_16_of_both_kinds_is_read(void **state)
{
	(void)state;
	becomes(BYTES("\xff\xfe"), BYTES(""));
	becomes(BYTES("\xff\xfe"
		      "a\0\xe4\0\xac\x20=\xd8\0\xde"),
		BYTES("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
	becomes(BYTES("\xfe\xff\0a\0\xe4\x20\xac\xd8=\xde\0"),
		BYTES("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
	becomes(BYTES("{\0}\0"), BYTES("{}"));
	becomes(BYTES("\0{\0}"), BYTES("{}"));
}

static void half_a_character_is_replaced(void **state)
{
	(void)state;
	becomes(BYTES("\xff\xfe=\xd8"), BYTES("\xef\xbf\xbd"));
	becomes(BYTES("\xff\xfe\0\xde"
		      "a\0"),
		BYTES("\xef\xbf\xbd"
		      "a"));
	becomes(BYTES("\xff\xfe=\xd8"
		      "a\0"),
		BYTES("\xef\xbf\xbd"
		      "a"));
	becomes(BYTES("\xff\xfe"
		      "a\0b"),
		BYTES("a\xef\xbf\xbd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_is_copied),
		cmocka_unit_test(the_mark_in_front_is_dropped),
		cmocka_unit_test(utf_16_of_both_kinds_is_read),
		cmocka_unit_test(half_a_character_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
