/*
 * tree_source: reads the objects of a tree that is a copy of a mirror: its small files are in a
 * local folder, its objects are on the mirror (tree->source). Used by tree.c and tree_files.c.
 */
#ifndef FERRY_PUBLISH_TREE_SOURCE_H
#define FERRY_PUBLISH_TREE_SOURCE_H

#include "publish/tree.h"

/* Reads `len` bytes of an object, unverified. After a failure, the rest is read again. */
WARN_UNUSED int tree_source_read(const struct tree *t, const struct repository_file *f,
				 uint64_t offset, void *data, uint64_t len, struct err *e);
/* Reads a small object, verifies it, and keeps it in the folder. */
WARN_UNUSED int tree_source_keep(const struct tree *t, const struct repository_file *f,
				 struct buf *out, struct err *e);
/* Reads the whole object and computes the digests of its pieces; ERR_INTEGRITY when its own digest
 * is wrong. */
WARN_UNUSED int tree_source_pieces(const struct tree *t, const struct repository_file *f,
				   const struct grid *grid, struct digest *pieces, struct err *e);
/* "is corrupt on that mirror": for an object, or a part of it that the caller names. */
int tree_source_corrupt(const struct tree *t, const struct repository_file *f, struct err *e);

#endif
