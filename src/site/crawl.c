#include "site/crawl.h"

#include "site/markup.h"
#include "site/page.h"
#include "site/site_mirrors.h"
#include "site/site_statistics.h"
#include "util/mem.h"

#include <string.h>

#define URLS 50000
#define BYTES (50 * MIB)
#define NAMESPACE "http://www.sitemaps.org/schemas/sitemap/0.9"
#define END "</urlset>\n"
#define NAME_MAX_BYTES 64 /* of a model's id */

void crawl_robots(const struct site *s, struct buf *out)
{
	buf_adds(out, "User-agent: *\nAllow: /\n");
	if (s->url && !strpbrk(s->url, "\r\n"))
		buf_addf(out, "Sitemap: %s" CRAWL_SITEMAP "\n", s->url);
}

/* ---- the parts of a site map ---- */

struct map {
	const struct site *s;
	struct crawl_limits limits;
	site_file_fn *fn;
	void *ctx;
	struct buf text;
	struct markup m;
	size_t urls, parts; /* in this part; parts that are done */
};

static void begin(struct map *map, const char *element)
{
	buf_clear(&map->text);
	map->urls = 0;
	markup_xml(&map->m, &map->text);
	markup_open(&map->m, element);
	markup_attr(&map->m, "xmlns", NAMESPACE);
	markup_text(&map->m, "\n");
}

static int end(struct map *map, const char *element, const char *path, struct err *e)
{
	markup_close(&map->m, element);
	buf_addc(&map->text, '\n');
	return map->fn(map->ctx, path, map->text.data, map->text.len, e);
}

static int end_part(struct map *map, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("sitemap-%zu.xml", ++map->parts);
	return end(map, "urlset", path, e);
}

/* The largest entry that can be added: tags, the URL, escaped, a path, a time. */
static size_t entry_max(const struct site *s)
{
	return 128 + 6 * (strlen(s->url) + sizeof("models/.html") + NAME_MAX_BYTES);
}

static bool is_full(const struct map *map)
{
	return map->urls == map->limits.urls ||
	       (map->urls && map->text.len + entry_max(map->s) + sizeof(END) > map->limits.bytes);
}

static void add_entry(struct map *map, const char *element, const char *path, const char *time)
{
	struct markup *m = &map->m;
	markup_open(m, element);
	markup_open(m, "loc");
	markup_textf(m, "%s%s", map->s->url, path);
	markup_close(m, "loc");
	if (time)
		markup_element(m, "lastmod", NULL, time);
	markup_close(m, element);
	markup_text(m, "\n");
	map->urls++;
}

static int add(struct map *map, const char *path, const char *time, struct err *e)
{
	if (is_full(map)) {
		int rc = end_part(map, e);
		if (rc < 0)
			return rc;
		begin(map, "urlset");
	}
	add_entry(map, "url", path, time);
	return 0;
}

/* ---- all of it ---- */

static int add_all(struct map *map, struct err *e)
{
	const struct catalog *c = map->s->catalog;
	int rc = add(map, "index.html", c->updated, e);
	if (rc == 0)
		rc = add(map, SITE_MIRRORS_PATH, NULL, e);
	if (rc == 0 && map->s->statistics)
		rc = add(map, SITE_STATISTICS_PATH, NULL, e);
	for (size_t i = 0; rc == 0 && i < c->model_count; i++) {
		const struct card *model = &c->models[i];
		CLEANUP(mem_free_ptr) char *path = page_model_path(model->id);
		rc = add(map, path, json_text(model->json, "updated"), e);
	}
	return rc;
}

static int write_index(struct map *map, struct err *e)
{
	size_t parts = map->parts;
	begin(map, "sitemapindex");
	for (size_t i = 1; i <= parts; i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("sitemap-%zu.xml", i);
		add_entry(map, "sitemap", path, NULL);
	}
	return end(map, "sitemapindex", CRAWL_SITEMAP, e);
}

int crawl_sitemap(const struct site *s, struct crawl_limits limits, site_file_fn *fn, void *ctx,
		  struct err *e)
{
	struct map map = { .s = s, .limits = limits, .fn = fn, .ctx = ctx };
	map.limits.urls = limits.urls ? limits.urls : URLS;
	map.limits.bytes = limits.bytes ? limits.bytes : BYTES;
	buf_init(&map.text, 2 * BYTES);
	begin(&map, "urlset");
	int rc = add_all(&map, e);
	if (rc == 0 && !map.parts)
		rc = end(&map, "urlset", CRAWL_SITEMAP, e);
	else if (rc == 0)
		rc = end_part(&map, e);
	if (rc == 0 && map.parts)
		rc = write_index(&map, e);
	buf_release(&map.text);
	return rc;
}
