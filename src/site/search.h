/*
 * search: what the script of the first page searches: assets/search.<hash>.json. Texts are cut, so
 * that all models of a large catalog are a few hundred bytes each. Members: assets.h.
 */
#ifndef FERRY_SITE_SEARCH_H
#define FERRY_SITE_SEARCH_H

#include "catalog/catalog.h"
#include "util/buf.h"

#define SEARCH_MAX_BYTES (64 * MIB)

/* Appends the document. */
WARN_UNUSED int search_data(const struct catalog *c, struct buf *out, struct err *e);

#endif
