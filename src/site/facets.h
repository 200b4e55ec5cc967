/*
 * facets: the models of a catalog by family, license, size and kind. A model has at most one
 * value of each, but for the sizes of its variants. Every value has a folder of its own,
 * "by/family/phi". A kind of which all models have the same value offers no choice: it has no
 * values here.
 */
#ifndef FERRY_SITE_FACETS_H
#define FERRY_SITE_FACETS_H

#include "catalog/catalog.h"

/* Folders and names within them have no underscore, but for those of further pages ("page_2"), so
 * they cannot collide. */
struct facets_value {
	char *text;   /* "MIT OR Apache-2.0" */
	char *folder; /* "by/license/mit-or-apache-2.0" */
	size_t first, count;
};
struct facets_kind {
	const char *name;            /* "license" */
	const char *title, *plural;  /* "License", "Licenses" */
	struct facets_value *values; /* of sizes from small to large, of others by text */
	size_t count;
	const struct card **models; /* of each value: count of them, from first on, by id */
};
enum { FACETS_FAMILY, FACETS_LICENSE, FACETS_SIZE, FACETS_KIND, FACETS_KINDS };
struct facets {
	struct facets_kind kinds[FACETS_KINDS];
};
void facets_make(const struct catalog *c, struct facets *out);
void facets_release(struct facets *f);
/* The value of a kind other than sizes; NULL: no model has it. */
const struct facets_value *facets_find(const struct facets_kind *k, const char *text);

/* What search data call the same. */
const char *facets_model_kind(const struct card *c); /* "model", "adapter" */

#endif
