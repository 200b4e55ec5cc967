/*
 * push: updates mirrors to the current release of the repository.
 *
 * What always holds here:
 *  - on each mirror the order is: objects, versioned metadata, the signature of catalog.json,
 *    catalog.json, timestamp.json. At any moment, also after the push was killed, readers find
 *    either the complete old release or the complete new one;
 *  - catalog.json and timestamp.json are written only when at least `quorum` mirrors hold every
 *    object, verified, and never to a mirror that lacks an object;
 *  - "verified" means: the mirror reports the right digest, or this publisher read the object
 *    back, now or in an earlier push since which the mirror reports it unchanged (verified.h).
 *    The right size alone is never enough;
 *  - mirrors marked `stage` show a release before the others; if one of them fails, the others
 *    keep the old release;
 *  - a mirror that shows a newer release is not changed (ERR_CONFLICT);
 *  - the failure of one mirror does not stop the others.
 */
#ifndef FERRY_PUBLISH_PUSH_H
#define FERRY_PUBLISH_PUSH_H

#include "util/retry.h"
#include "publish/push_plan.h"

enum push_outcome {
	PUSH_FAILED,       /* error says why */
	PUSH_UP_TO_DATE,   /* there was nothing to do */
	PUSH_DONE,         /* updated to the current release */
	PUSH_OBJECTS_ONLY, /* --stage: it has the objects; the release is not shown */
	PUSH_HELD_BACK,    /* it has everything, but readers do not see it: no quorum */
	PUSH_PLANNED,      /* dry run: there are changes to send */
	PUSH_READ_ONLY,    /* this kind cannot be written */
	PUSH_EXAMINED,     /* count_only */
	PUSH_NOT_STARTED,  /* the checks before the first byte stopped the run */
};

struct push_mirror {
	/* in */
	const char *id;        /* borrowed */
	struct mirror *mirror; /* borrowed; NULL: it could not be opened, error says why */
	const struct settings_mirror *settings; /* borrowed, or NULL */
	enum mirror_holds holds;
	bool stage;
	bool count_only; /* not written, but counts for the quorum */
	/* in and out */
	struct err error;
	/* out; push_mirror_release() */
	enum push_outcome outcome;
	struct release before; /* what it showed; only for mirrors with metadata */
	struct push_plan plan; /* as it was decided */
	bool holds_objects;    /* it has every object, verified */
	size_t puts, reads;    /* files written, and read back */
	uint64_t put_bytes, read_bytes;
	uint64_t resumed_bytes; /* found of earlier uploads */
	uint64_t copied_bytes;  /* of objects, copied by the mirror itself */
	uint64_t reread_bytes;  /* read again from the tree, because it could not keep up */
	size_t retries;         /* calls that were tried again */
	bool published;         /* readers see what was put earlier (mirror_publish()) */
	bool hidden;            /* readers do not see yet what was put */
};
void push_mirror_release(struct push_mirror *m);

struct preflight;

struct push_options {
	bool dry_run;
	bool stage;       /* the release is shown only on mirrors marked stage; objects go
			     to all */
	bool recheck;     /* also read back what was verified earlier */
	const bool *only; /* of the tree's files: only these objects, and no metadata; NULL: all */
	bool repair;      /* only what is wrong, of the releases that mirrors show
			     (push_repair.h) */
	uint64_t quorum;  /* number of mirrors that must hold every object; 0:
			     all that count */
	unsigned threads; /* number of mirrors that are planned, checked and shown the
			     release at a time */
	/* Called when all mirrors are planned, before the first byte; an error stops the run. */
	int (*approve)(void *ctx, const struct push_mirror *mirrors, size_t count, struct err *e);
	void *approve_ctx;
	const char *again;           /* the command that continues the run, for a hint; NULL: "ferry
					push" */
	const char *record_dir;      /* of the tree; NULL: no record */
	struct preflight *preflight; /* what is checked before the first byte; NULL: nothing */
	const struct retry *retry;   /* for each transfer */
	const struct cancel *cancel; /* NULL: nothing stops it */
	struct report *report;
};

struct push_result {
	uint64_t quorum;       /* as it applied */
	uint64_t counted;      /* mirrors that count: they hold objects and can be written.
				  Production mirrors, or stage mirrors if there are no others */
	uint64_t holding;      /* how many of these hold every object */
	bool changed;          /* anything was written */
	uint64_t source_bytes; /* of objects, read from the tree for all mirrors */
	uint64_t reread_bytes; /* of these, read again for mirrors that could not keep up */
	uint64_t memory_bytes; /* of objects in memory, the most at a time */
};

/*
 * Returns 0 if every mirror is up to date. Otherwise an error that summarises, with the most
 * serious class of the mirrors' errors: integrity, conflict, auth, system, usage, not found,
 * network. ERR_USAGE if there are fewer mirrors than the quorum. Outcomes and result are always
 * filled in.
 */
WARN_UNUSED int push_run(const struct tree *t, struct push_mirror *mirrors, size_t count,
			 const struct push_options *o, struct push_result *result, struct err *e);

const char *push_outcome_name(enum push_outcome o); /* "up-to-date" */
/* The severity of a class if several mirrors failed; higher is more serious. */
int push_gravity(enum err_class class);

#endif
