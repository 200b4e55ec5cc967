/*
 * authentic: is metadata that a mirror shows really signed with this repository's keys, or
 * only damaged? Tells another publisher's release, which must not be overwritten, from
 * bytes that went wrong, which may.
 */
#ifndef FERRY_PUBLISH_AUTHENTIC_H
#define FERRY_PUBLISH_AUTHENTIC_H

#include "publish/tree.h"

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
