#include "util/base64.h"
#include "util/mem.h"

#include "unit.h"

#include <string.h>

static void any_length_comes_back(void **state)
{
	(void)state;
	static const size_t lengths[] = { 0, 1, 2, 3, 766, 767, 768, 769, 770, 1536, 5000 };
	CLEANUP(mem_free_ptr) unsigned char *data = mem_alloc(5000);
	for (size_t i = 0; i < 5000; i++)
		data[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buf_release) struct buf text = BUF_INIT(8 * KIB);
		CLEANUP(buf_release) struct buf again = BUF_INIT(5000);
		base64_add(&text, data, lengths[i]);
		assert_true(base64_decode_all(&again, buf_str(&text), text.len));
		assert_int_equal(again.len, lengths[i]);
		assert_memory_equal(buf_str(&again), data, lengths[i]);
	}
}

static void other_texts_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "a",    "ab",     "abc",  "ab==x", "a===",        "====",
					   "a b=", "YWJj\n", "YW=j", "YWK=",  "YWJjYW=jYWJj" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEANUP(buf_release) struct buf out = BUF_INIT(KIB);
		if (base64_decode_all(&out, bad[i], strlen(bad[i])))
			fail_msg("'%s'", bad[i]);
	}
}

static void a_full_buffer_refuses(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(2);
	assert_false(base64_decode_all(&out, "YWJj", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_length_comes_back),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(a_full_buffer_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
