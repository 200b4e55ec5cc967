/*
 * An unfinished file: a .part and its journal in the store. Says which pieces an earlier run seems
 * to have written, takes verified pieces in any order, and commits.
 *
 * No other process writes to the same file. Only the holder of the lock uses the usual name; a
 * process that cannot have the lock uses a name of its own (store/partials.h), and continues what
 * ended processes left. A warning says when a file is downloaded twice because of that.
 */
#ifndef FERRY_FETCH_PARTIAL_H
#define FERRY_FETCH_PARTIAL_H

#include "fetch/journal.h"
#include "fetch/pool.h"
#include "hash/pieces.h"
#include "store/partials.h"
#include "util/report.h"

struct partial {
	const struct store *store;
	const char *name;           /* for messages; borrowed */
	struct pieces pieces;       /* its digests are borrowed */
	int fd, lock_fd, direct_fd; /* direct_fd: os_open_direct(), or -1 */
	atomic_ullong alive_ms;     /* when that was shown last */
	struct store_partial names; /* its files */
	const char *path;           /* names.part */
	struct journal journal;
	bool *claimed; /* grid.count; pieces of an earlier run, if they are right: not hashed yet */
};
#define PARTIAL_INIT BRACES(.fd = -1, .lock_fd = -1, .direct_fd = -1, .journal = JOURNAL_INIT)

/*
 * Opens or creates the partial (from a damaged blob, if there is one). What its journal claims, and
 * what the disk has beyond that, is for the caller to hash. Where the journal is missing, or is set
 * aside with a warning because it is damaged, of another file or of another version of the
 * format, that is all that the disk has; if the file system does not tell what it has, the whole
 * file, unless it is new. Waits for another process that works on the same file, with a note that
 * names it, but only while that process gets on; *done: the blob is now in the store and *out was
 * not opened.
 */
WARN_UNUSED int partial_open(const struct store *s, const char *name, const struct digest *sha256,
			     const struct grid *grid, const struct digest *pieces,
			     struct report *report, struct partial *out, bool *done, struct err *e);
void partial_close(struct partial *p); /* keeps the files; safe twice; for CLEANUP */

/* The same for a file of one piece that nothing is there of: it has no name before it is complete,
 * no journal and no lock. False: use partial_open(). */
WARN_UNUSED bool partial_open_single(const struct store *s, const char *name,
				     const struct digest *sha256, const struct grid *grid,
				     const struct digest *pieces, struct partial *out);
WARN_UNUSED int partial_finish_single(struct partial *p, struct err *e);

/* Shows waiting processes that this one makes progress. Cheap: call it whenever bytes arrive. */
void partial_alive(struct partial *p);

/* For partial_open(): takes the lock, or names of its own; a process that holds the lock without
 * getting on for PARTIAL_PATIENCE_MS is no longer waited for. Sets p->names and p->lock_fd. */
#define PARTIAL_PATIENCE_MS 60000
WARN_UNUSED int partial_lock(struct partial *p, struct report *report, struct err *e);
/* The same: sets claimed[i] for each piece of which the disk has something. With a journal, only if
 * the file system tells which parts of a file were never written; else the journal alone says what
 * is claimed. Of what reaches beyond the end of the file, nothing is. */
void partial_claims(int fd, const struct grid *grid, bool has_journal, bool *claimed);
/* For a plan: the bytes of pieces that partial_open() would claim. Locks and changes nothing. */
WARN_UNUSED int partial_expect(const struct store *s, const struct digest *sha256,
			       const struct grid *grid, uint64_t *bytes, struct err *e);

/* Removes what a process left that was killed after its file had become the blob. Failures are
 * ignored: the leftovers do no harm. */
void partial_tidy(const struct store *s, const struct digest *sha256);

/* Writes a verified piece, around the page cache if it can, and records it. Different pieces may be
 * written by several threads at once. When the disk is full, the error says how much is missing;
 * what was written stays. */
WARN_UNUSED int partial_write(struct partial *p, uint32_t piece, const struct pool_piece *bytes,
			      struct err *e);

/* When all pieces are in p->pieces: is the digest of the whole file right? ERR_INTEGRITY. */
WARN_UNUSED int partial_check(const struct partial *p, struct err *e);
/* The same; then syncs and commits: the bytes are on the disk before the blob has its name. */
WARN_UNUSED int partial_finish(struct partial *p, struct err *e);

#endif
