/*
 * limit: how many requests and bytes a second a client may have, and how many connections.
 *
 * GCRA (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm), in this process or shared over
 * Redis. Shared limits are taken from Redis in small portions, ahead of their use, so that hardly a
 * request waits for it; when Redis fails, a circuit breaker opens, and each process applies the
 * limits on its own until it answers again. Each process tells Redis how many connections a client
 * has there, and then learns how many the others have; so the first connection of a client at each
 * process is always accepted.
 *
 *   gcra    the algorithm
 *   open    how many connections are open
 *   redis   one Redis, asked for many clients at once
 *   shared  the thread that asks Redis, and the circuit breaker
 *   table   the clients
 */
#ifndef FERRY_LIMIT_LIMIT_H
#define FERRY_LIMIT_LIMIT_H

#include "util/clock.h"
#include "util/err.h"

struct limit_options {
	double requests_s;    /* for each client; 0: no limit */
	uint64_t burst;       /* requests that may come at once */
	uint64_t bytes_s;     /* 0: no limit */
	unsigned connections; /* at a time; 0: no limit */
	const char *redis;    /* "redis://HOST:PORT/DB", "unix:PATH"; NULL: this process alone */
	const char *redis_password; /* or NULL */
	unsigned redis_wait_ms;     /* for an answer; 0: 50 */
	const struct clock *clock;
};
struct limit;
WARN_UNUSED int limit_new(const struct limit_options *o, struct limit **out, struct err *e);
void limit_free(struct limit *l);
DEFINE_CLEANUP(struct limit, limit_free);

struct limit_state {    /* draft-ietf-httpapi-ratelimit-headers */
	uint64_t limit; /* requests of a window: the burst; 0: no limit */
	uint64_t window_s;
	uint64_t remaining;
	uint64_t reset_s;       /* until it is full again */
	uint64_t retry_after_s; /* LIMIT_NO: when the next one is admitted */
	const char *policy;     /* RateLimit-Policy: always the same; borrowed. NULL: no limit */
};
/* The client of this name, which is of a key or of an address (IPv6: the /64). It stays in memory
 * until limit_release(). NULL if no limit is set: the functions below then admit everything. */
struct limit_client *limit_hold(struct limit *l, const char *name);
void limit_release(struct limit_client *c);

enum limit_result { LIMIT_YES, LIMIT_NO, LIMIT_ASK };
/* One request. Does not wait: LIMIT_ASK means limit_ask() in a worker, which has the answer. */
WARN_UNUSED enum limit_result limit_request(struct limit *l, struct limit_client *c,
					    struct limit_state *out);
WARN_UNUSED enum limit_result limit_ask(struct limit *l, struct limit_client *c,
					struct limit_state *out);
/* Bytes that may be sent now, which then count: at most `wanted`; 0: none before *wait_ms have
 * passed. */
uint64_t limit_bytes(struct limit *l, struct limit_client *c, uint64_t wanted, uint64_t *wait_ms);
/* Does not wait. False: there are too many. A client stays in memory while it is connected, even if
 * nobody holds it. */
bool limit_connect(struct limit *l, struct limit_client *c);
void limit_disconnect(struct limit *l, struct limit_client *c);

struct limit_stats {
	bool shared;                /* Redis is configured */
	bool open;                  /* the circuit breaker: Redis is not asked */
	uint64_t admitted, refused; /* requests */
	uint64_t asked, failed;     /* questions to Redis; failed: that had no answer, and attempts
				       to connect */
	uint64_t without_redis;     /* requests that were admitted or refused without it, although
				       it is configured */
	uint64_t clients;
	char fault[256]; /* why it is open, on one line; "" */
};
void limit_stats(struct limit *l, struct limit_stats *out);

#endif
