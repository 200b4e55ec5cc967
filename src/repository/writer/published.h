/*
 * The published metadata in a repository tree: every root, the timestamp, and the snapshot and
 * targets metadata that it leads to.
 *
 * Verified with the tree's own root chain: signatures, versions, hashes. Expiry is reported but
 * not an error, because a publisher must be able to read expired metadata. Sizes are limited as
 * for clients.
 */
#ifndef FERRY_REPOSITORY_WRITER_PUBLISHED_H
#define FERRY_REPOSITORY_WRITER_PUBLISHED_H

#include "tuf/metadata.h"

#define PUBLISHED_MAX_BIN_BITS 16 /* every bin is a file of the tree */

struct published_file {
	char *name; /* "3.targets.json", below metadata/ */
	char *role; /* "targets" */
	struct tuf_metadata *m;
	uint64_t size;
	struct digest sha256;
	/* It verifies with the newest root or its delegator. Always true except after
	 * published_load_partial. */
	bool fits;
};

struct published {
	/* In the order in which they must be published: roots from the first on,
	 * delegated targets, targets, snapshot, timestamp last. */
	struct published_file *files;
	size_t count, cap;
	const struct tuf_metadata *root; /* the newest; borrowed from files */
};

/* metadata_dir is TREE/metadata. ERR_NOT_FOUND when there is no root, or no timestamp
 * yet ("never signed"). ERR_INTEGRITY names the file that does not verify. */
WARN_UNUSED int published_load(const char *metadata_dir, struct published *out, struct err *e);
/* The same, but for a tree without a timestamp returns only its roots, or nothing. */
WARN_UNUSED int published_load_partial(const char *metadata_dir, struct published *out,
				       struct err *e);
/* Only the roots, for the keys of each role. */
WARN_UNUSED int published_load_roots(const char *metadata_dir, struct published *out,
				     struct err *e);
void published_release(struct published *t);

/* The newest file of a role, or NULL. */
const struct published_file *published_find(const struct published *t, const char *role);

/* Calls fn for each target of each role, sorted by path within a role; a negative return stops
 * and is returned. */
struct published_target {
	const char *role, *path;
	uint64_t length;
	struct digest sha256;
};
WARN_UNUSED int published_each_target(const struct published *t,
				      int (*fn)(void *ctx, const struct published_target *target,
						struct err *e),
				      void *ctx, struct err *e);
/* From an entry of "targets", {length, hashes}. ERR_INTEGRITY when it has no SHA-256. */
WARN_UNUSED int published_target_read(const char *role, const char *path, const json_t *entry,
				      struct published_target *out, struct err *e);

#endif
