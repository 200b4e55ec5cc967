#include "util/clock.h"

#include "util/os.h"

#include <time.h>

static uint64_t real_now_us(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int64_t real_wall_s(void *ctx)
{
	(void)ctx;
	return (int64_t)time(NULL);
}

/* Sleep in slices, because a signal may arrive between the check and the sleep. */
static int real_sleep_ms(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	(void)ctx;
	for (;;) {
		int rc = cancel_check(cancel, e);
		if (rc < 0 || ms == 0)
			return rc;
		uint64_t slice = MIN(ms, 100);
		struct timespec t = { .tv_nsec = (long)slice * 1000000 };
		nanosleep(&t, NULL);
		ms -= slice;
	}
}

uint64_t clock_now_us(const struct clock *c)
{
	return c ? c->now_us(c->ctx) : real_now_us(NULL);
}

uint64_t clock_now_ms(const struct clock *c)
{
	return clock_now_us(c) / 1000;
}

int64_t clock_wall_s(const struct clock *c)
{
	return c ? c->wall_s(c->ctx) : real_wall_s(NULL);
}

int64_t clock_wall_ms(const struct clock *c)
{
	struct timespec t;
	if (c)
		return c->wall_s(c->ctx) * 1000;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int clock_sleep_ms(const struct clock *c, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	return c ? c->sleep_ms(c->ctx, ms, cancel, e) : real_sleep_ms(NULL, ms, cancel, e);
}

uint64_t random_below(const struct random *c, uint64_t limit)
{
	uint64_t v;
	if (c)
		return c->below(c->ctx, limit);
	if (!os_random(&v, sizeof v))
		v = real_now_us(NULL);
	return v % limit;
}
