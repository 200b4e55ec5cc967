/*
 * A folder in which keys are paths, resolved part by part from an open descriptor: symbolic links
 * below it are never followed, so no key can lead out of it.
 *
 * Reading: a missing part is ERR_NOT_FOUND, a link ERR_INTEGRITY, a refused permission ERR_AUTH,
 * and any other failure ERR_NETWORK, because another mirror may succeed. Writing (make):
 * ERR_SYSTEM.
 */
#ifndef FERRY_MIRROR_FOLDER_H
#define FERRY_MIRROR_FOLDER_H

#include "mirror/mirror.h"

/* Our private folder at the top: work in progress, which no reader needs. */
#define FOLDER_PRIVATE ".ferry"

/* What happens to missing folders. */
enum folder_make {
	FOLDER_FIND,        /* they are an error */
	FOLDER_MAKE,        /* they are created and synced; the umask gives the mode */
	FOLDER_MAKE_PUBLIC, /* the same, but everybody can read them */
	FOLDER_MAKE_CLOSED, /* the same, but nobody outside of the group can */
};
/* The folder that contains key. */
WARN_UNUSED int folder_open_dir(int root, const char *key, enum folder_make make, int *dir,
				struct err *e);
/* The regular file named key, for reading. */
WARN_UNUSED int folder_open_file(int root, const char *key, int *fd, struct mirror_stat *st,
				 struct err *e);
/* Unlinks key, then the folders above it that are now empty. A missing file is fine. */
WARN_UNUSED int folder_remove(int root, const char *key, struct err *e);
WARN_UNUSED int folder_list(int root, const char *prefix, mirror_entry_fn *fn, void *ctx,
			    struct err *e);

struct stat;
void folder_stat(const struct stat *st, struct mirror_stat *out);

#endif
