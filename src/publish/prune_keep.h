/*
 * prune_keep: what must stay on the mirrors, because a reader may still ask for it.
 *
 * A client that has refreshed works with one snapshot, and with what that names, until the
 * snapshot expires or the client refreshes again. So a snapshot, the metadata that it lists and
 * the objects that these name are kept while
 *
 *  - it is the current one, or the one that a mirror shows, or the newest on a mirror; or
 *  - the grace period has not passed since it expired, or since every mirror that has it got the
 *    next one.
 *
 * Which snapshots there were is taken from the mirrors themselves and from the tree. All roots,
 * and everything that is newer than the tree's own metadata, are kept in any case.
 */
#ifndef FERRY_PUBLISH_PRUNE_KEEP_H
#define FERRY_PUBLISH_PRUNE_KEEP_H

#include "publish/tree.h"
#include "util/retry.h"

struct prune_keep {
	struct str_list keys; /* sorted */
	size_t snapshots;     /* that are kept besides the current one */
};
void prune_keep_release(struct prune_keep *k);
bool prune_keep_has(const struct prune_keep *k, const char *key);

struct prune_time {
	int64_t now_s;
	uint64_t grace_s;
};

/*
 * mirrors: all that hold metadata, whether they are pruned or not: clients may take metadata from
 * one and objects from another. ERR_CONFLICT if one has a newer snapshot than the tree; the error
 * of a mirror or a file that cannot be read, because what is needed is then not known.
 */
WARN_UNUSED int prune_keep_find(const struct tree *t, struct mirror *const *mirrors, size_t count,
				const struct prune_time *time, const struct retry *retry,
				struct prune_keep *out, struct err *e);

#endif
