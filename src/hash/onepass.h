/*
 * One pass over a file that gives all its digests: the whole file, each piece of its
 * grid, and each of any number of ranges (GGUF tensors).
 *
 * The file is read once into a ring of shared buffers; each kind of digest has a
 * lane of its own, a thread that follows the ring. A lane is never slower than the
 * whole-file digest, which cannot be split, so on three cores all of it costs what
 * the whole-file digest alone costs. Memory is the ring: under 16 MiB at any size.
 */
#ifndef FERRY_HASH_ONEPASS_H
#define FERRY_HASH_ONEPASS_H

#include "hash/grid.h"
#include "util/report.h"

/* Ranges are sorted by offset and do not overlap; they end within the file. */
struct hash_range {
	uint64_t offset, size;  /* bytes */
	struct digest digest;   /* set by onepass() */
};

struct onepass {
	struct grid grid;               /* in: of the file's size */
	struct digest *pieces;          /* in: room for grid.count; filled */
	struct hash_range *ranges;      /* in: may be NULL; digests filled */
	size_t range_count;
	struct digest whole;            /* out */
};

/* Reads fd from offset 0 with pread. `what` names the file in messages and the task
 * in the report. A file that is shorter or longer than grid.size is ERR_INTEGRITY
 * ("changed while it was read"). Cancellable. */
WARN_UNUSED int onepass_run(struct onepass *p, int fd, const char *what, struct report *report,
			    struct err *e);

#endif
