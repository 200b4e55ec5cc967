/*
 * The thread that asks Redis, and the circuit breaker.
 *
 * It is open while there is no connection: nobody asks. A question that has no answer in time opens
 * it; the thread then tries to connect, with pauses that grow from 0.25 to 10 seconds.
 */
#ifndef FERRY_LIMIT_SHARED_H
#define FERRY_LIMIT_SHARED_H

#include "limit/internal.h"

/* How long what a process has told of its connections holds: so Redis forgets one that is gone. */
#define LIMIT_LEASE_MS 12000

struct limit_shared;
/* Waits up to half a second, or as long as for an answer, for the first connection. ERR_USAGE for a
 * place that is none. The limits are borrowed. */
WARN_UNUSED int limit_shared_new(struct limit *l, const struct limit_options *o,
				 struct limit_shared **out, struct err *e);
void limit_shared_free(struct limit_shared *s);

bool limit_shared_is_open(const struct limit_shared *s);
/* A request has waited for an answer for too long: opens the breaker. */
void limit_shared_trip(struct limit_shared *s);
/* With the lock of its shard: asks for `units`, unless a question is on its way. The answer is in
 * the client's counts, and the shard's condition is signalled. */
void limit_shared_ask(struct limit_shared *s, struct limit_client *c, enum limit_kind kind,
		      uint64_t units);
/* With the lock of its shard: tells Redis how many connections it has here, and asks how many it
 * has at other processes. */
void limit_shared_tell(struct limit_shared *s, struct limit_client *c);
void limit_shared_stats(struct limit_shared *s, struct limit_stats *out);

#endif
