/*
 * push_mirror: the work of push on one mirror, by one thread at a time: plan, check what is
 * there, upload, verify, show.
 */
#ifndef FERRY_PUBLISH_PUSH_MIRROR_H
#define FERRY_PUBLISH_PUSH_MIRROR_H

#include "publish/feed.h"
#include "publish/push.h"

struct push_delivery {
	const struct tree *tree;
	const struct push_options *o;
	struct push_mirror *m;
	bool metadata;          /* metadata and pointers go to this mirror in this run */
	struct verified record;
	char *task;             /* of the report; NULL: not begun */
};
void push_delivery_init(struct push_delivery *d, const struct tree *t, const struct push_options *o,
			struct push_mirror *m, bool metadata);
void push_delivery_release(struct push_delivery *d);

/* Fills m->plan; writes nothing. ERR_CONFLICT when another publisher was there. */
WARN_UNUSED int push_mirror_plan(struct push_delivery *d, struct err *e);
/* Reads back what is there and was not verified yet; what is wrong is planned to be replaced. */
WARN_UNUSED int push_mirror_check(struct push_delivery *d, struct err *e);
/* Tells the feed which objects the mirror's reader will ask for. */
void push_mirror_want(const struct push_delivery *d, struct feed *f, size_t reader);
/* Objects, then versioned metadata, but no root: what no reader sees yet. */
WARN_UNUSED int push_mirror_hidden(struct push_delivery *d, struct feed *f, size_t reader,
				   struct err *e);
/* New roots, catalog.json and timestamp.json: the release becomes visible. */
WARN_UNUSED int push_mirror_shown(struct push_delivery *d, struct err *e);

#endif
