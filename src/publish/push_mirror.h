/*
 * deliver: the work of push on one mirror, by one thread: find out, plan, put, verify.
 */
#ifndef FERRY_PUBLISH_PUSH_MIRROR_H
#define FERRY_PUBLISH_PUSH_MIRROR_H

#include "publish/push.h"

struct delivery {
	const struct original *tree;
	const struct push_options *o;
	struct push_mirror *m;
	bool metadata;          /* metadata and pointers go to this mirror in this run */
	struct record record;
	char *task;             /* of the report; NULL: not begun */
};
void delivery_init(struct delivery *d, const struct original *t, const struct push_options *o,
		   struct push_mirror *m, bool metadata);
void delivery_release(struct delivery *d);

/* Fills m->plan; writes nothing. ERR_CONFLICT when another publisher was there. */
WARN_UNUSED int deliver_plan(struct delivery *d, struct err *e);
/* Objects and versioned metadata, but no root: what no reader sees yet. */
WARN_UNUSED int deliver_hidden(struct delivery *d, struct err *e);
/* New roots, catalog.json and timestamp.json: the release becomes visible. */
WARN_UNUSED int deliver_shown(struct delivery *d, struct err *e);

#endif
