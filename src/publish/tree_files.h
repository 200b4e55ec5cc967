/*
 * Below tree.c and tree_pack.c: the small files of a tree.
 */
#ifndef FERRY_PUBLISH_TREE_FILES_H
#define FERRY_PUBLISH_TREE_FILES_H

#include "publish/tree.h"

/* Reads the file at `path`, at most out->max bytes, which must be what is signed: ERR_INTEGRITY. */
WARN_UNUSED int tree_files_read(const struct repository_file *f, const char *path, struct buf *out,
				struct err *e);
/* ERR_INTEGRITY, with what to do about it. */
int tree_files_damaged(const char *path, struct err *e);

#endif
