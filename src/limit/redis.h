/*
 * A Redis that counts for several processes. The only user of hiredis.
 *
 * For each client and kind of unit it has a key "ferry:limit:KIND:CLIENT" with the time of GCRA,
 * which a script reads and changes in one step, by the clock of Redis. The key expires when the
 * client has everything again. What processes hold at a time is in a hash
 * "ferry:limit:KIND:CLIENT", with a field for each process: how many, and until when that counts.
 *
 * One thread at a time. Each answer is waited for at most `wait_ms`, but for the name of the host,
 * which is resolved as long as the system takes.
 *
 * Prefixes: redis_limit_.
 */
#ifndef FERRY_LIMIT_REDIS_H
#define FERRY_LIMIT_REDIS_H

#include "limit/gcra.h"
#include "util/err.h"

struct redis_limit;
/* "redis://HOST[:PORT][/DB]" or "unix:PATH": ERR_USAGE for anything else. Does not connect. */
WARN_UNUSED int redis_limit_new(const char *place, const char *password, unsigned wait_ms,
				struct redis_limit **out, struct err *e);
void redis_limit_free(struct redis_limit *r);

/* Connects, unless it is connected. ERR_NETWORK, or ERR_AUTH. */
WARN_UNUSED int redis_limit_connect(struct redis_limit *r, struct err *e);

#define REDIS_LIMIT_BATCH 128

struct redis_limit_ask {
	const char *kind, *client;
	struct gcra gcra;  /* if lease_ms is 0: a rate */
	unsigned lease_ms; /* how long it counts what this process holds */
	uint64_t units;    /* of a rate, that are wanted; or that are held now */
	/* The answer: */
	uint64_t granted, left; /* left: that are free after it; or that other processes hold */
	uint64_t wait_us;       /* granted 0: until one is free */
	uint64_t full_us;       /* until all are */
};
/* Asks all at once, at most REDIS_LIMIT_BATCH. An error closes the connection: no answer counts. */
WARN_UNUSED int redis_limit_take(struct redis_limit *r, struct redis_limit_ask *asks, size_t count,
				 struct err *e);

#endif
