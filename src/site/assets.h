/*
 * assets: the files of the site that are the same for every repository: the style sheet, the
 * script and the icon, embedded from src/site/assets/ (scripts/embed).
 *
 * The style sheet and the script know these of the HTML. Whatever the script adds is missing
 * without it, and nothing else is.
 *
 *  a.skip                the first of the body, leads to #main
 *  header.top            a.brand, and nav with links; that of this page has aria-current="page"
 *  main#main, footer.bottom
 *  .lead                 a paragraph below <h1>; .muted: what is less important
 *  ul.cards > li.card    models: h2 or h3 with a link, p, p.meta with span.badge
 *  .badge                also .good, .warn, .bad: license, size, "withdrawn"
 *  ul.tags > li          links to facets; ul.facets the same with a span.count
 *  nav.pages             previous and next page of a list
 *  dl.facts              names and values, beside each other where there is room
 *  .notice               also .warn, .bad: a box with a text, "This version is withdrawn"
 *  div.scroll            around a wide table or figure, with role="group" and aria-label; the
 *                        script makes it reachable by keyboard if it scrolls
 *  table.sortable        th.num, td.num: numbers, aligned to the right. The script makes buttons of
 *                        the texts of thead th, and sorts by td's data-sort, or else its text
 *  .digest               a long hexadecimal number, which may be broken anywhere
 *  div.command           h3 or p (optional), pre > code: a command; the script adds "Copy"
 *  form.search           has `hidden`, which the script removes; data-search is the relative URL of
 *                        the search data, data-root that of the site ("./", "../../"). In it, each
 *                        with its label in a div.field, input#q[type=search] and
 *                        select[name=family|license|kind|size] (optional; the script fills in the
 *                        options after the first one). Followed by p#found[role=status] and an
 *                        empty #results, which takes the place of #list
 *  .state                also .ok, .warning, .critical, .unknown: a symbol and words
 *  figure.chart          svg in it: .bar, .line, .area, .axis, .grid, .label; figcaption
 *  svg.map               .l0 to .l5: countries, from no downloads to most; .sea; .legend
 *  svg.uptime            rect .up, .part, .down, .none: a day each
 *
 * The search data (JSON): { "format": "model-ferry-search", "version": 1, "models": [ { "id",
 * "title", "summary", "family", "license", "kind", "state": "withdrawn" or "deprecated",
 * "tags": [], "sizes": [bytes of each variant] } ] }, of which only "id" must be there. A model is
 * at models/<id>/ below data-root.
 */
#ifndef FERRY_SITE_ASSETS_H
#define FERRY_SITE_ASSETS_H

#include "util/base.h"

struct asset {
	const char *name; /* "site.css", "site.js", "icon.svg" */
	const unsigned char *data;
	size_t len;
};
extern const struct asset assets_all[];
extern const size_t assets_count;

/* NULL: none has this name. */
const struct asset *assets_named(const char *name);

/* Where a file is, below the site: "assets/site.0123456789abcdef.css", with the first 16 hex digits
 * of the SHA-256 of its content. `name` has an extension. The caller frees it. */
WARN_UNUSED char *assets_path(const char *name, const void *data, size_t len);

#endif
