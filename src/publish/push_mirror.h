/*
 * push_mirror: the work of push on one mirror, in one thread at a time: plan, check existing
 * files, upload, verify, show.
 */
#ifndef FERRY_PUBLISH_PUSH_MIRROR_H
#define FERRY_PUBLISH_PUSH_MIRROR_H

#include "publish/feed.h"
#include "publish/push.h"

struct push_delivery {
	const struct tree *tree;
	const struct push_options *o;
	struct push_mirror *m;
	bool metadata; /* this run writes metadata and pointers to this mirror */
	struct verified record;
	char *task; /* of the report; NULL: not begun */
};
void push_delivery_init(struct push_delivery *d, const struct tree *t, const struct push_options *o,
			struct push_mirror *m, bool metadata);
void push_delivery_release(struct push_delivery *d);

/* Fills m->plan; writes nothing. ERR_CONFLICT if another publisher has written here. */
WARN_UNUSED int push_mirror_plan(struct push_delivery *d, struct err *e);
/* Reads back existing files that are not verified yet; wrong ones are planned to be replaced. */
WARN_UNUSED int push_mirror_check(struct push_delivery *d, struct err *e);
/* Tells the feed which objects the mirror's reader will request. */
void push_mirror_want(const struct push_delivery *d, struct feed *f, size_t reader);
/* Writes objects, then versioned metadata except root: readers do not see them yet. */
WARN_UNUSED int push_mirror_hidden(struct push_delivery *d, struct feed *f, size_t reader,
				   struct err *e);
/* Writes new roots, catalog.json and timestamp.json, which makes the release visible. */
WARN_UNUSED int push_mirror_shown(struct push_delivery *d, struct err *e);

#endif
