#include "site/site.h"

#include "site/assets.h"
#include "site/atom.h"
#include "site/crawl.h"
#include "site/facets.h"
#include "site/lists.h"
#include "site/model.h"
#include "site/models_json.h"
#include "site/page.h"
#include "site/search.h"
#include "site/site_mirrors.h"
#include "site/site_statistics.h"

#include <stdlib.h>

/* ---- assets ---- */

/* Owned. */
struct paths {
	char *style, *script, *icon, *search;
};

static void paths_release(struct paths *p)
{
	free(p->style);
	free(p->script);
	free(p->icon);
	free(p->search);
}

static int embedded(const struct site_build *b, const char *name, char **path, struct err *e)
{
	const struct asset *a = assets_named(name);
	if (!a)
		return 0;
	*path = assets_path(name, a->data, a->len);
	return b->fn(b->ctx, *path, a->data, a->len, e);
}

/* Without it the first page has lists to browse, and no search. */
static int search(const struct site_build *b, char **path, struct err *e)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT(SEARCH_MAX_BYTES);
	if (!search_data(b->site->catalog, &data))
		return 0;
	*path = assets_path("search.json", buf_str(&data), data.len);
	return site_build_file(b, *path, &data, e);
}

static int assets(struct site_build *b, struct paths *p, struct err *e)
{
	int rc = embedded(b, "site.css", &p->style, e);
	if (rc == 0)
		rc = embedded(b, "site.js", &p->script, e);
	if (rc == 0)
		rc = embedded(b, "icon.svg", &p->icon, e);
	if (rc == 0 && b->site->catalog->model_count)
		rc = search(b, &p->search, e);
	b->style = p->style;
	b->script = p->script;
	b->icon = p->icon;
	b->search = p->search;
	return rc;
}

/* ---- pages ---- */

static int model_pages(const struct site_build *b, const struct facets *f, struct err *e)
{
	const struct catalog *c = b->site->catalog;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->model_count; i++)
		rc = site_model_page(b, &c->models[i], f, e);
	return rc;
}

static int missing_page(const struct site_build *b, struct err *e)
{
	CLEANUP(page_release) struct page p;
	page_open(&p, b, &(struct page_head){ .path = "404.html", .title = "Page not found" });
	markup_element(&p.m, "h1", NULL, "Page not found");
	markup_element(&p.m, "p", "lead",
		       "The page does not exist, or the model is no longer in the catalog.");
	markup_open(&p.m, "p");
	page_link(&p, NULL, "index.html", "All models");
	markup_close(&p.m, "p");
	return page_close(&p, e);
}

/* ---- for programs ---- */

#define DOCUMENT_MAX (256 * MIB)

static int models(const struct site_build *b, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	int rc = models_json_write(b->site, &text, e);
	return rc < 0 ? rc : site_build_file(b, MODELS_JSON_PATH, &text, e);
}

static int feed(const struct site_build *b, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(DOCUMENT_MAX);
	atom_write(b->site, &text);
	return site_build_file(b, ATOM_PATH, &text, e);
}

static int robots(const struct site_build *b, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB * 4);
	crawl_robots(b->site, &text);
	return site_build_file(b, CRAWL_ROBOTS, &text, e);
}

static int documents(const struct site_build *b, struct err *e)
{
	const struct crawl_limits limits = { 0 };
	int rc = models(b, e);
	if (rc == 0 && b->site->url)
		rc = feed(b, e);
	if (rc == 0)
		rc = robots(b, e);
	if (rc == 0 && b->site->url)
		rc = crawl_sitemap(b->site, limits, b->fn, b->ctx, e);
	return rc;
}

int site_make(const struct site *s, site_file_fn *fn, void *ctx, struct err *e)
{
	struct site_build b = { .site = s, .fn = fn, .ctx = ctx };
	CLEANUP(facets_release) struct facets facets = { 0 };
	CLEANUP(paths_release) struct paths paths = { 0 };
	int rc = assets(&b, &paths, e);
	facets_make(s->catalog, &facets);
	if (rc == 0)
		rc = model_pages(&b, &facets, e);
	if (rc == 0)
		rc = lists_pages(&b, e);
	if (rc == 0)
		rc = lists_facets(&b, &facets, e);
	if (rc == 0)
		rc = site_mirrors_page(&b, e);
	if (rc == 0 && s->statistics)
		rc = site_statistics_page(&b, e);
	if (rc == 0)
		rc = documents(&b, e);
	if (rc == 0)
		rc = missing_page(&b, e);
	if (rc == 0)
		rc = lists_first(&b, &facets, e);
	return rc;
}
