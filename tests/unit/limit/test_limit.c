/* Limits of one process, with a clock that the test moves. */
#include "limit/limit.h"

#include "limit/redis.h"
#include "util/mem.h"

#include "fake_clock.h"
#include "unit.h"

static struct limit *make(struct fake_clock *clock, struct limit_options o)
{
	struct err e = ERR_INIT;
	struct limit *l = NULL;
	fake_clock_init(clock);
	clock->now_us = 1000000;
	o.clock = &clock->clock;
	assert_ok(limit_new(&o, &l, &e), &e);
	return l;
}

static unsigned admitted(struct limit *l, const char *client, unsigned requests)
{
	struct limit_client *c = limit_hold(l, client);
	struct limit_state s;
	unsigned yes = 0;
	for (unsigned i = 0; i < requests; i++)
		yes += limit_request(l, c, &s) == LIMIT_YES;
	limit_release(c);
	return yes;
}

/* For tests with one client, which is never released. */
static enum limit_result request(struct limit *l, struct limit_state *out)
{
	return limit_request(l, limit_hold(l, "a"), out);
}

static uint64_t bytes(struct limit *l, uint64_t wanted, uint64_t *wait_ms)
{
	return limit_bytes(l, limit_hold(l, "a"), wanted, wait_ms);
}

static bool connect_to(struct limit *l, const char *name)
{
	struct limit_client *c = limit_hold(l, name);
	bool may = limit_connect(l, c);
	limit_release(c);
	return may;
}

static void a_client_has_its_burst_and_then_its_rate(void **state)
{
	(void)state;
	struct fake_clock c;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .requests_s = 10, .burst = 5 });
	assert_int_equal(admitted(l, "a", 100), 5);
	c.now_us += 99000;
	assert_int_equal(admitted(l, "a", 10), 0);
	c.now_us += 1000;
	assert_int_equal(admitted(l, "a", 10), 1);
	c.now_us += 300000;
	assert_int_equal(admitted(l, "a", 10), 3);
	c.now_us += 3600 * (uint64_t)1000000;
	assert_int_equal(admitted(l, "a", 100), 5);
}

static void a_client_does_not_use_up_what_others_have(void **state)
{
	(void)state;
	struct fake_clock c;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .requests_s = 1, .burst = 2 });
	assert_int_equal(admitted(l, "a", 10), 2);
	assert_int_equal(admitted(l, "b", 10), 2);
	struct limit_stats s;
	limit_stats(l, &s);
	assert_int_equal(s.admitted, 4);
	assert_int_equal(s.refused, 16);
	assert_int_equal(s.clients, 2);
	assert_false(s.shared);
}

static void the_state_says_what_is_left_and_when_to_come_again(void **state)
{
	(void)state;
	struct fake_clock c;
	struct limit_state s;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .requests_s = 0.5, .burst = 3 });
	assert_int_equal(request(l, &s), LIMIT_YES);
	assert_int_equal(s.limit, 3);
	assert_int_equal(s.window_s, 6);
	assert_int_equal(s.remaining, 2);
	assert_int_equal(s.reset_s, 2);
	assert_int_equal(s.retry_after_s, 0);
	assert_int_equal(admitted(l, "a", 2), 2);
	assert_int_equal(request(l, &s), LIMIT_NO);
	assert_int_equal(s.remaining, 0);
	assert_int_equal(s.retry_after_s, 2);
	c.now_us += 1500000;
	assert_int_equal(request(l, &s), LIMIT_NO);
	assert_int_equal(s.retry_after_s, 1);
}

static void without_a_limit_everything_is_admitted(void **state)
{
	(void)state;
	struct fake_clock c;
	struct limit_state s;
	uint64_t wait_ms;
	CLEANUP_PTR(limit_free) struct limit *l = make(&c, (struct limit_options){ 0 });
	assert_int_equal(admitted(l, "a", 1000), 1000);
	assert_int_equal(request(l, &s), LIMIT_YES);
	assert_int_equal(s.limit, 0);
	assert_int_equal(bytes(l, GIB, &wait_ms), GIB);
	assert_null(limit_hold(l, "a"));
	assert_true(limit_connect(l, NULL));
	limit_disconnect(l, NULL);
	limit_release(NULL);
	struct limit_stats stats;
	limit_stats(l, &stats);
	assert_int_equal(stats.clients, 0);
}

static void bytes_come_at_their_rate(void **state)
{
	(void)state;
	struct fake_clock c;
	uint64_t wait_ms, total = 0, start;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .bytes_s = MIB });
	start = c.now_us;
	while (c.now_us < start + 10 * (uint64_t)1000000) {
		uint64_t given = bytes(l, 256 * KIB, &wait_ms);
		assert_true(given || wait_ms);
		total += given;
		c.now_us += wait_ms * 1000;
	}
	/* A second's worth at once, then one for each second. */
	assert_in_range(total, 10 * MIB, 11 * MIB + 256 * KIB);
}

static void small_rests_are_sent_too(void **state)
{
	(void)state;
	struct fake_clock c;
	uint64_t wait_ms;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .bytes_s = MIB });
	assert_int_equal(bytes(l, MIB, &wait_ms), MIB);
	assert_int_equal(bytes(l, 100, &wait_ms), 0);
	assert_int_equal(wait_ms, 1);
	c.now_us += 1000;
	assert_int_equal(bytes(l, 100, &wait_ms), 100);
	assert_int_equal(bytes(l, 0, &wait_ms), 0);
	assert_int_equal(wait_ms, 0);
}

static void connections_are_counted_until_they_end(void **state)
{
	(void)state;
	struct fake_clock c;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .connections = 2 });
	assert_true(connect_to(l, "a"));
	assert_true(connect_to(l, "a"));
	assert_false(connect_to(l, "a"));
	assert_true(connect_to(l, "b"));
	limit_disconnect(l, limit_hold(l, "a"));
	assert_true(connect_to(l, "a"));
	assert_false(connect_to(l, "a"));
}

static void connect_range(struct limit *l, unsigned from, unsigned to, struct limit_client **of)
{
	for (unsigned i = from; i < to; i++) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("%u", i);
		of[i] = limit_hold(l, name);
		assert_true(limit_connect(l, of[i]));
		limit_release(of[i]);
	}
}

static void disconnect_range(struct limit *l, unsigned from, unsigned to, struct limit_client **of)
{
	for (unsigned i = from; i < to; i++)
		limit_disconnect(l, of[i]);
}

/* A connection is taken back where it was counted, whatever became of the table meanwhile: at
 * first the last ones have no room in it, and later they do. */
static void connections_beyond_the_table_are_counted_right(void **state)
{
	(void)state;
	enum { ALL = 50000, FIRST = 40000, MOST = 2000 };
	struct fake_clock c;
	struct limit_client **early = mem_alloc(ALL * sizeof *early),
			    **late = mem_alloc(ALL * sizeof *late);
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .connections = MOST });
	for (unsigned round = 0; round < 4; round++) {
		connect_range(l, 0, ALL, early);
		disconnect_range(l, 0, FIRST, early);
		c.now_us += 2000000;
		connect_range(l, FIRST, ALL, late);
		disconnect_range(l, FIRST, ALL, early);
		disconnect_range(l, FIRST, ALL, late);
		c.now_us += 2000000;
	}
	free(early);
	free(late);
}

/* Whoever comes from ever new addresses takes bounded memory, and does not push out those who have
 * used up what they have. */
static void the_number_of_clients_is_bounded(void **state)
{
	(void)state;
	struct fake_clock c;
	struct limit_stats s;
	CLEANUP_PTR(limit_free)
	struct limit *l = make(&c, (struct limit_options){ .requests_s = 1, .burst = 1 });
	assert_int_equal(admitted(l, "first", 2), 1);
	for (unsigned i = 0; i < 100000; i++) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("%u", i);
		assert_in_range(admitted(l, name, 1), 0, 1);
	}
	limit_stats(l, &s);
	assert_in_range(s.clients, 1000, 40000);
	assert_int_equal(admitted(l, "first", 1), 0);
	c.now_us += 10 * (uint64_t)1000000;
	for (unsigned i = 0; i < 1000; i++) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("later %u", i);
		assert_int_equal(admitted(l, name, 1), 1);
	}
	limit_stats(l, &s);
	assert_in_range(s.clients, 1000, 2000);
}

static void what_is_no_place_of_a_redis_is_refused(void **state)
{
	(void)state;
	static const char *const good[] = { "redis://localhost", "redis://10.0.0.1:7000/3",
					    "redis://[::1]:7000", "unix:/run/redis.sock" };
	static const char *const bad[] = { "",
					   "localhost:6379",
					   "rediss://h:1",
					   "redis://",
					   "redis://:6379",
					   "redis://h:0",
					   "redis://h:65536",
					   "redis://h:1/x",
					   "redis://h/99999999",
					   "redis://user:secret@h",
					   "unix:relative" };
	for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct redis_limit *r = NULL;
		bool is_good = i < ARRAY_LEN(good);
		const char *place = is_good ? good[i] : bad[i - ARRAY_LEN(good)];
		if ((redis_limit_new(place, NULL, 50, &r, &e) == 0) != is_good)
			fail_msg("%s: %s", place, e.text);
		assert_null(strstr(e.text, "secret"));
		redis_limit_free(r);
	}
}

/* It is as if there were no Redis: nothing fails, and nobody waits. */
static void a_redis_that_is_not_there_leaves_each_process_its_own_limits(void **state)
{
	(void)state;
	struct fake_clock c;
	struct limit_stats s;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *place = mem_printf("unix:%s/none", dir);
	CLEANUP_PTR(limit_free)
	struct limit *l =
		make(&c, (struct limit_options){ .requests_s = 10, .burst = 5, .redis = place });
	assert_int_equal(admitted(l, "a", 100), 5);
	limit_stats(l, &s);
	assert_true(s.shared && s.open);
	assert_true(s.failed > 0);
	assert_int_equal(s.without_redis, 100);
	assert_non_null(strstr(s.fault, "cannot connect"));
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_has_its_burst_and_then_its_rate),
		cmocka_unit_test(a_client_does_not_use_up_what_others_have),
		cmocka_unit_test(the_state_says_what_is_left_and_when_to_come_again),
		cmocka_unit_test(without_a_limit_everything_is_admitted),
		cmocka_unit_test(bytes_come_at_their_rate),
		cmocka_unit_test(small_rests_are_sent_too),
		cmocka_unit_test(connections_are_counted_until_they_end),
		cmocka_unit_test(connections_beyond_the_table_are_counted_right),
		cmocka_unit_test(the_number_of_clients_is_bounded),
		cmocka_unit_test(what_is_no_place_of_a_redis_is_refused),
		cmocka_unit_test(a_redis_that_is_not_there_leaves_each_process_its_own_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
