/*
 * Where preparation works: the hidden folder ".ferry-prepare" in the output folder, on its
 * file system, so that what is finished is linked or renamed into place.
 *
 * It holds resumable downloads, what was made from what (so that nothing is made twice), and,
 * while a process works, folders "scratch.XXXXXX" of mode 0700. Removing it loses no
 * result.
 */
#ifndef FERRY_PREPARE_WORKDIR_H
#define FERRY_PREPARE_WORKDIR_H

#include "util/base.h"
#include "util/err.h"

#define WORKDIR_NAME ".ferry-prepare"

struct workdir {
	char *path;
	int lock;
};
#define WORKDIR_INIT BRACES(.lock = -1)

/* Makes output_dir and the work folder, takes its lock (ERR_CONFLICT when another process
 * prepares into the same folder) and removes scratch folders and old temporary files that a
 * killed process left. */
WARN_UNUSED int workdir_open(const char *output_dir, int64_t now_s, struct workdir *out,
			     struct err *e);
/* Gives the lock back. */
void workdir_close(struct workdir *w);

/* A new, empty, private folder; the caller frees the path and removes the tree. */
WARN_UNUSED int workdir_scratch(const struct workdir *w, char **path, struct err *e);

/* For CLEANUP on a char *: removes the tree and frees the path. */
void workdir_scratch_release(char **path);

#endif
