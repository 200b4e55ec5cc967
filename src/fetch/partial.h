/*
 * A file in the making: <hex>.part and its journal in the store. Knows which pieces are
 * there, takes verified pieces in any order, keeps the whole-file digest up to date from the
 * start of the file on, and commits.
 *
 * Pieces that come in order are hashed for the whole file while they arrive; those that came
 * before their turn are read back once when their turn comes.
 */
#ifndef FERRY_FETCH_PARTIAL_H
#define FERRY_FETCH_PARTIAL_H

#include "fetch/journal.h"
#include "hash/pieces.h"
#include "store/store.h"
#include "util/report.h"

struct partial {
	const struct store *store;
	const char *name;               /* for messages; borrowed */
	struct pieces pieces;           /* its digests are borrowed */
	int fd, lock_fd;
	char *path;
	struct journal journal;
	bool *have;                     /* grid.count */
	uint32_t missing;               /* pieces */
	uint64_t kept;                  /* bytes of an earlier run that were still right */
};
#define PARTIAL_INIT BRACES(.fd = -1, .lock_fd = -1, .journal = JOURNAL_INIT)

/*
 * Opens or makes the partial (of a damaged blob, if there is one), and hashes again what its
 * journal claims. Waits for another
 * process that works on the same file (a note says so); *done: the blob is in the store now,
 * *out was not opened. Wrong claims are no error: those pieces are missing.
 */
WARN_UNUSED int partial_open(const struct store *s, const char *name,
			     const struct digest *sha256, const struct grid *grid,
			     const struct digest *pieces, struct report *report,
			     struct partial *out, bool *done, struct err *e);
void partial_close(struct partial *p);      /* keeps the files; safe twice; for CLEANUP */

/* Removes what a process left that was killed when its file was the blob already. As far as
 * that goes: it is in nobody's way. */
void partial_tidy(const struct store *s, const struct digest *sha256);

uint64_t partial_missing_bytes(const struct partial *p);

/* The first run of missing pieces; false when none is missing. */
bool partial_next_run(const struct partial *p, uint32_t *first, uint32_t *count);

/* Ends the check of a piece that began with pieces_begin(&p->pieces), and writes the piece if it is
 * right. After an error the partial can only be closed. */
WARN_UNUSED int partial_put(struct partial *p, const struct pieces_check *check, const void *data,
			    bool *right, struct err *e);

/* All pieces are there: checks the whole file's digest and commits. */
WARN_UNUSED int partial_finish(struct partial *p, struct err *e);

#endif
