/*
 * conflict: decides whether metadata on a mirror is another publisher's, which must not be
 * overwritten, or an earlier version of ours, or damaged, which may be overwritten. If two copies
 * of one tree are both signed, they have the same version numbers with different contents.
 *
 * Versions that gc removed from the tree are unknown and count as earlier versions of ours.
 */
#ifndef FERRY_PUBLISH_CONFLICT_H
#define FERRY_PUBLISH_CONFLICT_H

#include "mirror/mirror.h"
#include "publish/tree.h"

/* Are the signed parts of two metadata files equal? Then neither is another publisher's: at most
 * the bytes around it were changed, for example the ends of the lines. */
bool conflict_says_the_same(const struct buf *a, const struct buf *b);

/* Does the snapshot that the timestamp names differ from the tree's snapshot of that version? */
bool conflict_is_forked(const struct tree *ours, const void *timestamp, size_t len);

/*
 * For a timestamp that no key of our newest root signed: does it lead to a snapshot or targets
 * that such a key did sign, and that are not earlier versions of ours? Then it is another
 * publisher's release, not damage, even if we have just changed the timestamp key. A timestamp
 * made with only a leaked timestamp key leads to our own releases and may be overwritten.
 */
WARN_UNUSED int conflict_is_foreign(struct mirror *m, const struct tree *ours,
				    const void *timestamp, size_t len, bool *out, struct err *e);

/*
 * For the bytes found under `key` ("metadata/7.targets.json", "metadata/timestamp.json"). True if
 * at least one key of the role in our newest root signed them; for a root, if one of its own keys
 * signed it. Also true in doubt: for a delegated role, whose keys are not in our root, or if our
 * root cannot be read.
 */
bool conflict_is_authentic(const struct tree *ours, const char *key, const void *data, size_t len);

/* The key of the root after our newest one: if a mirror has it, our root is out of date. Caller
 * frees. */
char *conflict_next_root(const struct tree *ours);

#endif
