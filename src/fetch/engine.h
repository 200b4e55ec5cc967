/*
 * The engine: brings any number of files from the sources into their partial files.
 *
 * Threads with blocking calls, a connection each. Pieces are handed out in file order from one
 * window that moves over all files, so that the digest of each whole file keeps up with the
 * pieces:
 *
 *   lane      a source in this run: how many connections it gets, how fast it is
 *   flight    a piece on its way: a buffer, and the ranges of it that are still to come
 *   window    what is done next: which range, from which source; what is late
 *   landing   a piece that arrived: hashed, written, or its source blamed
 *
 * What always holds here:
 *  - a piece comes from one source, unless that fails in the middle; if a piece that came from
 *    several is wrong, nobody is blamed, and it is fetched again from one. A source that sends a
 *    wrong piece is banned for the run;
 *  - only verified pieces are written to a partial file, each by one thread;
 *  - a piece that has arrived waits for the pieces before it, and is then hashed once, for itself
 *    and for the whole file. When a piece before it is late, it is hashed alone and written, and
 *    read again later;
 *  - a late piece is also asked for elsewhere: the first right answer counts;
 *  - memory is that of the buffers (pool.h), whatever the files are;
 *  - of a file that is read while it arrives (engine_job.wants), the pieces that somebody waits for
 *    come first, and each is verified alone as soon as it is there.
 */
#ifndef FERRY_FETCH_ENGINE_H
#define FERRY_FETCH_ENGINE_H

#include "fetch/partial.h"
#include "fetch/source.h"
#include "util/rate.h"

#define ENGINE_NO_PIECE UINT32_MAX

struct delta;

struct engine_options {
	struct rate *rate; /* shared with other files and mirrors; NULL: no limit */
	struct report *report;
	unsigned connections; /* to a source, at most; 0: LANE_MOST */
	uint64_t max_memory;  /* of the buffers, bytes; 0: POOL_MEMORY */
};

/* A file. */
struct engine_job {
	const char *key;  /* on every source */
	const char *name; /* for messages, and of its task */
	struct grid grid;
	struct delta *delta; /* what the store has of it (delta.h); NULL: nothing */
	/* Others take its pieces from here: each is verified as soon as it is there, although that
	 * means to hash it twice where an earlier one is still missing. */
	bool shared;
	/* Called from one of the threads before the file's first piece: sets partial, or done if
	 * the store has the file now. An error is the file's. */
	int (*open)(struct engine_job *j, struct err *e);
	/* The same when all of it is there, and right: syncs and commits. Called once, and only
	 * after open succeeded. */
	int (*finish)(struct engine_job *j, struct err *e);
	/*
	 * For those who read the file while it arrives; each may be NULL. All are called from any
	 * of the threads; wants and may while the engine is locked: they must not wait.
	 *
	 * wants: the n-th piece that somebody waits for, the most urgent first; then, with *ahead,
	 * those that somebody is going to wait for; ENGINE_NO_PIECE after the last. Those that are
	 * there already are ignored.
	 * landed: the piece is verified, and on the disk. from: where it came from; NULL: it was
	 * there, or several sources sent it.
	 * lost: a piece of which that was said is wrong on the disk now, and is fetched again.
	 * flies: the piece is on its way, or not any more, without having landed; while the engine
	 * is locked.
	 * may: whether this source may be asked for this piece now.
	 */
	uint32_t (*wants)(struct engine_job *j, size_t n, bool *ahead);
	void (*landed)(struct engine_job *j, uint32_t piece, const struct source *from);
	void (*lost)(struct engine_job *j, uint32_t piece);
	void (*flies)(struct engine_job *j, uint32_t piece, bool on_its_way);
	bool (*may)(struct engine_job *j, const struct source *s, uint32_t piece);
	void *ctx;

	/* out */
	struct partial *partial; /* by open; the caller closes it after the run */
	bool done;
	bool over;             /* why is its result */
	struct err why;        /* class 0: it is there */
	uint64_t fetched;      /* bytes: downloaded and verified, */
	uint64_t resumed;      /* from an earlier run, */
	uint64_t reused;       /* from other files of the store, */
	uint64_t hashed_twice; /* and read again for the digest of the whole file */
};

/*
 * Returns when each file is there or has failed. 0 when all are there; else the first failure in
 * the order of the jobs: source_list_err() when no source is left for a file, ERR_INTEGRITY when
 * its pieces are right but the whole is not, ERR_SYSTEM when the disk fails, ERR_CANCELLED.
 * Verified pieces are kept in any case; the sources record what each of them did.
 */
WARN_UNUSED int engine_run(struct source_list *sources, struct engine_job *jobs, size_t count,
			   const struct engine_options *options, struct err *e);

#endif
