/*
 * The buffers of pieces while they arrive and until they are verified: a bounded amount of memory,
 * and for pieces that are too long for it, files without a name on the store's disk. So memory is
 * bounded for any piece length, and no byte that was not verified has a name.
 *
 * One thread at a time uses a pool; a piece that was taken from it may be used by any.
 */
#ifndef FERRY_FETCH_POOL_H
#define FERRY_FETCH_POOL_H

#include "util/base.h"
#include "util/err.h"

#define POOL_MEMORY (80 * MIB) /* the default */
#define POOL_LEAST 3           /* pieces of a length that memory must have room for */
#define POOL_SCRATCH 16        /* pieces at a time that are in files */

struct pool_piece {
	unsigned char *data; /* NULL: it is in the file */
	int fd;              /* -1: it is in memory */
	uint64_t size;
};

struct pool {
	uint64_t memory;                      /* bytes of all buffers, at most */
	uint64_t used;                        /* bytes, of the kept ones, too */
	unsigned scratch;                     /* pieces in files */
	struct pool_piece kept[POOL_SCRATCH]; /* for the next pieces: new memory is slow */
	size_t kept_count;
};

/* memory 0: POOL_MEMORY. */
void pool_init(struct pool *p, uint64_t memory);
void pool_release(struct pool *p); /* when every piece was given back */

/* Is there room for another piece of this size? There always is for the first one. */
bool pool_has_room(const struct pool *p, uint64_t size);
/* dir: for the file. */
WARN_UNUSED int pool_take(struct pool *p, uint64_t size, const char *dir, struct pool_piece *out,
			  struct err *e);
void pool_give(struct pool *p, struct pool_piece *piece); /* safe twice */

/* Different bytes of a piece may be written by several threads at once. */
WARN_UNUSED int pool_write(const struct pool_piece *p, uint64_t at, const void *data, size_t len,
			   struct err *e);
/* The bytes from `at` on: borrowed memory of the piece, or read into room, which has POOL_READ
 * bytes. *len: how many there are, at least one before the end. */
#define POOL_READ (256 * KIB)
WARN_UNUSED int pool_read(const struct pool_piece *p, uint64_t at, void *room, const void **data,
			  size_t *len, struct err *e);
/* Copies all of it into a file. */
WARN_UNUSED int pool_copy_to(const struct pool_piece *p, int fd, uint64_t offset, const char *path,
			     struct err *e);

#endif
