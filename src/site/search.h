/*
 * search: what the script of the first page searches: assets/search.<hash>.json. Texts are cut, so
 * that a model is a few hundred bytes. Members: assets.h.
 */
#ifndef FERRY_SITE_SEARCH_H
#define FERRY_SITE_SEARCH_H

#include "catalog/catalog.h"
#include "util/buf.h"

/* What a browser on a phone can be asked to load, at most. */
#define SEARCH_MAX_BYTES (32 * MIB)

/* Writes the document into the empty `out`; without summaries and tags if it would else exceed its
 * maximum. False if that is too large as well: then `out` is empty. */
bool search_data(const struct catalog *c, struct buf *out);

#endif
