/*
 * conflict: is what a mirror shows another publisher's work, which must not be overwritten, or
 * our own past, or damage, which may be? Two copies of one tree that are both signed in have
 * the same version numbers and other contents.
 *
 * What the tree's gc has taken is not known any more, and counts as its past.
 */
#ifndef FERRY_PUBLISH_CONFLICT_H
#define FERRY_PUBLISH_CONFLICT_H

#include "mirror/mirror.h"
#include "publish/tree.h"

/* Is the snapshot that the timestamp leads to another one than the tree's of that version? */
bool conflict_is_forked(const struct tree *ours, const void *timestamp, size_t len);

/*
 * Of a timestamp that no key of our newest root signed: does it lead to a snapshot or targets that
 * one did sign, and that are not of our past? So a publisher who has just changed the
 * timestamp key does not take another publisher's release for damage; while what somebody
 * made with nothing but a leaked timestamp key leads to releases of ours, and may go.
 */
WARN_UNUSED int conflict_is_foreign(struct mirror *m, const struct tree *ours,
				   const void *timestamp, size_t len, bool *out, struct err *e);

/*
 * For the bytes found under `key` ("metadata/7.targets.json", "metadata/timestamp.json").
 * True when at least one key of the role in our newest root signed them; for a root, when it
 * is signed by a key of its own. When in doubt it is true: a delegated role, whose keys our
 * root does not know, or a root of ours that is not readable.
 */
bool conflict_is_authentic(const struct tree *ours, const char *key, const void *data, size_t len);

/* The key of the root that would follow our newest one: where it exists, our root no longer
 * knows who may sign. Caller frees. */
char *conflict_next_root(const struct tree *ours);

#endif
