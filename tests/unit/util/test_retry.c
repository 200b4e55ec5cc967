#include "util/retry.h"

#include "fake_clock.h"
#include "unit.h"
#include "util/rate.h"
#include "util/threads.h"

#include <signal.h>

static struct retry retry_on(struct fake_clock *f)
{
	struct retry r = RETRY_DEFAULT;
	fake_clock_init(f);
	r.clock = &f->clock;
	r.random = &random_largest;
	return r;
}

static void waits_double_up_to_the_cap(void **state)
{
	(void)state;
	static const uint64_t wanted[] = { 100, 200, 400, 800, 1000, 1000 };
	struct fake_clock f;
	struct retry r = retry_on(&f);
	struct err e = ERR_INIT;
	r.max_tries = 7;
	r.base_ms = 100;
	r.cap_ms = 1000;
	for (int i = 0; i < 6; i++) {
		err_set(&e, ERR_NETWORK, "down");
		assert_true(retry_again(&r, &e));
		assert_int_equal(e.class, ERR_NONE);
	}
	err_set(&e, ERR_NETWORK, "down");
	assert_false(retry_again(&r, &e));
	assert_string_equal(e.text, "down");
	assert_int_equal(f.sleeps, 6);
	assert_memory_equal(f.each_ms, wanted, sizeof wanted);
}

static void only_the_network_is_tried_again(void **state)
{
	(void)state;
	static const enum err_class others[] = { ERR_NOT_FOUND, ERR_AUTH,     ERR_INTEGRITY,
						 ERR_SYSTEM,    ERR_CONFLICT, ERR_CANCELLED,
						 ERR_USAGE };
	struct fake_clock f;
	struct retry r = retry_on(&f);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct err e = ERR_INIT;
		err_set(&e, others[i], "no");
		assert_false(retry_again(&r, &e));
		assert_int_equal(e.class, others[i]);
	}
	assert_int_equal(f.sleeps, 0);
}

static void a_server_s_wish_is_heard_up_to_a_point(void **state)
{
	(void)state;
	struct fake_clock f;
	struct retry r = retry_on(&f);
	struct err e = ERR_INIT;
	err_set(&e, ERR_NETWORK, "busy");
	err_cause(&e, CAUSE_THROTTLED, 20);
	assert_true(retry_again(&r, &e));
	assert_int_equal(f.slept_ms, 20000);
	err_set(&e, ERR_NETWORK, "busy");
	err_cause(&e, CAUSE_THROTTLED, 301);
	assert_false(retry_again(&r, &e));
	assert_string_equal(e.hint, "the server asks for a pause of 301 seconds: try again later");
	assert_int_equal(f.sleeps, 1);
}

static void an_interrupted_wait_ends_it(void **state)
{
	(void)state;
	struct fake_clock f;
	struct retry r = retry_on(&f);
	struct err e = ERR_INIT;
	f.stop_at = 2;
	err_set(&e, ERR_NETWORK, "down");
	assert_true(retry_again(&r, &e));
	err_set(&e, ERR_NETWORK, "down");
	assert_false(retry_again(&r, &e));
	assert_int_equal(e.class, ERR_CANCELLED);
}

static void a_success_starts_the_count_anew(void **state)
{
	(void)state;
	struct fake_clock f;
	struct retry r = retry_on(&f);
	r.max_tries = 2;
	for (int i = 0; i < 5; i++) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NETWORK, "down");
		assert_true(retry_again(&r, &e));
		retry_reset(&r);
	}
	assert_int_equal(f.each_ms[4], 500);
}

static void rounds_without_an_error_wait_and_end(void **state)
{
	(void)state;
	struct fake_clock f;
	struct retry r = retry_on(&f);
	struct cancel stop = CANCEL_INIT;
	struct err e = ERR_INIT;
	r.max_tries = 3;
	r.cancel = &stop;
	assert_int_equal(retry_wait(&r, 0, &e), 0);
	assert_int_equal(retry_wait(&r, 2, &e), 0);
	assert_int_equal(retry_wait(&r, 0, &e), 1);
	assert_int_equal(f.sleeps, 2);
	assert_int_equal(f.slept_ms, 500 + 2000);
	retry_reset(&r);
	cancel_ask(&stop, SIGTERM);
	assert_int_equal(retry_wait(&r, 0, &e), -ERR_CANCELLED);
}

static void real_time_and_chance_work(void **state)
{
	(void)state;
	struct retry r = { .max_tries = 3, .base_ms = 2, .cap_ms = 2 };
	struct err e = ERR_INIT;
	bool seen[3] = { false };
	uint64_t before = clock_now_us(NULL);
	err_set(&e, ERR_NETWORK, "down");
	assert_true(retry_again(&r, &e));
	assert_ok(clock_sleep_ms(NULL, 3, NULL, &e), &e);
	assert_true(clock_now_us(NULL) - before >= 3000);
	assert_true(clock_wall_s(NULL) > 1767225600);
	for (int i = 0; i < 200; i++)
		seen[random_below(NULL, 3)] = true;
	assert_true(seen[0] && seen[1] && seen[2]);
}

static void a_cancelled_sleep_ends_at_once(void **state)
{
	(void)state;
	struct cancel stop = CANCEL_INIT;
	struct err e = ERR_INIT;
	cancel_ask(&stop, SIGINT);
	assert_int_equal(clock_sleep_ms(NULL, 3600000, &stop, &e), -ERR_CANCELLED);
}

/* -- the rate -------------------------------------------------------------------- */

static void a_rate_is_kept_and_a_pause_is_no_credit(void **state)
{
	(void)state;
	struct fake_clock f;
	struct err e = ERR_INIT;
	fake_clock_init(&f);
	struct rate r = { .bytes_per_s = 1000, .clock = &f.clock };
	for (int i = 0; i < 10; i++)
		assert_ok(rate_take(&r, 500, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 5000);
	f.now_us += 60000000;
	assert_ok(rate_take(&r, 500, NULL, &e), &e);
	assert_int_equal(f.slept_ms, 5500);
}

static void no_rate_is_no_limit(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct rate none = { 0 };
	assert_ok(rate_take(NULL, UINT64_MAX, NULL, &e), &e);
	assert_ok(rate_take(&none, UINT64_MAX, NULL, &e), &e);
	assert_int_equal(rate_limit(NULL), 0);
}

struct shared {
	struct rate *rate;
	struct err e[8];
};

static void take_some(void *ctx, size_t i)
{
	struct shared *s = ctx;
	for (int n = 0; n < 1000; n++)
		(void)!rate_take(s->rate, 7, NULL, &s->e[i]);
}

static int no_sleep(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	(void)ctx, (void)ms, (void)cancel, (void)e;
	return 0;
}

/* Nobody's bytes are lost: the queue is as long as all of them together. */
static void threads_share_one_rate(void **state)
{
	(void)state;
	struct fake_clock f;
	fake_clock_init(&f);
	f.clock.sleep_ms = no_sleep;
	struct rate r = { .bytes_per_s = 1000000, .clock = &f.clock };
	struct shared s = { .rate = &r };
	threads_run(8, 8, take_some, &s);
	assert_int_equal(r.due_us - f.now_us, 8 * 1000 * 7);
}

static void a_wait_for_the_rate_can_be_cancelled(void **state)
{
	(void)state;
	struct cancel stop = CANCEL_INIT;
	struct rate r = { .bytes_per_s = 1 };
	struct err e = ERR_INIT;
	cancel_ask(&stop, SIGTERM);
	assert_int_equal(rate_take(&r, 3600, &stop, &e), -ERR_CANCELLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_cap),
		cmocka_unit_test(only_the_network_is_tried_again),
		cmocka_unit_test(a_server_s_wish_is_heard_up_to_a_point),
		cmocka_unit_test(an_interrupted_wait_ends_it),
		cmocka_unit_test(a_success_starts_the_count_anew),
		cmocka_unit_test(rounds_without_an_error_wait_and_end),
		cmocka_unit_test(real_time_and_chance_work),
		cmocka_unit_test(a_cancelled_sleep_ends_at_once),
		cmocka_unit_test(a_rate_is_kept_and_a_pause_is_no_credit),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(threads_share_one_rate),
		cmocka_unit_test(a_wait_for_the_rate_can_be_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
