/*
 * A limit in bytes per second, shared by any number of connections and threads.
 *
 * All bytes are in one queue: a caller waits until its bytes are due. Unused time is not saved
 * up, so there is no burst after a pause.
 */
#ifndef FERRY_UTIL_RATE_H
#define FERRY_UTIL_RATE_H

#include "util/clock.h"

struct rate {
	uint64_t bytes_per_s;      /* 0: no limit */
	const struct clock *clock; /* NULL: the real one */
	_Atomic uint64_t due_us;   /* when everything taken so far is due */
};

/* Waits until `bytes` more may pass. r NULL: returns at once. Any thread may call it. */
WARN_UNUSED int rate_take(struct rate *r, uint64_t bytes, const struct cancel *cancel,
			  struct err *e);

/* The limit, or 0 when there is none. */
static inline uint64_t rate_limit(const struct rate *r)
{
	return r ? r->bytes_per_s : 0;
}

#endif
