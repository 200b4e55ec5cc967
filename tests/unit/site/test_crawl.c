#include "site/crawl.h"

#include "built_site.h"
#include "unit.h"
#include "util/mem.h"

static int keep(void *ctx, const char *path, const void *data, size_t len, struct err *e)
{
	struct built_site *b = ctx;
	(void)e;
	str_list_add(&b->paths, path);
	str_list_take(&b->files, mem_strndup(data, len));
	return 0;
}

static void map(struct built_site *b, size_t models, struct crawl_limits limits)
{
	struct err e = ERR_INIT;
	built_site_init_many(b, models, ",\"updated\":\"2026-11-20T10:00:00Z\"");
	b->site.url = "https://m.example.org/a&b/";
	assert_ok(crawl_sitemap(&b->site, limits, keep, b, &e), &e);
}

static size_t urls(const char *text)
{
	size_t n = 0;
	for (; (text = strstr(text, "<loc>")); text++)
		n++;
	return n;
}

static void robots_are_told_of_the_site_map(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	CLEANUP(buf_release) struct buf with = BUF_INIT(KIB), without = BUF_INIT(KIB);
	built_site_init(&b, "");
	crawl_robots(&b.site, &without);
	assert_string_equal(without.data, "User-agent: *\nAllow: /\n");
	b.site.url = "https://m.example.org/site/";
	crawl_robots(&b.site, &with);
	assert_string_equal(with.data, "User-agent: *\nAllow: /\n"
				       "Sitemap: https://m.example.org/site/sitemap.xml\n");
}

static void a_site_map_has_every_model_once(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	map(&b, 3, (struct crawl_limits){ 0 });
	assert_int_equal(b.paths.count, 1);
	assert_int_equal(urls(b.files.at[0]), 5);
	built_site_has(&b, "sitemap.xml",
		       "<url><loc>https://m.example.org/a&amp;b/models/m0002.html</loc>"
		       "<lastmod>2026-11-20T10:00:00Z</lastmod></url>");
	built_site_has(&b, "sitemap.xml", "/mirrors/index.html</loc></url>");
	built_site_lacks(&b, "sitemap.xml", "statistics");
}

/* 12 URLs, 5 in a file. */
static void a_large_site_map_is_an_index_of_parts(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	map(&b, 10, (struct crawl_limits){ .urls = 5 });
	assert_int_equal(b.paths.count, 4);
	assert_string_equal(b.paths.at[3], "sitemap.xml");
	assert_int_equal(urls(built_site_file(&b, "sitemap-1.xml")), 5);
	assert_int_equal(urls(built_site_file(&b, "sitemap-2.xml")), 5);
	assert_int_equal(urls(built_site_file(&b, "sitemap-3.xml")), 2);
	built_site_has(&b, "sitemap-3.xml", "m0009");
	built_site_has(&b, "sitemap.xml", "<sitemapindex");
	built_site_has(&b, "sitemap.xml", "<loc>https://m.example.org/a&amp;b/sitemap-3.xml</loc>");
	assert_int_equal(urls(built_site_file(&b, "sitemap.xml")), 3);
}

static void exactly_as_much_as_fits_is_one_file(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	map(&b, 3, (struct crawl_limits){ .urls = 5 });
	assert_int_equal(b.paths.count, 1);
}

static void no_part_is_larger_than_the_protocol_allows(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	size_t all = 0;
	map(&b, 40, (struct crawl_limits){ .bytes = 2000 });
	assert_true(b.paths.count > 3);
	for (size_t i = 0; i + 1 < b.paths.count; i++) {
		assert_true(strlen(b.files.at[i]) <= 2000);
		all += urls(b.files.at[i]);
	}
	assert_int_equal(all, 42);
}

static int refuse(void *ctx, const char *path, const void *data, size_t len, struct err *e)
{
	(void)data;
	(void)len;
	return *(const char **)ctx && strcmp(path, *(const char **)ctx) == 0
		       ? err_set(e, ERR_SYSTEM, "%s", path)
		       : 0;
}

static void what_fails_to_be_written_ends_the_work(void **state)
{
	(void)state;
	static const char *const paths[] = { "sitemap-1.xml", "sitemap-3.xml", "sitemap.xml" };
	CLEANUP(built_site_release) struct built_site b;
	built_site_init_many(&b, 10, "");
	b.site.url = "https://m.example.org/";
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct err e = ERR_INIT;
		const char *path = paths[i];
		struct crawl_limits limits = { .urls = 5 };
		assert_int_equal(crawl_sitemap(&b.site, limits, refuse, &path, &e), -ERR_SYSTEM);
		assert_string_equal(e.text, path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(robots_are_told_of_the_site_map),
		cmocka_unit_test(a_site_map_has_every_model_once),
		cmocka_unit_test(a_large_site_map_is_an_index_of_parts),
		cmocka_unit_test(exactly_as_much_as_fits_is_one_file),
		cmocka_unit_test(no_part_is_larger_than_the_protocol_allows),
		cmocka_unit_test(what_fails_to_be_written_ends_the_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
