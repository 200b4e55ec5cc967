/*
 * site_statistics: what statistics/index.html says: downloads by day, country, model, client and
 * mirror.
 */
#ifndef FERRY_SITE_SITE_STATISTICS_H
#define FERRY_SITE_SITE_STATISTICS_H

#include "site/markup.h"
#include "site/site.h"

/* Writes the content of <main>. There are statistics. */
void site_statistics_write(struct markup *m, const struct site *s);

#endif
