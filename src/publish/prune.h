/*
 * prune: removes from mirrors what no release names that clients may still use (prune_keep.h).
 *
 * What always holds here:
 *  - only mirrors that show the tree's release are pruned; this is checked again just before the
 *    first file is removed;
 *  - only files with names like ours are removed: "targets/…/<sha256>.<name>" and versioned
 *    metadata; never a root, a file younger than the grace period, or one whose age the mirror
 *    does not report;
 *  - objects are removed first, then targets metadata, then snapshots, so that after a kill the
 *    next run finds the rest;
 *  - a mirror that cannot be read stops the pruning of all, because clients take metadata from
 *    one mirror and objects from another.
 */
#ifndef FERRY_PUBLISH_PRUNE_H
#define FERRY_PUBLISH_PRUNE_H

#include "publish/prune_keep.h"
#include "util/report.h"

struct prune_item {
	char *key;
	uint64_t size;
	bool removed;
};

struct prune_mirror {
	/* in */
	const char *id;        /* borrowed */
	struct mirror *mirror; /* borrowed; NULL: it could not be opened, error says why */
	enum mirror_holds holds;
	bool chosen; /* it is to be pruned; the others are only read */
	/* in and out */
	struct err error;
	/* out; prune_mirror_release() */
	struct prune_item *items; /* to be removed, in this order */
	size_t count, cap;
	size_t removed;
	uint64_t bytes, removed_bytes;
};
void prune_mirror_release(struct prune_mirror *m);

struct prune_options {
	struct prune_time time;
	bool dry_run;
	unsigned threads; /* mirrors at a time */
	const struct retry *retry;
	const struct cancel *cancel; /* NULL: nothing stops it */
	struct report *report;
};

/* All mirrors of the repository must be given. Returns 0, or the most serious error of a mirror or
 * the reason why nothing was removed anywhere. */
WARN_UNUSED int prune_run(const struct tree *t, struct prune_mirror *mirrors, size_t count,
			  const struct prune_options *o, struct err *e);

#endif
