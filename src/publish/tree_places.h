/*
 * tree_places: gives a mirror the list of its places (catalog/places.h) that the release has.
 */
#ifndef FERRY_PUBLISH_TREE_PLACES_H
#define FERRY_PUBLISH_TREE_PLACES_H

#include "publish/tree.h"

/* Before any other call uses the mirror (or NULL). Nothing if the release has no list for it. The
 * errors of tree_read_small(), and ERR_INTEGRITY for a list that does not parse. */
WARN_UNUSED int tree_places_for(const struct tree *t, struct mirror *m, struct err *e);

#endif
