/* Is a file the one that --sha256 names? */
#ifndef FERRY_PREPARE_WANTED_H
#define FERRY_PREPARE_WANTED_H

#include "hash/sha256.h"

/* ERR_INTEGRITY when `got` is another digest than `want` (NULL: any will do). `name` stands for
 * the file in messages, `kind` says what else than the digest may be wrong: "file", "URL". */
WARN_UNUSED int wanted_check(const char *name, const struct digest *got, const struct digest *want,
			     const char *kind, struct err *e);
/* The same, reading the file; reads nothing if `want` is NULL. */
WARN_UNUSED int wanted_check_file(const char *path, const char *name, const struct digest *want,
				  const char *kind, const struct cancel *cancel, struct err *e);

#endif
