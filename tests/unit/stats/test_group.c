#include "unit.h"

#include "stats/group.h"
#include "stats/session.h"

/* A client with one request. */
static void add(struct stats_groups *g, uint64_t key, bool token, uint32_t second, uint64_t first,
		uint64_t bytes)
{
	const struct stats_group head = { .key = key, .token = token, .country = { 'D', 'E' } };
	const struct stats_event v = { second, 3, STATS_RANGE, first, bytes };
	stats_groups_begin(g, &head);
	stats_groups_event(g, &v);
}

static void encode(struct stats_groups *g, struct buf *out)
{
	stats_groups_settle(g);
	stats_groups_encode(g, out);
}

static void what_is_stored_is_read_back(void **state)
{
	CLEANUP(stats_groups_release) struct stats_groups g = { 0 }, back = { 0 };
	CLEANUP(buf_release) struct buf a = BUF_INIT(KIB), b = BUF_INIT(KIB);
	struct err e = ERR_INIT;
	(void)state;
	add(&g, UINT64_MAX, false, 86399, UINT64_MAX - 7, 7);
	add(&g, 5, true, 0, 0, 1);
	g.at[1].addresses = 9;
	g.at[0].has_before = true;
	g.at[0].before = 17;
	g.at[0].taken = 86400;
	encode(&g, &a);
	assert_ok(stats_groups_decode(a.data, a.len, &back, &e), &e);
	encode(&back, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_int_equal(back.at[0].before, 17);
	assert_int_equal(back.at[1].addresses, 9);
}

static void the_order_of_requests_makes_no_difference(void **state)
{
	CLEANUP(stats_groups_release) struct stats_groups g = { 0 }, h = { 0 };
	CLEANUP(buf_release) struct buf a = BUF_INIT(KIB), b = BUF_INIT(KIB);
	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		add(&g, i % 3, false, i / 4, i * 10, 10);
	for (uint32_t i = 20; i-- > 0;)
		add(&h, i % 3, false, i / 4, i * 10, 10);
	encode(&g, &a);
	encode(&h, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void damaged_bytes_are_refused(void **state)
{
	CLEANUP(stats_groups_release) struct stats_groups g = { 0 };
	CLEANUP(buf_release) struct buf a = BUF_INIT(KIB);
	(void)state;
	add(&g, 1, false, 100, 0, 500);
	add(&g, 2, false, 200, 0, 500);
	encode(&g, &a);
	for (size_t len = 0; len < a.len; len++) {
		struct stats_groups out = { 0 };
		struct err e = ERR_INIT;
		assert_int_equal(stats_groups_decode(a.data, len, &out, &e), -ERR_INTEGRITY);
		assert_null(out.at);
	}
	/* Any change of a byte is refused, or is another list that can be used. */
	for (size_t i = 0; i < a.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			CLEANUP(stats_groups_release) struct stats_groups out = { 0 };
			struct err e = ERR_INIT;
			a.data[i] = (char)(a.data[i] ^ 1 << bit);
			(void)!stats_groups_decode(a.data, a.len, &out, &e);
			a.data[i] = (char)(a.data[i] ^ 1 << bit);
		}
}

/* ---- sessions ---- */

static int remember(void *ctx, const struct stats_session *s, struct err *e)
{
	(void)e;
	*(struct stats_session *)ctx = *s;
	return 0;
}

static struct stats_session only(struct stats_groups *g, uint64_t size)
{
	struct stats_session s = { .outcome = STATS_OUTCOMES };
	struct err e = ERR_INIT;
	stats_groups_settle(g);
	assert_ok(stats_sessions_each(g, NULL, size, remember, &s, &e), &e);
	return s;
}

static void complete_is_99_percent_exactly(void **state)
{
	static const struct {
		uint64_t size, bytes;
		enum stats_outcome outcome;
	} rows[] = {
		{ 1000, 990, STATS_COMPLETE },
		{ 1000, 989, STATS_PARTIAL },
		{ 1, 1, STATS_COMPLETE },
		{ 50, 49, STATS_PARTIAL },
		{ 199, 198, STATS_COMPLETE },
		{ UINT64_MAX, UINT64_MAX, STATS_COMPLETE },
		{ 1000, UINT64_MAX, STATS_COMPLETE },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(stats_groups_release) struct stats_groups g = { 0 };
		add(&g, 1, false, 5, 0, rows[i].bytes);
		struct stats_session s = only(&g, rows[i].size);
		assert_int_equal(s.outcome, rows[i].outcome);
		assert_true(s.bytes == MIN(rows[i].bytes, rows[i].size));
	}
}

static void bytes_that_were_sent_twice_count_once(void **state)
{
	CLEANUP(stats_groups_release) struct stats_groups g = { 0 };
	(void)state;
	add(&g, 1, false, 5, 0, 600);
	add(&g, 1, false, 6, 0, 600);
	add(&g, 1, false, 7, 300, 300);
	add(&g, 1, false, 8, 5000, 300); /* beyond the end */
	struct stats_session s = only(&g, 1000);
	assert_int_equal(s.bytes, 600);
	assert_int_equal(s.outcome, STATS_PARTIAL);
	assert_int_equal(s.mirrors, 1 << 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_stored_is_read_back),
		cmocka_unit_test(the_order_of_requests_makes_no_difference),
		cmocka_unit_test(damaged_bytes_are_refused),
		cmocka_unit_test(complete_is_99_percent_exactly),
		cmocka_unit_test(bytes_that_were_sent_twice_count_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
