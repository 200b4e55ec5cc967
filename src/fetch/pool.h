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

struct piece_room {
	unsigned char *data;
	size_t size;
};

/* dir: where a nameless file may be made. */
WARN_UNUSED int piece_room_open(struct piece_room *r, uint64_t size, const char *dir,
				struct err *e);
void piece_room_close(struct piece_room *r);    /* safe twice; for CLEANUP */

#endif
