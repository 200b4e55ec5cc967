/*
 * Room for one piece while it arrives. Up to 64 MiB it is memory; a longer piece (of a
 * file over 640 GB) lies in a nameless file of the store's disk, so that memory stays
 * bounded whatever the piece length.
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

/* dir: where a nameless file may be made. */
WARN_UNUSED int pool_piece_open(struct pool_piece *r, uint64_t size, const char *dir,
				struct err *e);
void pool_piece_close(struct pool_piece *r);    /* safe twice; for CLEANUP */

#endif
