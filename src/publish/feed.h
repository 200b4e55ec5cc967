/*
 * feed: reads the tree's objects for several mirrors; each piece is read and hashed once for all
 * of them.
 *
 * Each mirror has a reader, which begins its files in the order of the tree (several may be open at
 * a time) and takes the pieces of each. The first reader that needs a piece reads it from
 * the tree; the others find it in a bounded pool, where it stays until all readers that need it
 * have taken it. So the size of the pool limits how far the readers can be apart. A reader that
 * delays the others for longer than `patience_ms` is left behind: the pool keeps nothing for it any
 * more, and it reads the pieces again by itself (reread_bytes).
 *
 * Readers run on threads of their own, and each may have several.
 */
#ifndef FERRY_PUBLISH_FEED_H
#define FERRY_PUBLISH_FEED_H

#include "publish/tree.h"

struct feed_options {
	uint64_t memory;      /* size of the pool, at least one piece; 0: FEED_MEMORY. There may be
				 one piece more, and one of each reader that is left behind */
	uint64_t patience_ms; /* 0: FEED_PATIENCE_MS */
};
#define FEED_PATIENCE_MS 15000
#define FEED_MEMORY (128 * MIB)

struct feed_stats {
	uint64_t read_bytes;   /* from the tree, in total */
	uint64_t reread_bytes; /* of these, read more than once */
	uint64_t most_bytes;   /* in the pool at a time */
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
/* What this reader has read again. */
uint64_t feed_reread_bytes(struct feed *f, size_t reader);

/* Call it before the first thread starts: the reader will begin this file of the tree. */
void feed_want(struct feed *f, size_t reader, size_t file);

/* The reader begins a wanted file, which is later in the tree's order than those that it has begun
 * before. *pieces is borrowed until feed_finish(). ERR_INTEGRITY when the file does not match the
 * signed metadata; after an error the file counts as finished. */
WARN_UNUSED int feed_begin(struct feed *f, size_t reader, size_t file,
			   const struct tree_pieces **pieces, struct err *e);
/* The next piece of a file that it has begun, which the upload lacks and no other thread of the
 * reader has taken; NULL: no more. The caller must give it back, and must not wait for another
 * piece before. */
WARN_UNUSED int feed_next(struct feed *f, size_t reader, size_t file, struct mirror_upload *u,
			  const struct feed_piece **out, struct err *e);
/* Reads a piece once more, verified, into data: of a file that the reader has begun and not
 * finished, else ERR_CONFLICT. From any thread; without the pool. */
WARN_UNUSED int feed_again(struct feed *f, size_t reader, size_t file, uint32_t piece, void *data,
			   struct err *e);
void feed_give_back(struct feed *f, size_t reader, const struct feed_piece *p);
/* The reader has finished the file, and has given back its pieces; call it before the upload is
 * closed. */
void feed_finish(struct feed *f, size_t reader, size_t file);
/* The reader needs nothing more: it is done or has failed, and has finished all that it began. */
void feed_end(struct feed *f, size_t reader);

#endif
