/*
 * feed: the tree's objects on their way to several mirrors, each piece read and hashed once for
 * all of them.
 *
 * Each mirror has a reader, which goes through its files in the tree's order. The first reader
 * that comes to a piece reads it from the tree; the others find it in a bounded pool, where it
 * stays until all that still want it have had it. So the readers keep together, at most the pool
 * apart. One that holds the others up for longer than `patience_ms` is left behind: nothing is
 * kept for it any more, and it reads again by itself what the others have had (reread_bytes).
 *
 * Readers run on threads of their own; several threads may share one (feed_next()).
 */
#ifndef FERRY_PUBLISH_FEED_H
#define FERRY_PUBLISH_FEED_H

#include "publish/tree.h"

struct feed_options {
	uint64_t memory;        /* bytes of the pool; 0: FEED_MEMORY. It has room for two pieces
				   at least; a reader that is left behind has one more for itself */
	uint64_t patience_ms;   /* 0: FEED_PATIENCE_MS */
};
#define FEED_PATIENCE_MS 15000
#define FEED_MEMORY (64 * MIB)

struct feed_stats {
	uint64_t read_bytes;    /* from the tree, altogether */
	uint64_t reread_bytes;  /* of these, more than once */
};

struct feed_piece {
	uint8_t *data;          /* verified */
	size_t len;
	uint32_t index;
};

struct feed;
struct feed *feed_new(const struct tree *t, size_t readers, const struct feed_options *o);
void feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed, feed_free);
struct feed_stats feed_stats(struct feed *f);

/* Before the first thread: the reader will ask for the tree's file. */
void feed_want(struct feed *f, size_t reader, size_t file);

/* The reader begins with a file that it wants, later in the tree's order than the one before.
 * *pieces is borrowed until feed_finish(). ERR_INTEGRITY when the file is not what was signed. */
WARN_UNUSED int feed_begin(struct feed *f, size_t reader, size_t file,
			   const struct tree_pieces **pieces, struct err *e);
/* The next piece of the file that the upload lacks; NULL: there is no more. To be given back. */
WARN_UNUSED int feed_next(struct feed *f, size_t reader, struct mirror_upload *u,
			  const struct feed_piece **out, struct err *e);
void feed_give_back(struct feed *f, const struct feed_piece *p);
/* The reader is through with the file that it began: before its upload is closed. */
void feed_finish(struct feed *f, size_t reader);
/* The reader wants nothing any more: it is done, or has failed. */
void feed_end(struct feed *f, size_t reader);

#endif
