/*
 * sync: a tree that is a copy of a mirror, so that push brings another mirror to the release that
 * the first one shows.
 *
 * What always holds here:
 *  - the metadata is verified as by a client: from a trusted root, by version, hash and signature;
 *    expired metadata, and metadata older than what was seen before, is refused;
 *  - a piece of an object is sent only after its digest was compared with the signed metadata
 *    (tree.h);
 *  - only metadata and manifests are written to the local disk.
 */
#ifndef FERRY_PUBLISH_SYNC_H
#define FERRY_PUBLISH_SYNC_H

#include "publish/tree.h"
#include "settings/repository.h"

#define SYNC_MAX_ROOT 512000

struct sync_from {
	struct mirror *mirror;
	const void *root; /* the bytes of the first trusted root */
	size_t root_len;
	const char *dir;   /* of this mirror's metadata and manifests; it is created, and what is in
			      it is used again. The tree's dir */
	const char *trust; /* of the client's trusted metadata; NULL: DIR/trust */
	int64_t now_s;
	const struct retry *retry; /* both borrowed by the tree */
	const struct cancel *cancel;
};

/* ERR_INTEGRITY when the mirror's metadata does not verify. */
WARN_UNUSED int sync_open(const struct sync_from *from, struct tree *out, struct err *e);

/* The root that [repository.NAME] trusts: the first one of its tree, if it is there, else its
 * `root`, else the first root of m, if it has its `root-sha256`. ERR_USAGE: it has none of them. */
WARN_UNUSED int sync_root(const struct settings_repository *r, struct mirror *m,
			  const struct retry *retry, struct buf *out, struct err *e);

#endif
