/*
 * Taking a prepared file into the tree.
 */
#ifndef FERRY_REPOSITORY_TAKE_H
#define FERRY_REPOSITORY_TAKE_H

#include "catalog/manifest.h"
#include "repository/object.h"
#include "repository/repository.h"

struct take {
	const struct repository_adding *how;
	struct object_look look;
	uint64_t to_copy; /* bytes in all, where no file can be shared */
	bool said;        /* that files are copied */
};

/* May the object be the same inode as the file? Only if nobody writes to it, or on request. */
bool take_shares(const struct take *t, const char *from);

/* Checks the file `from` by its manifest, and makes it the object `to` unless that is right.
 * *repaired becomes true when the object was wrong or missing. Errors as repository_model_add(). */
WARN_UNUSED int take_file(struct take *t, const struct manifest *m, const char *from,
			  const char *to, bool *repaired, struct err *e);

#endif
