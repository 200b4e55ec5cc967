/* Shared by pull.c (the list of pulls, and its threads), pull_run.c (what a thread does with one)
 * and pull_read.c (its readers); not for others. */
#ifndef FERRY_SERVE_CACHE_PULL_INTERNAL_H
#define FERRY_SERVE_CACHE_PULL_INTERNAL_H

#include "fetch/partial.h"
#include "serve/cache/pull.h"
#include "serve/cache/pull_sources.h"
#include "serve/cache/fleet.h"

#include <pthread.h>
#include <stdatomic.h>

#define PULL_AHEAD 4      /* pieces that a reader is thought to want */
#define PULL_BUCKETS 1024 /* of the table by digest */
#define PULL_THREADS 64
#define PULL_PATIENCE_MS 30000 /* without a piece, while somebody waits for more */

enum pull_state {
	PULL_QUEUED,
	PULL_RUNNING,
	PULL_WHOLE,
	PULL_FAILED,
};

/* When a reader wants a piece: it waits for it, or is going to. */
enum pull_when {
	PULL_NOW,
	PULL_SOON,
	PULL_WHENS,
};

/* Of one piece. */
struct pull_wish {
	uint32_t readers[PULL_WHENS]; /* that want it */
	bool queued[PULL_WHENS];      /* it is in that queue */
};

struct pull {
	struct pulls *pulls;
	struct view *view;
	struct view_file file; /* its texts are the view's */
	struct digest sha256;
	char *name; /* for messages */
	struct grid grid;
	bool by_piece; /* the digests of its pieces are signed; set before the first piece */
	struct partial partial;
	bool single; /* partial_open_single() */
	struct digest *pieces;
	struct fleet *fleet; /* with other edges, while it runs; or NULL */

	/* Of pulls->lock. */
	struct pull *next;  /* in its bucket */
	bool listed;        /* it is in its bucket */
	struct pull *later; /* in its queue, or among those that failed */
	unsigned refs;      /* of readers, and one of the queue, its thread, or the failed */
	enum pull_urgency urgency;
	bool preload; /* it is fetched also when nobody waits for it any more */
	unsigned tries;
	uint64_t not_before_ms;

	/* Readers look without a lock: a piece is set after its bytes are on the disk. */
	_Atomic int state;             /* enum pull_state */
	_Atomic unsigned char *there;  /* grid.count */
	_Atomic unsigned char *flying; /* the same */
	_Atomic int fd;                /* to read from; -1: nothing is there */
	_Atomic uint64_t sealed_ns;    /* its time when the last piece had arrived; 0: it has not */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t woken;
	struct err why; /* of PULL_FAILED */
	struct cache_wait *waits;
	struct cache_wait *waking; /* whose function is being called, */
	pthread_t waker;           /* by this thread */
	bool is_waking;
	struct pull_wish *wishes; /* of each piece */
	/* Pieces that readers want or wanted, in order. */
	struct pull_queue {
		uint32_t *at;
		size_t count;
	} queues[PULL_WHENS];
	uint64_t landed_ms; /* the last piece; 0: none */
};

struct pulls {
	struct pulls_options o;
	struct settings_fetch fetch;
	struct cancel ending;
	struct pull_sources *sources;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool stopped;
	struct pull *buckets[PULL_BUCKETS];
	struct pull *queues[2]; /* by urgency */
	struct pull *failed;    /* which are not begun again yet; the latest first */
	unsigned queued, idle, running;
	struct rate rate; /* of all of them together; its own lock */
	pthread_t threads[PULL_THREADS];
	unsigned thread_count;
	struct pulls_stats stats;
};

/* -- pull_run.c ---------------------------------------------------------------------------- */
/* Fetches all of it. Waits. */
WARN_UNUSED int pull_run(struct pull *p, struct err *e);

/* -- pull_read.c --------------------------------------------------------------------------- */
/* A piece is there now; a piece that was there is not any more. */
void pull_landed(struct pull *p, uint32_t piece);
void pull_lost(struct pull *p, uint32_t piece);
/* The pull has ended (PULL_WHOLE, or PULL_FAILED for the reason `why`): wakes all readers. */
void pull_tell_end(struct pull *p, enum pull_state state, const struct err *why);
/* The n-th piece that readers want, counted from 0: first those that they wait for, then, with
 * *ahead, those that they will want next. ENGINE_NO_PIECE: there are no more. */
uint32_t pull_wanted(struct pull *p, size_t n, bool *ahead);
/* Does a reader wait for this piece? */
bool pull_is_wanted(struct pull *p, uint32_t piece);
/* Does a reader wait? */
bool pull_is_waited_for(struct pull *p);

#endif
