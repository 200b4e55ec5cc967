#include "util/buf.h"

#include "unit.h"
#include "util/mem.h"

static void text_is_always_terminated(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "ab");
	buf_addc(&b, 'c');
	buf_addf(&b, "%d-%s", 7, "x");
	assert_string_equal(b.data, "abc7-x");
	assert_int_equal(b.len, 6);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
	buf_release(&b);
	assert_string_equal(buf_str(&b), "");
}

static void room_that_is_never_filled_is_no_text(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(1000);
	memset(buf_reserve(&b, 1), 'x', 1);
	buf_release(&b);
	assert_non_null(buf_reserve(&b, 100));
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
}

static void ceiling_holds_and_is_remembered(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(5);
	buf_adds(&b, "12345");
	assert_ok(buf_ok(&b, "x", &e), &e);
	buf_addc(&b, '6');
	buf_adds(&b, "");
	assert_string_equal(b.data, "12345");
	assert_int_equal(buf_ok(&b, "the list", &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "the list is larger than 5 bytes");
	/* Once over it, nothing is added, not even what would fit. */
	buf_clear(&b);
	buf_adds(&b, "1234567");
	buf_adds(&b, "1");
	assert_string_equal(buf_str(&b), "");
	assert_true(b.overflow);
	assert_null(buf_reserve(&b, 0));
	buf_clear(&b);
	buf_addf(&b, "%s", "123456");
	assert_true(b.overflow);
	assert_int_equal(b.max, 5);
	buf_release(&b);
}

static void lengths_that_wrap_are_refused(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(100);
	buf_adds(&b, "abc");
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_true(b.overflow);
	buf_release(&b);
	struct buf unlimited = BUF_INIT(SIZE_MAX);
	buf_adds(&unlimited, "abc");
	assert_string_equal(unlimited.data, "abc");
	buf_release(&unlimited);
}

static void grows_to_any_size_below_the_ceiling(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(100000);
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, (char)('a' + i % 26));
	assert_false(b.overflow);
	assert_int_equal(b.len, 100000);
	assert_int_equal(b.data[99999], 'a' + 99999 % 26);
	assert_int_equal(b.data[100000], 0);
	assert_true(b.cap <= 100001);
	buf_release(&b);
}

static void bytes_may_be_zero(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(10);
	buf_add(&b, "a\0b", 3);
	buf_add(&b, NULL, 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	buf_release(&b);
}

static void stealing_leaves_it_empty(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(10);
	char *s = buf_steal(&b);
	assert_string_equal(s, "");
	free(s);
	buf_adds(&b, "x");
	s = buf_steal(&b);
	assert_string_equal(s, "x");
	free(s);
	assert_int_equal(b.len, 0);
	buf_adds(&b, "again");
	assert_string_equal(b.data, "again");
	buf_wipe(&b);
	assert_null(b.data);
}

static void arrays_have_a_ceiling_too(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	void *p = NULL;
	assert_int_equal(mem_array(&p, UINT64_MAX, 16, MIB, "the list", &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "the list is too large: 18446744073709551615 entries");
	err_clear(&e);
	assert_int_equal(mem_array(&p, 65537, 16, MIB, "the list", &e), -ERR_INTEGRITY);
	assert_null(p);
	err_clear(&e);
	assert_ok(mem_array(&p, 65536, 16, MIB, "the list", &e), &e);
	assert_int_equal(((char *)p)[MIB - 1], 0);
	free(p);
	assert_ok(mem_array(&p, 0, 16, MIB, "the list", &e), &e);
	assert_non_null(p);
	free(p);
}

static void growing_arrays_are_zeroed(void **state)
{
	(void)state;
	uint32_t *list = NULL;
	size_t cap = 0;
	for (size_t i = 0; i < 1000; i++) {
		list = mem_grow(list, i, &cap, sizeof *list);
		assert_int_equal(list[i], 0);
		list[i] = 0xffffffff;
	}
	assert_true(cap >= 1000);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_always_terminated),
		cmocka_unit_test(room_that_is_never_filled_is_no_text),
		cmocka_unit_test(ceiling_holds_and_is_remembered),
		cmocka_unit_test(lengths_that_wrap_are_refused),
		cmocka_unit_test(grows_to_any_size_below_the_ceiling),
		cmocka_unit_test(bytes_may_be_zero),
		cmocka_unit_test(stealing_leaves_it_empty),
		cmocka_unit_test(arrays_have_a_ceiling_too),
		cmocka_unit_test(growing_arrays_are_zeroed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
