/*
 * site_mirrors: what mirrors/index.html says: the places that have the models, how they are now,
 * and how they were in the last SITE_DAYS days.
 */
#ifndef FERRY_SITE_SITE_MIRRORS_H
#define FERRY_SITE_SITE_MIRRORS_H

#include "site/page.h"

#define SITE_MIRRORS_PATH "mirrors/index.html"

/* Without a history of health it has the mirrors of the catalog. */
WARN_UNUSED int site_mirrors_page(const struct site_build *b, struct err *e);

#endif
