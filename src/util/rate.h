/*
 * A limit of bytes per second that any number of connections and threads share.
 *
 * Each byte has its place in one queue: who takes some waits until they are due. Time that
 * went by unused is no credit, so there is no burst after a pause.
 */
#ifndef FERRY_UTIL_RATE_H
#define FERRY_UTIL_RATE_H

#include "util/clock.h"

struct rate {
	uint64_t bytes_per_s;           /* 0: no limit */
	const struct clock *clock;      /* NULL: the real one */
	_Atomic uint64_t due_us;        /* when all that was taken so far has passed */
};

/* Waits until `bytes` more may have passed. r NULL: at once. Any thread may call it. */
WARN_UNUSED int rate_take(struct rate *r, uint64_t bytes, const struct cancel *cancel,
			  struct err *e);

/* The limit, or 0 when there is none. */
static inline uint64_t rate_limit(const struct rate *r)
{
	return r ? r->bytes_per_s : 0;
}

#endif
