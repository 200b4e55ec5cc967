/*
 * push_mirror: the work of push on one mirror: plan, check existing files, upload, verify, show.
 */
#ifndef FERRY_PUBLISH_PUSH_MIRROR_H
#define FERRY_PUBLISH_PUSH_MIRROR_H

#include "publish/feed.h"
#include "publish/push_delivery.h"

/* Fills m->plan; writes nothing. ERR_CONFLICT if another publisher has written here. */
WARN_UNUSED int push_mirror_plan(struct push_delivery *d, struct err *e);
/* Reads back existing files that are not verified yet; wrong ones are planned to be replaced. */
WARN_UNUSED int push_mirror_check(struct push_delivery *d, struct err *e);
/* Writes objects, then versioned metadata except root: readers do not see them yet. */
WARN_UNUSED int push_mirror_hidden(struct push_delivery *d, struct feed *f, size_t reader,
				   struct err *e);
/* Makes what was put visible, on kinds that do that later (mirror_publish()). */
WARN_UNUSED int push_mirror_publish(struct push_delivery *d, struct err *e);
/* Writes new roots, catalog.json and timestamp.json, which makes the release visible. */
WARN_UNUSED int push_mirror_shown(struct push_delivery *d, struct err *e);

#endif
