/*
 * push: brings mirrors to the state of the repository.
 *
 * What always holds here:
 *  - on each mirror objects come first, versioned metadata next, catalog.json with its
 *    signature just before it, and timestamp.json last: whoever reads a mirror at any moment,
 *    or after the push was killed at any moment, finds either the old release whole or the
 *    new one whole;
 *  - catalog.json and timestamp.json go nowhere before at least `quorum` mirrors hold
 *    every object, verified; and to no mirror that lacks one itself;
 *  - "verified" means: the mirror tells the right digest, or this publisher read the
 *    object back, now or at an earlier push since when the mirror reports it unchanged
 *    (record.h). A right size alone is never enough;
 *  - mirrors marked `stage` show a release before the others do, and when one of them
 *    fails, the others keep the old one;
 *  - a mirror that shows a newer release than ours is left as it is (ERR_CONFLICT);
 *  - one mirror's failure stops no other.
 */
#ifndef FERRY_PUBLISH_PUSH_H
#define FERRY_PUBLISH_PUSH_H

#include "util/retry.h"
#include "publish/push_plan.h"

enum push_outcome {
	PUSH_FAILED,            /* error says why */
	PUSH_UP_TO_DATE,        /* nothing was to be done */
	PUSH_DONE,              /* brought to the repository's state */
	PUSH_OBJECTS_ONLY,      /* --stage: objects are there, the release is not shown */
	PUSH_HELD_BACK,         /* all is there but catalog.json and timestamp.json */
	PUSH_PLANNED,           /* dry run: there would be something to do */
	PUSH_READ_ONLY,         /* this kind cannot be written */
	PUSH_EXAMINED,          /* count_only */
};

struct push_mirror {
	/* in */
	const char *id;                 /* borrowed */
	struct mirror *mirror;          /* borrowed; NULL: it did not open, error says why */
	enum mirror_holds holds;
	bool stage;
	bool count_only;                /* not to be written, but counts for the quorum */
	/* in and out */
	struct err error;
	/* out; push_mirror_release() */
	enum push_outcome outcome;
	struct release before;          /* what it showed; with metadata only */
	struct push_plan plan;               /* as it was decided */
	bool holds_objects;             /* every object is there, verified */
	size_t puts, reads;             /* files written, and read back */
	uint64_t put_bytes, read_bytes;
};
void push_mirror_release(struct push_mirror *m);

struct push_options {
	bool dry_run;
	bool stage;             /* the release is shown on mirrors marked stage only; objects
	                           go everywhere */
	bool recheck;           /* read back also what was verified earlier */
	uint64_t quorum;        /* mirrors that must hold every object; 0: all that count */
	unsigned threads;       /* mirrors at a time that are planned, checked, and shown the release */
	const char *record_dir; /* of the tree; NULL: no record */
	const struct retry *retry;      /* for each transfer */
	const struct cancel *cancel;    /* NULL: nothing stops it */
	struct report *report;
};

struct push_result {
	uint64_t quorum;        /* as it applied */
	uint64_t counted;       /* mirrors that count: they hold objects and can be written;
	                           those for production, or for stage if there are no others */
	uint64_t holding;       /* of these, how many hold every object */
	bool changed;           /* anything was written */
	uint64_t source_bytes;  /* of objects, read from the tree for all mirrors together */
	uint64_t reread_bytes;  /* of these, again for a mirror that could not keep up */
};

/*
 * Returns 0 when every mirror is as it should be. Else the error sums up, its class
 * being the gravest of the mirrors': integrity, conflict, auth, system, usage, not found,
 * network. ERR_USAGE when the quorum cannot be reached by as many mirrors as there are.
 * Outcomes and result are filled in any case.
 */
WARN_UNUSED int push_run(const struct tree *t, struct push_mirror *mirrors, size_t count,
			 const struct push_options *o, struct push_result *result,
			 struct err *e);

const char *push_outcome_name(enum push_outcome o);     /* "up-to-date" */
/* How grave a class is when several mirrors failed: higher is graver. */
int push_gravity(enum err_class class);

#endif
