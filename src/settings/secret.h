/* Secrets in files of their own, which nobody else may read. */
#ifndef FERRY_SETTINGS_SECRET_H
#define FERRY_SETTINGS_SECRET_H

#include "util/base.h"
#include "util/err.h"

/* The first line of the file; the caller wipes and frees it. ERR_USAGE if the file is missing, or
 * if other users can read it: then with a hint that says how to change that. */
WARN_UNUSED int settings_secret_read(const char *path, char **out, struct err *e);
/* Wipes and frees; NULL is allowed. */
void settings_secret_free(char *secret);
DEFINE_CLEANUP(char, settings_secret_free);

#endif
