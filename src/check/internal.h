/* What the files of check/ share. */
#ifndef FERRY_CHECK_INTERNAL_H
#define FERRY_CHECK_INTERNAL_H

#include "check/check.h"

/* Takes ownership of path. The item is borrowed until the next is added. */
struct check_item *check_add_item(struct check *c, char *path, enum check_status status);
/* A list or manifest that cannot be used. Returns 0. */
int check_add_invalid(struct check *c, const char *path, const struct err *why);
/* A path in the folder, without the "." that people do not write. The caller frees. */
char *check_below(const char *dir, const char *name);

/* Adds the files of a digest list, and its faults. */
int check_add_list(struct check *c, const char *path);
/* Is the file, whatever its name, a list with digests? *why is set if it is only a text. */
bool check_is_list(const char *path, struct err *why);

#endif
