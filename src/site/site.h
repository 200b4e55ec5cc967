/*
 * site: a static web site of a repository, for people: its models, its mirrors, its statistics.
 *
 * What always holds here:
 *  - a page is made of data that were verified before; nothing is opened or asked here;
 *  - the same data make the same bytes;
 *  - every text of the catalog, of mirrors and of statistics may be hostile: pages are written by
 *    markup.h, commands for readers have quoted words, JSON is written by json.h;
 *  - a page needs nothing of another host, has neither inline script nor inline style, and says so
 *    in its Content-Security-Policy. Without scripts all of it can be read;
 *  - links within the site are relative, so it works below any URL, on every mirror;
 *  - assets are named by their content, as are search data: a page and its assets are of one build
 *    also while a new one is being uploaded.
 *
 * Files, in the order in which they are written and uploaded (nothing links to what is not there
 * yet): assets/<name>.<16 hex digits>.<ext> · models/<id>.html · page/<n>/index.html,
 * by/<what>/index.html, by/<what>/<value>/index.html and page_<n>/ in these (lists) ·
 * mirrors/index.html · statistics/index.html · models.json · feed.xml · robots.txt · sitemap.xml ·
 * 404.html · index.html. There are statistics only if the site has some, and a feed and a site map
 * only if it has a URL. sitemap.xml of very many models is an index of sitemap-<n>.xml, which are
 * made before it.
 */
#ifndef FERRY_SITE_SITE_H
#define FERRY_SITE_SITE_H

#include "catalog/catalog.h"
#include "util/err.h"

#define SITE_DAYS 90 /* that mirrors and statistics are shown for */

/* How a mirror was on a day (UTC), as `ferry health` saw it. */
struct site_day {
	uint32_t runs, up; /* runs 0: not looked at */
};

enum site_state { SITE_UNKNOWN, SITE_OK, SITE_WARNING, SITE_CRITICAL };

struct site_mirror {
	const char *id, *kind;
	const char *url;    /* for readers; or NULL */
	const char *region; /* or NULL */
	enum site_state state;
	const char *reason;              /* why it is not ok; or NULL */
	struct site_day days[SITE_DAYS]; /* the last one is today */
	uint64_t first_byte_us;          /* the mean; 0: not measured */
};

/* Downloads of the last SITE_DAYS days; rows of too few sessions were folded before (privacy). */
struct site_count {
	const char *name; /* model id, "2026-11-29", country as in ISO 3166-1 alpha-2, client,
			     mirror; "other" */
	uint64_t downloads, bytes;
};
struct site_counts {
	struct site_count *at;
	size_t count;
};
struct site_statistics {
	struct site_counts days, models, countries, clients, mirrors; /* days in order */
	uint64_t downloads, bytes;                                    /* all */
};

/* Everything is borrowed. */
struct site {
	const struct catalog *catalog;     /* with models and mirrors */
	const char *name, *title;          /* of the repository */
	const char *intro;                 /* a text of paragraphs for the first page; or NULL */
	const char *url;                   /* of the site, with '/' at its end; NULL: not known, so
					      there is no sitemap and no feed */
	const char *invite;                /* what `ferry repository add` takes; NULL: none */
	const char *root_sha256;           /* hex, of the first root */
	uint64_t release;                  /* the version of timestamp.json */
	int64_t time_s;                    /* now */
	const struct site_mirror *mirrors; /* NULL: there is no history of health */
	size_t mirror_count;
	int64_t health_s;                         /* of the last run; 0: none */
	const struct site_statistics *statistics; /* NULL: there are none */
};

/* A file of the site: its path below the site, its bytes. A negative return ends the work and is
 * returned. */
typedef int site_file_fn(void *ctx, const char *path, const void *data, size_t len, struct err *e);

/* Makes all files, in order. Only the errors of `fn`. */
WARN_UNUSED int site_make(const struct site *s, site_file_fn *fn, void *ctx, struct err *e);

#endif
