/*
 * crawl: what search engines are told of the site: robots.txt (RFC 9309) and sitemap.xml
 * (https://www.sitemaps.org/protocol.html).
 */
#ifndef FERRY_SITE_CRAWL_H
#define FERRY_SITE_CRAWL_H

#include "site/site.h"

#define CRAWL_ROBOTS "robots.txt"
#define CRAWL_SITEMAP "sitemap.xml"

/* Appends to out. Names the site map if the site has a URL. */
void crawl_robots(const struct site *s, struct buf *out);

/* What one file may have; 0: as the protocol has it, 50,000 URLs and 50 MiB. */
struct crawl_limits {
	size_t urls, bytes;
};

/*
 * Makes the site map: the first page, the page of each model, and those of mirrors and statistics.
 * If that is too much for one file, sitemap.xml is an index of sitemap-1.xml, sitemap-2.xml, …,
 * which are made before it. The site has a URL. Only the errors of `fn`.
 */
WARN_UNUSED int crawl_sitemap(const struct site *s, struct crawl_limits limits, site_file_fn *fn,
			      void *ctx, struct err *e);

#endif
