#include "serve/cache/remember.h"

#include "unit.h"

#include <stdio.h>

struct seen {
	struct remembered last;
	size_t count;
};

static void note(void *ctx, const struct remembered *r)
{
	struct seen *s = ctx;
	s->last = *r;
	s->count++;
}

static struct remembered example(void)
{
	struct remembered r = { .size = 1, .modified_ns = 2, .changed_ns = 3 };
	r.inode = UINT64_MAX;
	r.used_s = 5;
	r.checked_s = 6;
	sha256_of("x", 1, &r.sha256);
	return r;
}

static void what_is_written_is_read_back(void **state)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	struct remembered r = example();
	struct seen s = { 0 };
	(void)state;
	remember_write(&r, &text);
	remember_parse(buf_str(&text), text.len, note, &s);
	assert_int_equal(s.count, 1);
	assert_memory_equal(&s.last, &r, sizeof r);
}

static size_t count_of(const char *text, size_t len)
{
	struct seen s = { 0 };
	remember_parse(text, len, note, &s);
	return s.count;
}

static void a_damaged_line_spoils_no_other(void **state)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(64 * KIB);
	struct remembered r = example();
	(void)state;
	buf_adds(&text, "\n1 2 3\n");
	for (int i = 0; i < 1000; i++)
		buf_addc(&text, 'a');
	buf_adds(&text, "\n");
	buf_add(&text, "\0\n", 2);
	remember_write(&r, &text);
	assert_int_equal(count_of(buf_str(&text), text.len), 1);
	/* The end was cut off. */
	assert_int_equal(count_of(buf_str(&text), text.len - 1), 0);
	text.data[text.len - 2] = '-';
	assert_int_equal(count_of(buf_str(&text), text.len), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_damaged_line_spoils_no_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
