/*
 * Trying again: exponential backoff with full jitter
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): the n-th wait
 * is random between 0 and base * 2^n, at most cap. A server's Retry-After is the least
 * wait, up to a cap of its own.
 *
 *   struct retry r = RETRY_DEFAULT;
 *   do {
 *           rc = http_perform(…, &response, e);
 *   } while (rc < 0 && retry_again(&r, e));
 *
 * Only ERR_NETWORK is tried again.
 */
#ifndef FERRY_UTIL_RETRY_H
#define FERRY_UTIL_RETRY_H

#include "util/base.h"
#include "util/err.h"

/* Clock and chance, injected by tests. */
struct retry_env {
	/* 0, or a negative class with e set (ERR_CANCELLED) when it ended early. */
	int (*sleep_ms)(void *ctx, uint64_t ms, struct err *e);
	uint64_t (*random)(void *ctx, uint64_t below);  /* 0 … below - 1; below > 0 */
	void *ctx;
};

struct retry {
	unsigned max_tries;             /* the first one included */
	uint64_t base_ms, cap_ms;
	uint64_t max_retry_after_s;     /* a longer wish ends the trying */
	const struct retry_env *env;    /* NULL: the real ones */
	unsigned tries;                 /* failed so far */
	uint64_t waited_ms;             /* altogether */
};
#define RETRY_DEFAULT { .max_tries = 5, .base_ms = 500, .cap_ms = 30000, \
			.max_retry_after_s = 300 }

/* After a failed try. True: waited, *e is cleared, try again. False: no more; e says why
 * (the failure, or ERR_CANCELLED when the wait was interrupted). */
bool retry_again(struct retry *r, struct err *e);

/* A success in between: the next failure counts as the first. */
void retry_reset(struct retry *r);

/* Sleeps unless a signal asks to stop, which it sees within 100 ms: ERR_CANCELLED. */
WARN_UNUSED int retry_sleep_ms(uint64_t ms, struct err *e);

#endif
