/*
 * An unfinished file: <hex>.part and its journal in the store. Tracks which pieces exist, accepts
 * verified pieces in any order, advances the whole-file digest from the start, and commits.
 *
 * Pieces that arrive in order are hashed for the whole file at the same time; those that arrived
 * early are read back once when it is their turn.
 */
#ifndef FERRY_FETCH_PARTIAL_H
#define FERRY_FETCH_PARTIAL_H

#include "fetch/journal.h"
#include "hash/pieces.h"
#include "store/store.h"
#include "util/report.h"

struct partial {
	const struct store *store;
	const char *name;     /* for messages; borrowed */
	struct pieces pieces; /* its digests are borrowed */
	int fd, lock_fd;
	uint64_t alive_ms; /* when that was shown last */
	char *path;
	struct journal journal;
	bool *have;       /* grid.count */
	uint32_t missing; /* pieces */
	uint64_t kept;    /* bytes from an earlier run that were still correct */
};
#define PARTIAL_INIT BRACES(.fd = -1, .lock_fd = -1, .journal = JOURNAL_INIT)

/*
 * Opens or creates the partial (from a damaged blob, if there is one) and hashes the pieces in
 * its journal again. Waits for another process that works on the same file, with a note that names
 * it, but only while that process gets on; *done: the blob is now in the store and *out was not
 * opened. Pieces that do not match are simply missing.
 */
WARN_UNUSED int partial_open(const struct store *s, const char *name, const struct digest *sha256,
			     const struct grid *grid, const struct digest *pieces,
			     struct report *report, struct partial *out, bool *done, struct err *e);
void partial_close(struct partial *p); /* keeps the files; safe twice; for CLEANUP */

/* Shows processes that wait that this one gets on. Cheap: call it whenever bytes arrive. */
void partial_alive(struct partial *p);

/* For partial_open(): takes the lock. A process that holds it without getting on for
 * PARTIAL_PATIENCE_MS is no longer waited for: a warning names it, and the work is done beside it,
 * as where locks do not work. */
#define PARTIAL_PATIENCE_MS 60000
WARN_UNUSED int partial_lock(struct partial *p, struct report *report, struct err *e);

/* Removes what a process left that was killed after its file had become the blob. Failures are
 * ignored: the leftovers do no harm. */
void partial_tidy(const struct store *s, const struct digest *sha256);

uint64_t partial_missing_bytes(const struct partial *p);

/* The first run of missing pieces; false when none is missing. */
bool partial_next_run(const struct partial *p, uint32_t *first, uint32_t *count);

/* Ends the check of a piece that started with pieces_begin(&p->pieces), and writes the piece if it
 * is right. After an error the partial can only be closed. */
WARN_UNUSED int partial_put(struct partial *p, const struct pieces_check *check, const void *data,
			    bool *right, struct err *e);

/* When all pieces exist: checks the digest of the whole file and commits. */
WARN_UNUSED int partial_finish(struct partial *p, struct err *e);

#endif
