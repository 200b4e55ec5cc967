/*
 * Building repository.json and catalog.json from their parts.
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

/* The card as readers get it, without planned variants; NULL: no variants are left. The caller owns
 * it. */
json_t *repository_prepared_card(const struct card *c);

/* repository.json. `before` (may be NULL) is the one that is signed, as below. */
json_t *repository_head_build(const struct repository_catalog_parts *p, const json_t *before);

/* Planned variants are left out. "updated" is now, or that of `before` (may be NULL) if nothing
 * else has changed, so that the same parts give the same bytes. The caller owns it. */
json_t *repository_catalog_build(const struct repository_catalog_parts *p, const json_t *before);
/* The stub that takes the place of a catalog that would be too large: the name of the index, and
 * only the models whose cards are no targets. */
json_t *repository_catalog_stub(const struct repository_catalog_parts *p, const json_t *before);

#endif
