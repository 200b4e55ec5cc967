/*
 * feed: reads the tree's objects for several mirrors; each piece is read and hashed once for all
 * of them.
 *
 * Each mirror has a reader, which processes its files in the order of the tree. The first reader
 * that needs a piece reads it from the tree; the others find it in a bounded pool, where it stays
 * until all readers that need it have used it. So the readers are never further apart than the
 * size of the pool. A reader that delays the others for longer than `patience_ms` is left behind:
 * nothing is kept for it any more, and it reads the pieces again by itself (reread_bytes).
 *
 * Readers run on threads of their own; several threads may share one (feed_next()).
 */
#ifndef FERRY_PUBLISH_FEED_H
#define FERRY_PUBLISH_FEED_H

#include "publish/tree.h"

struct feed_options {
	uint64_t memory;      /* size of the pool; 0: FEED_MEMORY. At least two pieces; a
				 reader that is left behind has one more */
	uint64_t patience_ms; /* 0: FEED_PATIENCE_MS */
};
#define FEED_PATIENCE_MS 15000
#define FEED_MEMORY (64 * MIB)

struct feed_stats {
	uint64_t read_bytes;   /* from the tree, in total */
	uint64_t reread_bytes; /* of these, read more than once */
};

struct feed_piece {
	uint8_t *data; /* verified */
	size_t len;
	uint32_t index;
};

struct feed;
struct feed *feed_new(const struct tree *t, size_t readers, const struct feed_options *o);
void feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed, feed_free);
struct feed_stats feed_stats(struct feed *f);

/* Call it before the first thread starts: the reader will request this file of the tree. */
void feed_want(struct feed *f, size_t reader, size_t file);

/* The reader starts a requested file, which is later in the tree's order than its previous one.
 * *pieces is borrowed until feed_finish(). ERR_INTEGRITY when the file does not match the signed
 * metadata. */
WARN_UNUSED int feed_begin(struct feed *f, size_t reader, size_t file,
			   const struct tree_pieces **pieces, struct err *e);
/* The next piece that the upload lacks; NULL: no more. The caller must give it back. */
WARN_UNUSED int feed_next(struct feed *f, size_t reader, struct mirror_upload *u,
			  const struct feed_piece **out, struct err *e);
void feed_give_back(struct feed *f, const struct feed_piece *p);
/* The reader has finished its file; call it before the upload is closed. */
void feed_finish(struct feed *f, size_t reader);
/* The reader needs nothing more: it is done or has failed. */
void feed_end(struct feed *f, size_t reader);

#endif
