/*
 * The journal beside a partial file: which pieces were verified and written. It is a hint, never
 * a proof: on resuming, the pieces that it lists are hashed again. So it is never synced: after a
 * power failure, records may be missing, or stand for pieces that did not get to the disk.
 *
 * Form (little-endian): a header of 64 bytes
 *   0  8  "ferryjnl"      8  4  version 1     12  4  zero
 *  16  8  size of the file, bytes            24  8  piece length
 *  32 32  SHA-256 of the file
 * then records of 16 bytes
 *   0  4  piece index     4  4  zero          8  8  the first 8 bytes of SHA-256 over
 *                                                   the header and the 8 bytes before
 *
 * Each record is one write at a multiple of its size. A torn or damaged record is skipped without
 * affecting others, and a later one may be written over a torn one at the end. One process at a
 * time writes to a journal; its threads may.
 */
#ifndef FERRY_FETCH_JOURNAL_H
#define FERRY_FETCH_JOURNAL_H

#include "hash/grid.h"

#include <stdatomic.h>

#define JOURNAL_HEADER 64
#define JOURNAL_RECORD 16

struct journal {
	int fd; /* -1: not open */
	char *path;
	uint8_t header[JOURNAL_HEADER];
	atomic_ullong at; /* of the next record */
	bool is_new;      /* there was none of this file: pieces must be found otherwise */
	char *set_aside;  /* what the one found there was renamed to; NULL: none */
};
#define JOURNAL_INIT BRACES(.fd = -1)

/* Sets claimed[i] for each piece that is recorded for this file; the others are not changed.
 * False when the header is not that of this file. */
bool journal_parse(const void *data, size_t len, const struct grid *grid,
		   const struct digest *sha256, bool *claimed);

/* The same for the journal at path; nothing is claimed if it is missing or for another file.
 * *ours: there is one of this file. */
WARN_UNUSED int journal_read(const char *path, const struct grid *grid, const struct digest *sha256,
			     bool *claimed, bool *ours, struct err *e);

/* Opens for writing, and sets claimed as above. Any other file there is set aside
 * (store_partial_set_aside()), unless it ends within the header, and a link is removed. */
WARN_UNUSED int journal_open(const char *path, const struct grid *grid, const struct digest *sha256,
			     bool *claimed, struct journal *out, struct err *e);
/* Any thread may. After an error, the next record goes on behind the failed one. */
WARN_UNUSED int journal_add(struct journal *j, uint32_t piece, struct err *e);
void journal_close(struct journal *j); /* safe twice; for CLEANUP */

#endif
