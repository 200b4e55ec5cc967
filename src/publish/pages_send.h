/*
 * pages_send: brings a site to the mirrors, below site/.
 *
 * What always holds here:
 *  - a mirror gets only the site of the release that it shows;
 *  - files are sent in an order in which nothing links to what is not there yet: assets, pages of
 *    models, lists, what is about all, and index.html last. A mirror whose files become visible
 *    together gets them together. If it is interrupted, readers still have a site that works;
 *  - only what is new or changed is sent: by the digest that the mirror reports or, if it reports
 *    none, by the record of what was sent (verified.h);
 *  - removed is only what is below site/, is not of this build, and has been of no use for longer
 *    than the grace period (pages_old.h): pages that readers have open still ask for their assets.
 */
#ifndef FERRY_PUBLISH_PAGES_SEND_H
#define FERRY_PUBLISH_PAGES_SEND_H

#include "publish/pages.h"
#include "publish/pages_old.h"
#include "publish/prune_keep.h"
#include "publish/tree.h"
#include "util/report.h"

enum pages_outcome {
	PAGES_FAILED,
	PAGES_LEFT_OUT,   /* it cannot have a site; see reason */
	PAGES_PLANNED,    /* dry_run */
	PAGES_UP_TO_DATE, /* nothing had to be done */
	PAGES_SENT,
	PAGES_BEHIND, /* prune_only: it has another build, or shows another release, so nothing was
			 removed */
};
const char *pages_outcome_name(enum pages_outcome o); /* "up-to-date"; stable: in the JSON output */

/* What an earlier site left there, to be removed. */
struct pages_old {
	char *key;
	uint64_t size;
	bool removed;
};

struct pages_mirror {
	/* in */
	const char *id;        /* borrowed */
	struct mirror *mirror; /* borrowed; NULL: it could not be opened, error says why */
	enum mirror_holds holds;
	/* in and out */
	struct err error;
	/* out; pages_mirror_release() */
	enum pages_outcome outcome;
	char *reason;
	size_t files, written; /* files: to be written */
	uint64_t bytes, written_bytes;
	struct pages_old *old;
	size_t old_count, old_cap, removed;
	uint64_t old_bytes, removed_bytes;
};
void pages_mirror_release(struct pages_mirror *m);

struct pages_send_options {
	bool dry_run;
	bool prune, prune_only;
	struct prune_time time;
	unsigned threads; /* mirrors at a time */
	const char *record_dir;
	const struct retry *retry;
	const struct cancel *cancel; /* NULL: nothing stops it */
	struct report *report;
};

/* Every mirror on its own; returns 0, or the most serious error. The tree is that of the release in
 * p. */
WARN_UNUSED int pages_send(const struct pages *p, const struct tree *t,
			   struct pages_mirror *mirrors, size_t count,
			   const struct pages_send_options *o, struct err *e);

#endif
