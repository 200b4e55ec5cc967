/*
 * The files of a folder and its sub-folders, as an archive of the folder would list them.
 */
#ifndef FERRY_PREPARE_WALK_H
#define FERRY_PREPARE_WALK_H

#include "util/err.h"
#include "util/text.h"

#define WALK_MAX_DEPTH 16
#define WALK_MAX_FILES 4096

/* Appends the paths relative to `dir`, sorted within each folder. Links to folders elsewhere are
 * followed. Hidden files and folders, pipes and devices, and in sub-folders what `ferry prepare`
 * made are left out. ERR_USAGE when there are
 * more than the limits. */
WARN_UNUSED int walk_files(const char *dir, struct str_list *out, struct err *e);

#endif
