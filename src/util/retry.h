/*
 * Trying again: exponential backoff with full jitter
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/): the n-th wait is
 * random between 0 and base * 2^n, at most cap. A server's Retry-After is the minimum wait, up to
 * a limit of its own.
 *
 *   struct retry r = RETRY_DEFAULT;
 *   do {
 *           rc = http_perform(…, &response, e);
 *   } while (rc < 0 && retry_again(&r, e));
 *
 * Only ERR_NETWORK is retried.
 */
#ifndef FERRY_UTIL_RETRY_H
#define FERRY_UTIL_RETRY_H

#include "util/clock.h"

struct retry {
	unsigned max_tries; /* the first one included */
	uint64_t base_ms, cap_ms;
	uint64_t max_retry_after_s;  /* a longer Retry-After ends the retries */
	const struct clock *clock;   /* NULL: the real one */
	const struct random *random; /* NULL: the real one */
	const struct cancel *cancel; /* ends a wait; NULL: nothing does */
	unsigned tries;              /* failed so far */
};
#define RETRY_DEFAULT \
	BRACES(.max_tries = 5, .base_ms = 500, .cap_ms = 30000, .max_retry_after_s = 300)

/* After a failed try. True: waited, *e is cleared, try again. False: no more; e says why
 * (the failure, or ERR_CANCELLED when the wait was interrupted). */
bool retry_again(struct retry *r, struct err *e);

/* After a success: the next failure counts as the first one. */
void retry_reset(struct retry *r);

/* The same without an error: counts a failed try and waits. 0: try again; 1: no more;
 * ERR_CANCELLED when the wait was interrupted. */
WARN_UNUSED int retry_wait(struct retry *r, uint64_t retry_after_s, struct err *e);
/* For callers that wait differently: counts a failed try. False: no more; else *pause_ms is the
 * pause before the next one. */
bool retry_pause(struct retry *r, uint64_t retry_after_s, uint64_t *pause_ms);

#endif
