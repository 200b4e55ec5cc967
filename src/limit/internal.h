/* limit, inside: the clients, and what the thread that asks Redis has of them. */
#ifndef FERRY_LIMIT_INTERNAL_H
#define FERRY_LIMIT_INTERNAL_H

#include "limit/gcra.h"
#include "limit/limit.h"

#include <pthread.h>
#include <stdatomic.h>

enum limit_kind { LIMIT_REQUESTS, LIMIT_BYTES, LIMIT_KINDS };

/* Of one client and kind. */
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

struct limit_client {
	struct limit_client *next; /* of its bucket */
	struct limit_shard *shard;
	char *name;
	struct limit_count counts[LIMIT_KINDS];
	unsigned connections;
	unsigned held; /* by questions, and by those that wait for them: it stays */
	struct {
		struct limit_client *next; /* of the questions to Redis */
	} queued[LIMIT_KINDS];
};

#define LIMIT_BUCKETS 1024
struct limit_shard {
	pthread_mutex_t lock; /* held for moments */
	pthread_cond_t answered;
	struct limit_client *buckets[LIMIT_BUCKETS];
	struct limit_client rest; /* all clients for which there is no room */
	size_t count;
	double swept_us;
};

#endif
