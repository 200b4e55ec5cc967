/*
 * Which models need a file.
 */
#ifndef FERRY_STORE_NEEDS_H
#define FERRY_STORE_NEEDS_H

#include "store/store.h"

/* A model that needs the file, complete or waiting for it. */
struct store_need {
	char *repository, *model, *variant;
	uint64_t version;
	char *file;
	struct digest sha256;
	uint64_t size;
};
struct store_needs {
	struct store_need *at;
	size_t count, cap;
};
void store_needs_release(struct store_needs *n);
/* Every file of every model of the store, and of those that a fetch waits for. A record that is
 * damaged is left out. */
WARN_UNUSED int store_needs_list(const struct store *s, struct store_needs *out, struct err *e);

#endif
