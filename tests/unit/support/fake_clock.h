/* A clock that only notes how long it was told to sleep, and chance that gives the largest
 * number each time. */
#ifndef FERRY_TESTS_FAKE_CLOCK_H
#define FERRY_TESTS_FAKE_CLOCK_H

#include "util/clock.h"

struct fake_clock {
	struct clock clock;
	_Atomic uint64_t now_us; /* read by threads while another one sleeps */
	uint64_t slept_ms;       /* altogether */
	uint64_t each_ms[16];    /* the first sleeps */
	size_t sleeps;
	size_t stop_at; /* this sleep is interrupted, the first is 1; 0: none */
};
void fake_clock_init(struct fake_clock *f);

extern const struct random random_largest;

#endif
