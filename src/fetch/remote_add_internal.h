/* Shared by remote_add.c and remote_remove.c. */
#ifndef FERRY_FETCH_REMOTE_ADD_INTERNAL_H
#define FERRY_FETCH_REMOTE_ADD_INTERNAL_H

#include "fetch/remote_add.h"

/* Where the pinned root is kept: NAME.root.json beside the configuration. Caller frees. */
char *remote_add_pin_path(const char *conf_path, const char *name);
/* Prevents two processes from losing each other's change, where locks work. */
WARN_UNUSED int remote_add_lock(const struct store *s, int *fd, struct err *e);

#endif
