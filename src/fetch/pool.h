/*
 * A buffer for one piece while it arrives. Up to 64 MiB it is in memory; a longer piece (of a
 * file over 640 GB) is in an unnamed file on the store's disk, so that memory use is bounded for
 * any piece length.
 */
#ifndef FERRY_FETCH_POOL_H
#define FERRY_FETCH_POOL_H

#include "util/base.h"
#include "util/err.h"

#define PIECE_MEMORY_MAX (64 * MIB)

struct pool_piece {
	unsigned char *data;
	size_t size;
};

/* dir: for the unnamed file. */
WARN_UNUSED int pool_piece_open(struct pool_piece *r, uint64_t size, const char *dir,
				struct err *e);
void pool_piece_close(struct pool_piece *r); /* safe twice; for CLEANUP */

#endif
