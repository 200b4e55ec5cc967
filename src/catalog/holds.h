/*
 * What a mirror holds: the whole repository; only its objects; or only metadata, the catalog and
 * the other documents that are of no single model (repository.json, the index). The catalog and
 * ferry.conf use the same words.
 */
#ifndef FERRY_CATALOG_HOLDS_H
#define FERRY_CATALOG_HOLDS_H

#include "util/base.h"

enum mirror_holds { MIRROR_HOLDS_ALL, MIRROR_HOLDS_OBJECTS, MIRROR_HOLDS_METADATA };

/* "all", "objects", "metadata". */
const char *holds_name(enum mirror_holds h);
/* False for any other word. */
bool holds_parse(const char *word, enum mirror_holds *out);

#endif
