/*
 * reuse: which pieces of an object are already on the mirror, in other objects, so that the mirror
 * can copy them. A change of a GGUF's metadata moves all tensors by some bytes; then all pieces but
 * the first are found in the older version.
 *
 * A piece is found if another object has
 *  - a piece with the same digest, or
 *  - the same tensors, by digest, at the same distance from each other, and the piece lies within
 *    them. The digests do not cover the padding between tensors, so this is only a good guess.
 *
 * What is found is a hint: the manifests and the object may be wrong. Copies must be compared with
 * the piece's bytes, or verified afterwards.
 */
#ifndef FERRY_PUBLISH_REUSE_H
#define FERRY_PUBLISH_REUSE_H

#include "catalog/manifest.h"
#include "publish/tree.h"

struct reuse_object {
	char *key;
	struct manifest manifest;
};

struct reuse_source {
	const char *key; /* borrowed from a struct reuse_object; NULL: none */
	uint64_t offset;
};

/* Fills sources[] of those pieces of `wanted` that have none yet and that `older` has. Returns how
 * many still have none. */
uint32_t reuse_match(const struct manifest *wanted, const struct reuse_object *older,
		     struct reuse_source *sources);

/* The manifests that are read for an object, at most: those of files with the same name first, and
 * of these the newest. */
#define REUSE_MAX_OBJECTS 32

struct reuse {
	struct reuse_object *older;
	size_t count;
	struct reuse_source *sources; /* of each piece; NULL: there are none */
};
void reuse_release(struct reuse *r);

/*
 * Looks at the objects in the same folder of the mirror. Their manifests are read from the tree, or
 * from the mirror if the tree no longer has them. Finds nothing if the mirror cannot copy pieces or
 * cannot be listed, if the file has no manifest or only one piece, or if anything fails.
 */
void reuse_find(const struct tree *t, const struct repository_file *f, struct mirror *m,
		struct reuse *out);
/* Where the mirror has the piece; NULL: nowhere. */
const struct reuse_source *reuse_source(const struct reuse *r, uint32_t piece);

#endif
