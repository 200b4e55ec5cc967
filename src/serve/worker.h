/*
 * worker: threads for what may wait: key sets, Redis, documents. And jobs for later, which are
 * those of transfers that have to pause.
 *
 * Prefixes: worker_.
 */
#ifndef FERRY_SERVE_WORKER_H
#define FERRY_SERVE_WORKER_H

#include "util/base.h"

/* A member of the caller's own struct; the pool neither copies nor frees it. */
struct worker_job {
	struct worker_job *next; /* of the pool, as is */
	uint64_t due_us;         /* of the monotonic clock */
	void (*run)(struct worker_job *job);
};

struct worker_pool;
struct worker_pool *worker_pool_new(unsigned threads);
/* Runs all that was posted, without waiting for the time of later jobs; then ends its threads. */
void worker_pool_free(struct worker_pool *p);

/* Calls job->run(job) soon, from one of the threads. Does not wait. */
void worker_post(struct worker_pool *p, struct worker_job *job);
/* The same after so many milliseconds. */
void worker_post_later(struct worker_pool *p, struct worker_job *job, uint64_t ms);
/* How many jobs wait for a thread. */
size_t worker_waiting(struct worker_pool *p);

#endif
