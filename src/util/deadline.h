/*
 * A time by which work must be done, as a token that ends it (cancel.h): whoever is given the token
 * needs to know of no time. Several threads may share one.
 */
#ifndef FERRY_UTIL_DEADLINE_H
#define FERRY_UTIL_DEADLINE_H

#include "util/cancel.h"
#include "util/clock.h"

struct deadline {
	struct cancel cancel; /* the token */
	const struct clock *clock;
	uint64_t end_us; /* of the monotonic clock; UINT64_MAX: none */
};

/* Starts it: it ends after so many milliseconds (0: never), and when `also` (may be NULL) ends. It
 * must not be moved or copied afterwards. clock NULL: the real one. */
void deadline_start(struct deadline *d, uint64_t ms, const struct clock *clock,
		    const struct cancel *also);
/* Milliseconds that are left; 0: it has passed. UINT64_MAX: there is none. NULL: the same. */
uint64_t deadline_left_ms(const struct deadline *d);
/* Has it passed, and nothing else asked to stop? Then an ERR_CANCELLED comes from it. */
bool deadline_passed(const struct deadline *d);

#endif
