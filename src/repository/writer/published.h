/*
 * The metadata folder of a repository tree, as published: every root, and the
 * timestamp, snapshot and targets metadata that the timestamp leads to.
 *
 * Verified by the tree's own root chain: signatures, versions, hashes. Expiry is told,
 * not judged: a publisher must be able to read what has expired. Metadata is capped as
 * for the client.
 */
#ifndef FERRY_REPOSITORY_WRITER_PUBLISHED_H
#define FERRY_REPOSITORY_WRITER_PUBLISHED_H

#include "hash/sha256.h"
#include "json/json.h"

#define TUF_TREE_MAX_BIN_BITS 16        /* every bin is a file of the tree */

struct published_file {
	char *name;             /* "3.targets.json", below metadata/ */
	char *role;             /* "targets" */
	uint64_t version;
	int64_t expires_s;
	uint64_t size;
	struct digest sha256;
	json_t *json;           /* {"signatures": …, "signed": …} */
	/* The newest root, or its delegator, vouches for it. Always so but after
	 * published_load_partial. */
	bool fits;
};

struct published {
	/* In the order in which they must be published: roots from the first on,
	 * delegated targets, targets, snapshot, timestamp last. */
	struct published_file *files;
	size_t count, cap;
	const json_t *root;     /* "signed" of the newest root; borrowed from files */
};

/* metadata_dir is TREE/metadata. ERR_NOT_FOUND when there is no root, or no timestamp
 * yet ("never signed"). ERR_INTEGRITY names the file that does not verify. */
WARN_UNUSED int published_load(const char *metadata_dir, struct published *out, struct err *e);
/* The same, but a tree without timestamp gives what there is: its roots, or nothing. */
WARN_UNUSED int published_load_partial(const char *metadata_dir, struct published *out,
				      struct err *e);
void published_release(struct published *t);

/* The newest file of a role, or NULL. */
const struct published_file *published_find(const struct published *t, const char *role);

/* Calls fn for each target of each role, sorted by path within a role; a negative
 * return ends it and is returned. custom is borrowed and may be NULL. */
struct published_target {
	const char *role, *path;
	uint64_t length;
	struct digest sha256;
	const json_t *custom;
};
WARN_UNUSED int published_each_target(const struct published *t,
				     int (*fn)(void *ctx, const struct published_target *target,
					       struct err *e),
				     void *ctx, struct err *e);

#endif
