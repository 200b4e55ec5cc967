#include "fake_clock.h"

static uint64_t now_us(void *ctx)
{
	return ((struct fake_clock *)ctx)->now_us;
}

static int64_t wall_s(void *ctx)
{
	return 1767225600 + (int64_t)(now_us(ctx) / 1000000);
}

static int sleep_ms(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	struct fake_clock *f = ctx;
	if (f->sleeps < ARRAY_LEN(f->each_ms))
		f->each_ms[f->sleeps] = ms;
	f->sleeps++;
	f->slept_ms += ms;
	f->now_us += ms * 1000;
	if (f->sleeps == f->stop_at)
		return err_set(e, ERR_CANCELLED, "stopped");
	return cancel_check(cancel, e);
}

void fake_clock_init(struct fake_clock *f)
{
	*f = (struct fake_clock){ .clock = { now_us, wall_s, sleep_ms, f }, .now_us = 1000000000 };
}

static uint64_t largest(void *ctx, uint64_t limit)
{
	(void)ctx;
	return limit - 1;
}

const struct random random_largest = { largest, NULL };
