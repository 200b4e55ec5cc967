#include "util/retry.h"

#include "util/cancel.h"
#include "util/os.h"

#include <time.h>

int retry_sleep_ms(uint64_t ms, struct err *e)
{
	for (;;) {
		int rc = cancel_check(e);
		if (rc < 0 || ms == 0)
			return rc;
		uint64_t step = MIN(ms, 100);
		struct timespec t = { .tv_nsec = (long)step * 1000000 };
		nanosleep(&t, NULL);
		ms -= step;
	}
}

static int real_sleep(void *ctx, uint64_t ms, struct err *e)
{
	(void)ctx;
	return retry_sleep_ms(ms, e);
}

static uint64_t real_random(void *ctx, uint64_t below)
{
	(void)ctx;
	uint64_t v;
	if (!os_random(&v, sizeof v)) {
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		v = (uint64_t)t.tv_nsec;
	}
	return v % below;
}

static const struct retry_env real = { .sleep_ms = real_sleep, .random = real_random };

static uint64_t next_wait_ms(const struct retry *r, const struct retry_env *env)
{
	uint64_t ceiling = r->base_ms;
	for (unsigned i = 1; i < r->tries && ceiling < r->cap_ms; i++)
		ceiling *= 2;
	return env->random(env->ctx, MIN(ceiling, r->cap_ms) + 1);
}

bool retry_again(struct retry *r, struct err *e)
{
	uint64_t retry_after_s = e->retry_after_s;
	const struct retry_env *env = r->env ? r->env : &real;
	if (!err_is_transient(e))
		return false;
	r->tries++;
	if (r->tries >= r->max_tries)
		return false;
	if (retry_after_s > r->max_retry_after_s) {
		err_hint(e, "the server asks to come back in %llu seconds",
			 (unsigned long long)retry_after_s);
		return false;
	}
	uint64_t wait = next_wait_ms(r, env);
	wait = MAX(wait, retry_after_s * 1000);
	struct err stopped = ERR_INIT;
	if (env->sleep_ms(env->ctx, wait, &stopped) < 0) {
		*e = stopped;
		return false;
	}
	r->waited_ms += wait;
	err_clear(e);
	return true;
}

void retry_reset(struct retry *r)
{
	r->tries = 0;
}
