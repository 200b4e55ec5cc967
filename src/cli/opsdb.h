/* opsdb: where the operator's commands keep what they know: $XDG_STATE_HOME/ferry. */
#ifndef FERRY_CLI_OPSDB_H
#define FERRY_CLI_OPSDB_H

#include "util/err.h"

/* A file or folder there. The caller frees. */
WARN_UNUSED int opsdb_path(const char *name, char **out, struct err *e);
#define OPSDB_NAME "ops.db"
#define OPSDB_COPIES "health" /* a folder for each repository without a local tree */

#endif
