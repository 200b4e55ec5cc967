/*
 * lists: the pages that list models: the first page, its further pages, and those of facets. Each
 * shows a bounded number of models or values, so their weight does not grow with the catalog.
 */
#ifndef FERRY_SITE_LISTS_H
#define FERRY_SITE_LISTS_H

#include "site/facets.h"
#include "site/page.h"

#define LISTS_MODELS 50 /* on a page */
#define LISTS_VALUES 200

/* page/<n>/index.html of all models, from 2 on. */
WARN_UNUSED int lists_pages(const struct site_build *b, struct err *e);
/* by/<what>/…: its values, and the models of each. */
WARN_UNUSED int lists_facets(const struct site_build *b, const struct facets *f, struct err *e);
/* index.html */
WARN_UNUSED int lists_first(const struct site_build *b, const struct facets *f, struct err *e);

#endif
