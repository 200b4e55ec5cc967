/*
 * push_objects: uploads the objects of a plan to one mirror, on several threads: pieces of one
 * object at a time, and several objects at a time.
 *
 * A thread helps with the first large object that still has pieces to send, or else begins the next
 * one. So pieces are sent roughly in the order of the tree, and no more objects are open than there
 * are threads. The thread that sends the last piece of an object completes and verifies it. Small
 * objects (MIRROR_SMALL) take time for the call, not for their bytes: more threads send them than
 * work on large ones.
 *
 * A piece that the mirror can copy is not sent: from its other objects (reuse.h), or from the
 * mirror that the tree is a copy of. If the copy fails or is known to be wrong, the piece is sent.
 */
#ifndef FERRY_PUBLISH_PUSH_OBJECTS_H
#define FERRY_PUBLISH_PUSH_OBJECTS_H

#include "publish/feed.h"
#include "publish/push_delivery.h"

/* Tells the feed which objects the mirror's reader will begin. */
void push_objects_want(const struct push_delivery *d, struct feed *f, size_t reader);
/* Returns the first error; then the objects that were begun are left as they are, for the next
 * push. An object that is damaged or missing in the tree does not stop the others. */
WARN_UNUSED int push_objects_put(struct push_delivery *d, struct feed *f, size_t reader,
				 struct err *e);

#endif
