/*
 * facets: the models of a catalog by family, license, size and kind. A model has at most one
 * value of each, except for size, where each variant can have its own. Every value has a folder,
 * "by/family/phi". A facet of which all models have the same value offers no choice: it has no
 * values here.
 */
#ifndef FERRY_SITE_FACETS_H
#define FERRY_SITE_FACETS_H

#include "catalog/catalog.h"

/* Folders and names within them have no underscore, but for those of further pages ("page_2"), so
 * they cannot collide. */
struct facet_value {
	char *text;   /* "MIT OR Apache-2.0" */
	char *folder; /* "by/license/mit-or-apache-2.0" */
	size_t first, count;
};
struct facet {
	const char *name;           /* "license" */
	const char *title, *plural; /* "License", "Licenses" */
	struct facet_value *values; /* of sizes from small to large, of others by text */
	size_t count;
	const struct card **models; /* of each value: count of them, from first on, by id */
};
enum { FACETS_FAMILY, FACETS_LICENSE, FACETS_SIZE, FACETS_KIND, FACETS_COUNT };
struct facets {
	struct facet at[FACETS_COUNT];
};
void facets_make(const struct catalog *c, struct facets *out);
void facets_release(struct facets *f);
/* The value of a facet other than size; NULL: no model has it. */
const struct facet_value *facets_find(const struct facet *k, const char *text);

/* What search data call the same. */
const char *facets_model_kind(const struct card *c); /* "model", "adapter" */

#endif
