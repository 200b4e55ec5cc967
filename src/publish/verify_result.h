/*
 * verify_result: what verify found out about the files of each mirror.
 *
 * Prefixes: verify_
 */
#ifndef FERRY_PUBLISH_VERIFY_RESULT_H
#define FERRY_PUBLISH_VERIFY_RESULT_H

#include "publish/audit.h"
#include "publish/release.h"
#include "mirror/findings.h"

enum verify_verdict {
	VERIFY_NONE, /* the mirror does not hold this class of file, or another share has it */
	VERIFY_OK,
	VERIFY_UNVERIFIED,
	VERIFY_MISSING,
	VERIFY_WRONG_SIZE,
	VERIFY_CORRUPT,
	VERIFY_STALE,       /* timestamp.json, catalog.json: of an older release */
	VERIFY_FOREIGN,     /* of a newer release, of another publisher's or of another repository,
			       or a web page */
	VERIFY_UNREACHABLE, /* could not be read; nothing is known about it */
	VERIFY_NOT_CHECKED, /* the run was interrupted first */
	VERIFY_CHANGED, /* a file of others (mirror_ops.others_files) is no longer this version */
	VERIFY_VERDICTS
};

enum verify_how {
	VERIFY_BY_NOTHING,
	VERIFY_BY_DIGEST,    /* the mirror reported the right digest */
	VERIFY_BY_COMPOSITE, /* the mirror reported the right composite checksum of the pieces */
	VERIFY_BY_SAMPLE,    /* audit.pieces pieces were read */
	VERIFY_BY_BYTES,     /* all was read */
};

struct verify_file {
	const struct repository_file *file;
	enum verify_verdict verdict;
	enum verify_how how;
	bool other_parts;     /* the mirror reports a composite checksum of other parts, which
				 proves nothing */
	uint64_t actual_size; /* unless missing or unreachable */
	struct audit audit;   /* with CORRUPT: where */
	char *error; /* with UNREACHABLE: why; with CHANGED: how; with FOREIGN perhaps what it is;
			else NULL */
	enum err_class class; /* and the class of that */
};

struct verify_mirror {
	/* in */
	const char *id;        /* borrowed */
	const char *kind;      /* for the report; borrowed, may be NULL */
	char *url;             /* for the report, without secrets; owned, may be NULL */
	struct mirror *mirror; /* borrowed; NULL: it could not be opened, error says why */
	enum mirror_holds holds;
	/* in and out: set when the mirror could not be reached, or not any more */
	struct err error;
	/* out; verify_mirror_release() */
	struct verify_file *files; /* one for each of the tree's, in its order */
	size_t count;
	size_t held;                      /* files of the tree that it should hold, in all shares */
	size_t verdicts[VERIFY_VERDICTS]; /* how many files have each */
	bool showed;                      /* the release was read */
	struct release release;           /* then */
	bool elsewhere;                   /* it holds another repository */
	bool expired;                     /* its timestamp.json has expired: clients reject it */
	uint64_t bytes_read;              /* of objects and metadata */
	struct mirror_findings readers;   /* what they cannot read because of its mode */
};
void verify_mirror_release(struct verify_mirror *m);

const char *verify_mirror_result(const struct verify_mirror *m); /* "ok", "fault", … */
/* Does the mirror have a proven fault? */
bool verify_is_bad(const struct verify_mirror *m);
/* Does the mirror answer with web pages instead of files? */
bool verify_is_no_mirror(const struct verify_mirror *m);
bool verify_verdict_is_bad(enum verify_verdict v);
/* "size only: content not checked": for a file that is unverified. */
const char *verify_unverified_reason(const struct verify_file *f);
const char *verify_verdict_name(enum verify_verdict v); /* "wrong-size" */
const char *verify_how_name(enum verify_how h);         /* "sample"; of NOTHING, "size" */
/* Appends, for people, what is wrong or how it was verified. */
void verify_describe(const struct verify_file *f, struct buf *out);

/* The outcome of the run, as of verify_run(). */
WARN_UNUSED int verify_sum_up(const struct verify_mirror *mirrors, size_t count, struct err *e);

#endif
