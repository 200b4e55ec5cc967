/* Shared by the files of remote_add and remote_remove. */
#ifndef FERRY_FETCH_REMOTE_ADD_INTERNAL_H
#define FERRY_FETCH_REMOTE_ADD_INTERNAL_H

#include "fetch/remote_add.h"
#include "util/buf.h"

/* The given ones, as they are written to the configuration. ERR_USAGE for what cannot be written
 * there. */
WARN_UNUSED int remote_add_check_urls(const struct remote_add *what, struct str_list *urls,
				      struct err *e);
/* Adds the mirrors of the catalog to a->urls. */
void remote_add_more_urls(struct remote_adding *a);
/* Where the pinned root is kept: NAME.root.json beside the configuration. Caller frees. */
char *remote_add_pin_path(const char *conf_path, const char *name);
/* Prevents two processes from losing each other's change, where locks work. */
WARN_UNUSED int remote_add_lock(const struct store *s, int *fd, struct err *e);
/* After e: if the first of the mirrors has another root than the one that was given, says that
 * instead, and which is whose. Returns the error in e. */
WARN_UNUSED int remote_add_explain(const struct remote_add *what, const struct str_list *urls,
				   const struct buf *root, const struct remote_options *options,
				   struct err *e);

#endif
