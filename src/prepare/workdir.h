/*
 * The work folder of prepare: the hidden folder ".ferry-prepare" in the output folder, so that
 * finished files can be linked or renamed on the same file system.
 *
 * It contains resumable downloads, stamps of finished work, and, while a process works, folders
 * "scratch.XXXXXX" with mode 0700. It can be removed without losing a result.
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

/* Creates output_dir and the work folder, takes its lock (ERR_CONFLICT when another process
 * prepares into the same folder) and removes scratch folders and old temporary files that a
 * killed process left. */
WARN_UNUSED int workdir_open(const char *output_dir, int64_t now_s, struct workdir *out,
			     struct err *e);
/* Releases the lock. */
void workdir_close(struct workdir *w);

/* Creates an empty private folder; the caller frees the path and removes the folder. */
WARN_UNUSED int workdir_scratch(const struct workdir *w, char **path, struct err *e);

/* For CLEANUP on a char *: removes the folder and frees the path. */
void workdir_scratch_release(char **path);

#endif
