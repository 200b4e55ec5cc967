/* limit, inside: the clients, and what the thread that asks Redis has of them. */
#ifndef FERRY_LIMIT_INTERNAL_H
#define FERRY_LIMIT_INTERNAL_H

#include "limit/gcra.h"
#include "limit/limit.h"

#include <pthread.h>
#include <stdatomic.h>

/* What Redis is asked about. The first ones are rates. */
enum limit_kind { LIMIT_REQUESTS, LIMIT_BYTES, LIMIT_RATES, LIMIT_OPEN = LIMIT_RATES, LIMIT_KINDS };

/* Of one client and rate. */
struct limit_count {
	double tat_us;       /* what this process has admitted */
	uint64_t portion;    /* taken from Redis, and not used yet */
	double portion_us;   /* until then */
	double refused_us;   /* Redis refused; until then it is not asked again */
	uint64_t left, full; /* what Redis said last: units; microseconds until all are free */
	double asked_us;     /* when it was asked last */
	uint64_t wanted;     /* of the question that is on its way */
	bool asking;
};

/* The connections of one client. */
struct limit_open {
	unsigned here, others; /* others: of the other processes, as Redis said last */
	double said_us;        /* when that was; 0: it did not answer */
	unsigned told;         /* what Redis was told last, or is being told */
	bool asking;
};

struct limit_client {
	struct limit_client *next; /* of its bucket */
	struct limit_shard *shard;
	char *name;
	struct limit_count counts[LIMIT_RATES];
	struct limit_open open;
	unsigned held; /* by limit_hold(), by questions, and by those that wait for them */
	struct limit_client *next_asked[LIMIT_KINDS]; /* in the lists of questions to Redis */
};

/* -- the table of clients ---------------------------------------------------------------------- */

#define LIMIT_SHARDS 16
#define LIMIT_BUCKETS 1024
struct limit_shard {
	pthread_mutex_t lock; /* held for moments */
	pthread_cond_t answered;
	struct limit_client *buckets[LIMIT_BUCKETS];
	struct limit_client rest; /* all clients for which there is no room */
	size_t count;
	double swept_us;
};

struct limit_table {
	const struct clock *clock;
	uint64_t seed;
	struct limit_shard shards[LIMIT_SHARDS];
};
WARN_UNUSED int limit_table_init(struct limit_table *t, const struct clock *clock, struct err *e);
void limit_table_release(struct limit_table *t);
struct limit_client *limit_table_hold(struct limit_table *t, const char *name);
void limit_lock(struct limit_client *c); /* its shard */
void limit_unlock(struct limit_client *c);
uint64_t limit_table_count(struct limit_table *t);

/* -- the limits -------------------------------------------------------------------------------- */

struct limit {
	struct gcra gcra[LIMIT_RATES]; /* rate 0: no limit */
	uint64_t portion[LIMIT_RATES]; /* units of one question to Redis */
	uint64_t window_s;
	char policy[64];
	unsigned wait_ms; /* for an answer of Redis */
	unsigned connections;
	const struct clock *clock;
	struct limit_shared *shared; /* or NULL */
	atomic_ullong admitted, refused, without_redis;
	struct limit_table table;
};

/* Redis is configured, and answers. */
bool limit_asks_redis(const struct limit *l);

#endif
