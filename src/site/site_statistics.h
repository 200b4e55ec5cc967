/*
 * site_statistics: the page statistics/index.html: downloads by day, model, country, client and
 * mirror.
 */
#ifndef FERRY_SITE_SITE_STATISTICS_H
#define FERRY_SITE_SITE_STATISTICS_H

#include "site/page.h"

#define SITE_STATISTICS_PATH "statistics/index.html"

/* The site has statistics. */
WARN_UNUSED int site_statistics_page(const struct site_build *b, struct err *e);

#endif
