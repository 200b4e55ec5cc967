/*
 * site_mirrors: what mirrors/index.html says: the places that have the models, how they are now,
 * and how they were in the last SITE_DAYS days.
 */
#ifndef FERRY_SITE_SITE_MIRRORS_H
#define FERRY_SITE_SITE_MIRRORS_H

#include "site/markup.h"
#include "site/site.h"

/* Writes the content of <main>. Also without a history of health: then it is the mirrors of the
 * catalog. */
void site_mirrors_write(struct markup *m, const struct site *s);

#endif
