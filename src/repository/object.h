/*
 * Objects: the files below targets/ that cards refer to. Are they there, and right?
 */
#ifndef FERRY_REPOSITORY_OBJECT_H
#define FERRY_REPOSITORY_OBJECT_H

#include "catalog/card.h"
#include "repository/seen.h"
#include "util/report.h"

#define OBJECT_MODE (FILE_FOR_ALL | FILE_READ_ONLY)

enum object_state {
	OBJECT_RIGHT,
	OBJECT_MISSING,
	OBJECT_WRONG, /* other bytes, or no regular file */
};

/* How files are looked at. */
struct object_look {
	struct seen seen;
	bool remember; /* what was hashed: only while the tree is locked */
	struct report *report;
	const struct cancel *cancel;
};

/* The state of the object at `path`: it is hashed unless it has the mark of a file with this
 * digest that was hashed before. */
WARN_UNUSED int object_state(struct object_look *l, const char *path, uint64_t size,
			     const struct digest *sha256, enum object_state *out, struct err *e);
/* ERR_NOT_FOUND or ERR_INTEGRITY, with what to do, unless it is right. */
WARN_UNUSED int object_check(struct object_look *l, const char *dir, const struct card_file *f,
			     struct err *e);

#endif
