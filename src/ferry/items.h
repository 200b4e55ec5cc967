/*
 * items: what a call of ferry.h says about the models that were asked for. Everything is copied
 * into the result, which owns it.
 */
#ifndef FERRY_FERRY_ITEMS_H
#define FERRY_FERRY_ITEMS_H

#include "ferry/internal.h"

struct ferry_result {
	struct owned memory;
	struct ferry_item **at;
	size_t count, cap;
};
DEFINE_CLEANUP(struct ferry_result, ferry_result_free);

struct ferry_item *items_add(struct ferry_result *r, const char *reference);
/* Only the error remains of it. */
void items_fail(struct ferry_result *r, struct ferry_item *item, const struct err *why);

struct items_name {
	const char *repository, *model, *variant, *kind;
	uint64_t version;
};
void items_name(struct ferry_result *r, struct ferry_item *item, const struct items_name *n);

struct items_file {
	const char *name, *path, *role;
	const struct digest *sha256;
	uint64_t size;
};
/* Then add as many. */
void items_begin_files(struct ferry_result *r, struct ferry_item *item, size_t count);
void items_add_file(struct ferry_result *r, struct ferry_item *item, const struct items_file *f);

/* What the call returns: the first error of an item, or 0. */
int items_result(struct ferry_result *r, struct ferry_error *error);

#endif
