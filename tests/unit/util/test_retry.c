#include "util/retry.h"

#include "unit.h"

/* A clock that only notes, and the largest chance each time. */
struct fake {
	uint64_t slept[16];
	size_t count;
	size_t stop_at;         /* this sleep is interrupted; 0: none */
};

static int fake_sleep(void *ctx, uint64_t ms, struct err *e)
{
	struct fake *f = ctx;
	f->slept[f->count++] = ms;
	return f->stop_at == f->count ? err_set(e, ERR_CANCELLED, "stopped") : 0;
}

static uint64_t largest(void *ctx, uint64_t below)
{
	(void)ctx;
	return below - 1;
}

static struct retry_env env_of(struct fake *f)
{
	return (struct retry_env){ .sleep_ms = fake_sleep, .random = largest, .ctx = f };
}

static void waits_double_up_to_the_cap(void **state)
{
	(void)state;
	struct fake f = { 0 };
	struct retry_env env = env_of(&f);
	struct retry r = { .max_tries = 7, .base_ms = 100, .cap_ms = 1000, .env = &env };
	struct err e = ERR_INIT;
	for (int i = 0; i < 6; i++) {
		err_set(&e, ERR_NETWORK, "down");
		assert_true(retry_again(&r, &e));
		assert_int_equal(e.class, ERR_NONE);
	}
	err_set(&e, ERR_NETWORK, "down");
	assert_false(retry_again(&r, &e));
	assert_string_equal(e.text, "down");
	static const uint64_t wanted[] = { 100, 200, 400, 800, 1000, 1000 };
	assert_int_equal(f.count, 6);
	assert_memory_equal(f.slept, wanted, sizeof wanted);
	assert_int_equal(r.waited_ms, 3500);
}

static void only_the_network_is_tried_again(void **state)
{
	(void)state;
	static const enum err_class others[] = { ERR_NOT_FOUND, ERR_AUTH, ERR_INTEGRITY, ERR_SYSTEM,
						 ERR_CONFLICT, ERR_CANCELLED, ERR_USAGE };
	struct fake f = { 0 };
	struct retry_env env = env_of(&f);
	struct retry r = RETRY_DEFAULT;
	r.env = &env;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct err e = ERR_INIT;
		err_set(&e, others[i], "no");
		assert_false(retry_again(&r, &e));
		assert_int_equal(e.class, others[i]);
	}
	assert_int_equal(f.count, 0);
}

static void a_server_s_wish_is_heard_up_to_a_point(void **state)
{
	(void)state;
	struct fake f = { 0 };
	struct retry_env env = env_of(&f);
	struct retry r = RETRY_DEFAULT;
	struct err e = ERR_INIT;
	r.env = &env;
	err_set(&e, ERR_NETWORK, "busy");
	err_cause(&e, CAUSE_THROTTLED, 20);
	assert_true(retry_again(&r, &e));
	assert_int_equal(f.slept[0], 20000);
	err_set(&e, ERR_NETWORK, "busy");
	err_cause(&e, CAUSE_THROTTLED, 301);
	assert_false(retry_again(&r, &e));
	assert_string_equal(e.hint, "the server asks to come back in 301 seconds");
	assert_int_equal(f.count, 1);
}

static void an_interrupted_wait_ends_it(void **state)
{
	(void)state;
	struct fake f = { .stop_at = 2 };
	struct retry_env env = env_of(&f);
	struct retry r = RETRY_DEFAULT;
	struct err e = ERR_INIT;
	r.env = &env;
	err_set(&e, ERR_NETWORK, "down");
	assert_true(retry_again(&r, &e));
	err_set(&e, ERR_NETWORK, "down");
	assert_false(retry_again(&r, &e));
	assert_int_equal(e.class, ERR_CANCELLED);
}

static void a_success_starts_the_count_anew(void **state)
{
	(void)state;
	struct fake f = { 0 };
	struct retry_env env = env_of(&f);
	struct retry r = { .max_tries = 2, .base_ms = 100, .cap_ms = 1000, .env = &env };
	for (int i = 0; i < 5; i++) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NETWORK, "down");
		assert_true(retry_again(&r, &e));
		retry_reset(&r);
	}
	assert_int_equal(f.slept[4], 100);
}

static void real_time_and_chance_work(void **state)
{
	(void)state;
	struct retry r = { .max_tries = 3, .base_ms = 2, .cap_ms = 2 };
	struct err e = ERR_INIT;
	err_set(&e, ERR_NETWORK, "down");
	assert_true(retry_again(&r, &e));
	assert_true(r.waited_ms <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_cap),
		cmocka_unit_test(only_the_network_is_tried_again),
		cmocka_unit_test(a_server_s_wish_is_heard_up_to_a_point),
		cmocka_unit_test(an_interrupted_wait_ends_it),
		cmocka_unit_test(a_success_starts_the_count_anew),
		cmocka_unit_test(real_time_and_chance_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
