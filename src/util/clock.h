/*
 * Time and randomness, passed in: the real ones, or a test's, which only pretends to wait. Every
 * function accepts NULL for the real one.
 *
 * Prefixes: clock_, random_.
 */
#ifndef FERRY_UTIL_CLOCK_H
#define FERRY_UTIL_CLOCK_H

#include "util/base.h"
#include "util/cancel.h"
#include "util/err.h"

struct clock {
	uint64_t (*now_us)(void *ctx); /* monotonic, from any start */
	int64_t (*wall_s)(void *ctx);  /* since 1970, UTC */
	/* 0, or ERR_CANCELLED when it ended early; the real one notices that within 100 ms. */
	int (*sleep_ms)(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e);
	void *ctx;
};

uint64_t clock_now_us(const struct clock *c);
uint64_t clock_now_ms(const struct clock *c);
int64_t clock_wall_s(const struct clock *c);
int64_t clock_wall_ms(const struct clock *c); /* whole seconds, of a clock that is passed in */
WARN_UNUSED int clock_sleep_ms(const struct clock *c, uint64_t ms, const struct cancel *cancel,
			       struct err *e);

struct random {
	uint64_t (*below)(void *ctx, uint64_t limit); /* 0 … limit - 1; limit > 0 */
	void *ctx;
};

uint64_t random_below(const struct random *c, uint64_t limit);

#endif
