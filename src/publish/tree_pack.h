/*
 * tree_pack: the packs of a tree (catalog/pack.h), as further files of it. Mirrors of kinds with
 * `packs` get them instead of the files that are in them.
 */
#ifndef FERRY_PUBLISH_TREE_PACK_H
#define FERRY_PUBLISH_TREE_PACK_H

#include "publish/tree.h"

/* If the kind of the mirror (or NULL) has packs: adds one for each card, and sets pack_key of the
 * files in it. Reads all of these; pointers to the tree's files become invalid. The errors of
 * tree_read_small(). Nothing if it was done. */
WARN_UNUSED int tree_pack_for(struct tree *t, const struct mirror *m, struct err *e);

/* Only sets pack_key of the files that are in packs: reads nothing, and adds no files. */
void tree_pack_name(struct tree *t);

/* Opens the bytes of a pack: *fd is of a file without a name, which the caller closes.
 * ERR_INTEGRITY when the tree's files changed meanwhile. */
WARN_UNUSED int tree_pack_open(const struct tree *t, const struct repository_file *pack, int *fd,
			       struct err *e);

#endif
