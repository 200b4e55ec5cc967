/*
 * verify: a verdict for each file of the repository on each mirror, compared with the publisher's
 * own tree.
 *
 * What always holds here:
 *  - "ok" always has the way it was verified; if only the size was compared, the verdict is
 *    "unverified";
 *  - nothing is written to a mirror;
 *  - metadata, catalog.json and timestamp.json are small: they are read and compared in
 *    every mode. The modes differ in what is read of the objects.
 */
#ifndef FERRY_PUBLISH_VERIFY_H
#define FERRY_PUBLISH_VERIFY_H

#include "publish/audit.h"
#include "publish/release.h"
#include "publish/inventory.h"

enum verify_mode {
	VERIFY_QUICK,  /* no objects; only what the mirror reports about them */
	VERIFY_SAMPLE, /* random pieces of each */
	VERIFY_FULL,   /* every byte */
};

enum verify_verdict {
	VERIFY_NONE, /* the mirror does not hold this class of file */
	VERIFY_OK,
	VERIFY_UNVERIFIED,
	VERIFY_MISSING,
	VERIFY_WRONG_SIZE,
	VERIFY_CORRUPT,
	VERIFY_STALE,       /* timestamp.json, catalog.json: of an older release */
	VERIFY_FOREIGN,     /* of a newer release, or of another publisher's */
	VERIFY_UNREACHABLE, /* could not be read; nothing is known about it */
	VERIFY_VERDICTS
};

enum verify_how {
	VERIFY_BY_NOTHING,
	VERIFY_BY_DIGEST, /* the mirror reported the right digest */
	VERIFY_BY_SAMPLE, /* audit.pieces pieces were read */
	VERIFY_BY_BYTES,  /* all was read */
};

struct verify_file {
	const struct repository_file *file;
	enum verify_verdict verdict;
	enum verify_how how;
	uint64_t actual_size; /* unless missing or unreachable */
	struct audit audit;   /* with CORRUPT: where */
	char *error;          /* with UNREACHABLE: why; else NULL */
};

struct verify_mirror {
	/* in */
	const char *id;        /* borrowed */
	struct mirror *mirror; /* borrowed; NULL: it could not be opened, error says why */
	enum mirror_holds holds;
	/* in and out: set when the mirror could not be reached, or not any more */
	struct err error;
	/* out; verify_mirror_release() */
	struct verify_file *files; /* one for each of the tree's, in its order */
	size_t count;
	size_t verdicts[VERIFY_VERDICTS]; /* how many files have each */
	struct release release;           /* with metadata only */
	bool expired;                     /* its timestamp.json has expired: clients reject it */
	uint64_t bytes_read;              /* of objects and metadata */
};
void verify_mirror_release(struct verify_mirror *m);

struct verify_options {
	enum verify_mode mode;
	uint64_t samples; /* pieces of each object, with VERIFY_SAMPLE */
	uint64_t seed;    /* the same seed reads the same pieces */
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
 * failures. e has a summary.
 */
WARN_UNUSED int verify_run(const struct tree *t, struct verify_mirror *mirrors, size_t count,
			   const struct verify_options *o, struct err *e);

/* Does the mirror have a proven fault? */
bool verify_is_bad(const struct verify_mirror *m);
bool verify_verdict_is_bad(enum verify_verdict v);
const char *verify_verdict_name(enum verify_verdict v); /* "wrong-size" */
const char *verify_how_name(enum verify_how h);         /* "sample" */
/* Appends, for people, what is wrong or how it was verified. */
void verify_describe(const struct verify_file *f, struct buf *out);

#endif
