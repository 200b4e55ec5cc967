/* Shared by file.c and file_put.c alone. */
#ifndef FERRY_MIRROR_FILE_H
#define FERRY_MIRROR_FILE_H

#include "mirror/mirror.h"

/* The folder at the mirror's top that is ours: partials and the lock. */
#define FILE_MIRROR_PRIVATE ".ferry"

struct file_mirror {
	char *path;
	int root;       /* -1: not opened yet */
};

WARN_UNUSED int file_mirror_root(struct file_mirror *f, bool make, struct err *e);
/* Held around every change of a name; *lock is -1 where there are no locks. */
WARN_UNUSED int file_mirror_lock(struct file_mirror *f, int *lock, struct err *e);
WARN_UNUSED int file_mirror_put(struct mirror *m, const char *key, const struct mirror_body *body,
				const struct mirror_put *how, struct mirror_stat *out,
				struct err *e);
WARN_UNUSED int file_mirror_copy(struct mirror *m, const char *from, const char *to,
				 struct err *e);

#endif
