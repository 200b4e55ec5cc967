/*
 * One pass over a file that gives all its digests: the whole file, each piece of its
 * grid, and each of any number of ranges (GGUF tensors).
 *
 * The file is read once into a ring of shared blocks. Two lanes follow the ring: the whole file
 * together with its pieces, and the ranges; the pieces have a third lane where hashing both
 * together gains nothing. Who wants to look at the bytes has a lane, too. A few threads, at most
 * one for each core, always work on the lane that is farthest behind. The digest of the whole file
 * cannot be split, so with two cores everything takes about as long as that digest alone. Memory is
 * the ring: 8 MiB for any size.
 */
#ifndef FERRY_HASH_ONEPASS_H
#define FERRY_HASH_ONEPASS_H

#include "hash/grid.h"
#include "util/cancel.h"
#include "util/report.h"

/* Ranges are sorted by offset and do not overlap; they end within the file. */
struct hash_range {
	uint64_t offset, size; /* bytes */
	struct digest digest;  /* set by onepass_run() */
};

struct onepass {
	struct grid grid;          /* in: of the file's size */
	struct digest *pieces;     /* in: room for grid.count, filled; or NULL */
	struct hash_range *ranges; /* in: may be NULL; digests filled */
	size_t range_count;
	const int *copy_to; /* in: a file that gets the bytes that were hashed; NULL: none */
	/* in: NULL, or gets all bytes in order, a MiB at a time, from any of the threads but never
	 * from two at once. */
	void (*look)(void *ctx, const void *data, size_t len);
	void *look_ctx;
	const struct cancel *cancel; /* in: NULL: nothing stops it */
	struct digest whole;         /* out */
};

/* Reads fd from offset 0 with pread. `what` names the file in messages and the task in the
 * report, which is called from any of the threads. A file that is shorter or longer than
 * grid.size is ERR_INTEGRITY ("changed while it was read"); so is one that is copied and was
 * written to meanwhile. */
WARN_UNUSED int onepass_run(struct onepass *p, int fd, const char *what, struct report *report,
			    struct err *e);

#endif
