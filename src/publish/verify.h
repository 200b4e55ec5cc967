/*
 * verify: a verdict for each file of the repository on each mirror, compared with the publisher's
 * own tree.
 *
 * What always holds here:
 *  - "ok" always has the way it was verified; if only the size was compared, the verdict is
 *    "unverified";
 *  - nothing is written to a mirror;
 *  - metadata, catalog.json and timestamp.json are small: they are read and compared in
 *    every mode. The modes differ in what is read of the objects;
 *  - several mirrors, several files of each and several parts of one file are read at once. The
 *    verdicts do not depend on the order in which that happens.
 */
#ifndef FERRY_PUBLISH_VERIFY_H
#define FERRY_PUBLISH_VERIFY_H

#include "publish/share.h"
#include "publish/verify_result.h"
#include "util/retry.h"

enum verify_mode {
	VERIFY_QUICK,  /* no objects; only what the mirror reports about them */
	VERIFY_SAMPLE, /* random pieces of each */
	VERIFY_FULL,   /* every byte */
};

struct verify_options {
	enum verify_mode mode;
	uint64_t samples;   /* pieces of each object, with VERIFY_SAMPLE */
	uint64_t seed;      /* the same seed reads the same pieces */
	struct share share; /* only these objects; the first share has all that is small, too */
	int64_t now_s;
	unsigned threads;       /* mirrors at a time */
	const char *record_dir; /* of the tree: corrupt files are recorded for the next push
				   (verified.h); NULL: they are not */
	const struct retry *retry;
	const struct cancel *cancel; /* NULL: nothing stops it */
	struct report *report;
};

/*
 * Returns 0 if no fault was found. ERR_FAULT if a file is missing, wrong, corrupt, stale or
 * foreign, or a timestamp has expired, even if something else could not be reached. If there is
 * no such finding but a mirror or file could not be read, the most serious class of these
 * failures. e has a summary. ERR_CANCELLED if it was interrupted; then, too, the verdicts say what
 * was checked before.
 */
WARN_UNUSED int verify_run(const struct tree *t, struct verify_mirror *mirrors, size_t count,
			   const struct verify_options *o, struct err *e);

/* Records the corrupt files of a mirror for the next push (verified.h). verify_run() does that;
 * this is for results of other machines, of the release of this tree. record_dir: as above. */
void verify_record(const struct tree *t, const struct verify_mirror *m, const char *record_dir);

#endif
