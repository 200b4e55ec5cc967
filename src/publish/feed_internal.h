/* Shared by the files of feed: feed.c (readers), feed_order.c (who comes first) and feed_pool.c
 * (the pieces in memory). All functions need the feed's lock. */
#ifndef FERRY_PUBLISH_FEED_INTERNAL_H
#define FERRY_PUBLISH_FEED_INTERNAL_H

#include "publish/feed.h"

#include <pthread.h>

#define FEED_NO_MORE UINT32_MAX

struct feed_slot {
	struct feed_piece piece;
	size_t file;
	unsigned users; /* threads that use it or wait for it */
	unsigned *by;   /* of each reader */
	bool over;      /* it was read although the pool was full */
	enum { LOADING, READY, FAILED } state;
	struct feed_slot *next;
};

/* What a reader needs of a file. */
struct feed_demand {
	enum { UNWANTED, TO_COME, BEGUN, FINISHED } state;
	uint32_t next;                /* piece that it takes next; FEED_NO_MORE: it has taken all */
	struct mirror_upload *upload; /* while it is begun; NULL: not known yet */
};

struct feed_file {
	struct tree_object object;
	bool open, opening;
	unsigned again;         /* threads that read pieces of it once more */
	bool *was_read;         /* of pieces; allocated with the first one */
	struct feed_demand *by; /* each reader; NULL: no reader wants it */
};

struct feed_reader {
	bool ended, behind;
	size_t first;  /* file: it has taken all that it wants of the files before */
	unsigned held; /* pieces that its threads have or load */
	uint64_t reread_bytes;
};

/* Where a piece is in the order of the tree. */
struct feed_place {
	size_t file;
	uint32_t piece;
};

/* A thread that waits for a piece. Its reader counts it as taken already. */
struct feed_taker {
	size_t reader;
	struct feed_place at;
	struct feed_taker *next;
};

struct feed_spare {
	uint8_t *data;
	size_t len;
	struct feed_spare *next;
};

struct feed {
	const struct tree *tree;
	uint64_t memory, patience_ms;
	size_t reader_count;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	struct feed_file *files;
	struct feed_reader *readers;
	struct feed_taker *takers;
	struct feed_slot *slots;
	uint64_t used;
	/* Buffers of dropped pieces, to be used again for others of the same length: freeing and
	 * allocating them each time would fragment the heap, far beyond the size of the pool. */
	struct feed_spare *spares;
	uint64_t spare_bytes;
	struct feed_stats stats;
};

/* ---- feed_order.c ---- */

/* NULL: no reader needs the file. */
struct feed_demand *feed_demand(const struct feed *f, size_t reader, size_t file);
bool feed_is_wanted(const struct feed *f, const struct feed_slot *s);
/* Is the reader neither done nor left behind? */
bool feed_takes_part(const struct feed *f, size_t reader);
/* Is there no such reader that still needs a piece before this one? */
bool feed_is_first(struct feed *f, struct feed_place at);
/* Has a reader that was left behind caught up? */
void feed_catch_up(struct feed *f, size_t reader);
/* Leaves behind the readers that are farthest back, if they hold this one up. */
void feed_leave_behind(struct feed *f, size_t reader);
/* Closes those of the files from..to-1 that no reader will take pieces of any more. */
void feed_close_files(struct feed *f, size_t from, size_t to);

/* ---- feed_pool.c ---- */

/* Waits for a change, or for a short time, because a signal may arrive. */
WARN_UNUSED int feed_wait(struct feed *f, uint64_t *waited_ms, struct err *e);
/* Waits until there is room; t->next is set. */
WARN_UNUSED int feed_take(struct feed *f, struct feed_taker *t, struct feed_slot **out,
			  struct err *e);
void feed_slot_leave(struct feed *f, size_t reader, struct feed_slot *s);
void feed_pool_free(struct feed *f);

#endif
