/* mirrors: where the objects of a release are: the endpoints of its repository, and its mirrors. */
#ifndef FERRY_SERVE_CACHE_MIRRORS_H
#define FERRY_SERVE_CACHE_MIRRORS_H

#include "catalog/catalog.h"
#include "fetch/source.h"
#include "settings/repository.h"

/* Appends a source for each. set may be NULL: it has no endpoints. */
void mirrors_add(struct source_list *l, const struct settings_repository *set,
		 const struct catalog *c);

#endif
