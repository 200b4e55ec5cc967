/*
 * The format of a bundle: one file with the objects of a release, for readers without a network.
 * ferry-bundle(5) describes it.
 *
 * A bundle is a tar archive (ustar with pax records: IEEE Std 1003.1-2017, pax), not compressed, so
 * that objects are read where they are, and any tar program unpacks it to the folder of a mirror.
 * Its first entry is the index:
 *
 *   { "format": "model-ferry-bundle", "version": 1, "repository": NAME, "release": N,
 *     "objects": [ { "key", "offset", "size", "sha256" } ] }
 *
 * An offset counts from the end of the index with its padding, so that the index does not depend on
 * its own length. It establishes no trust: readers verify objects as those of every mirror.
 */
#ifndef FERRY_MIRROR_BUNDLE_INDEX_H
#define FERRY_MIRROR_BUNDLE_INDEX_H

#include "hash/sha256.h"
#include "util/buf.h"

#define MIRROR_BUNDLE_FORMAT "model-ferry-bundle"
#define MIRROR_BUNDLE_VERSION 1
#define MIRROR_BUNDLE_SUFFIX ".ferry-bundle"
#define MIRROR_BUNDLE_INDEX "ferry-bundle.json"
#define MIRROR_BUNDLE_BLOCK 512 /* of tar: everything is padded to it */
#define MIRROR_BUNDLE_MAX_INDEX (32 * MIB)
#define MIRROR_BUNDLE_MAX_OBJECTS 200000

struct mirror_bundle_object {
	char *key;
	uint64_t offset, size; /* bytes; the offset is that in the file */
	struct digest sha256;
};
struct mirror_bundle_index {
	char *repository; /* or NULL */
	uint64_t release; /* version of timestamp.json */
	struct mirror_bundle_object *at;
	size_t count, cap;
	uint64_t end; /* of the last object: a shorter file is incomplete */
};
void mirror_bundle_index_release(struct mirror_bundle_index *x);

/* ---- reading ---- */

/* The length of the index, from the first block of the file. ERR_INTEGRITY: it is no bundle. */
WARN_UNUSED int mirror_bundle_head(const uint8_t block[MIRROR_BUNDLE_BLOCK], size_t *length,
				   struct err *e);
/* The text of the index. *out is sorted by key. ERR_INTEGRITY. */
WARN_UNUSED int mirror_bundle_parse(const void *text, size_t len, struct mirror_bundle_index *out,
				    struct err *e);
/* By key; or NULL. */
const struct mirror_bundle_object *mirror_bundle_find(const struct mirror_bundle_index *x,
						      const char *key);

/* ---- writing ---- */

/* Appends an object in the order of the file; its offset is set by mirror_bundle_lay_out(). */
void mirror_bundle_add(struct mirror_bundle_index *x, const char *key, uint64_t size,
		       const struct digest *sha256);
/* Appends the first entry of the file to `head` and sets the offsets and the end. ERR_USAGE when
 * it has more objects than readers accept. */
WARN_UNUSED int mirror_bundle_lay_out(struct mirror_bundle_index *x, struct buf *head,
				      struct err *e);
/* Appends the blocks that stand in front of a file's bytes: these end where the object begins. */
void mirror_bundle_header(const char *name, uint64_t size, struct buf *out);

#endif
