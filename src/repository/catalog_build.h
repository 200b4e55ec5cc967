/*
 * Building catalog.json from its parts.
 */
#ifndef FERRY_REPOSITORY_CATALOG_BUILD_H
#define FERRY_REPOSITORY_CATALOG_BUILD_H

#include "catalog/catalog.h"

struct repository_catalog_parts {
	const char *name, *title; /* title may be NULL */
	const json_t *mirrors;    /* NULL: none */
	const struct card *cards; /* sorted by id */
	size_t card_count;
	int64_t now_s;
};

/* Planned variants are left out. "updated" is now, or that of `before` (may be NULL) if nothing
 * else has changed, so that the same parts give the same bytes. The caller owns it. */
json_t *repository_catalog_build(const struct repository_catalog_parts *p, const json_t *before);

#endif
