#include "built_site.h"

#include "unit.h"

#define Q4 "\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE("models/m/m.gguf") "]}]"

static void make(struct built_site *b, const char *models)
{
	built_site_init(b, models);
	built_site_make(b);
}

static void every_page_forbids_what_is_not_of_its_own_host(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	size_t pages = 0;
	built_site_init_many(&b, 60, ",\"family\":\"f%zu\"");
	built_site_make(&b);
	for (size_t i = 0; i < b.paths.count; i++) {
		const char *path = b.paths.at[i];
		if (!str_ends(path, ".html"))
			continue;
		pages++;
		built_site_has(&b, path,
			       "<meta http-equiv=\"Content-Security-Policy\" "
			       "content=\"default-src &#39;none&#39;; style-src &#39;self&#39;; "
			       "script-src &#39;self&#39;; img-src &#39;self&#39;; "
			       "connect-src &#39;self&#39;; base-uri &#39;none&#39;; "
			       "form-action &#39;self&#39;\"/>");
		built_site_lacks(&b, path, "<style");
		built_site_lacks(&b, path, " style=");
		built_site_has(&b, path, "<html lang=\"en\">");
		built_site_has(&b, path, "<a class=\"skip\" href=\"#main\">");
		built_site_has(&b, path, "<main id=\"main\"");
	}
	assert_true(pages > 100);
}

static void the_first_page_is_written_last(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, BUILT_MODEL("\"id\":\"m\"," Q4));
	assert_true(str_starts(b.paths.at[0], "assets/"));
	assert_string_equal(b.paths.at[b.paths.count - 1], "index.html");
}

static void the_first_page_shows_50_models_and_leads_to_the_others(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init_many(&b, 101, "");
	built_site_make(&b);
	built_site_has(&b, "index.html", "href=\"models/m0000.html\"");
	built_site_has(&b, "index.html", "href=\"models/m0049.html\"");
	built_site_lacks(&b, "index.html", "m0050");
	built_site_has(&b, "index.html", "href=\"page/2/index.html\"");
	built_site_has(&b, "page/2/index.html", "href=\"../../models/m0050.html\"");
	built_site_has(&b, "page/2/index.html", "rel=\"prev\" href=\"../../index.html\"");
	built_site_has(&b, "page/3/index.html", "href=\"../../models/m0100.html\"");
	built_site_lacks(&b, "page/3/index.html", "rel=\"next\"");
	assert_null(built_site_find(&b, "page/4/index.html"));
}

static void an_empty_catalog_has_a_page_that_says_so(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	make(&b, "");
	built_site_has(&b, "index.html", "This repository has no models yet.");
}

static void pages_have_a_canonical_url_only_if_the_site_has_one(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b, c;
	make(&b, BUILT_MODEL("\"id\":\"m\"," Q4));
	built_site_lacks(&b, "models/m.html", "canonical");
	built_site_init(&c, BUILT_MODEL("\"id\":\"m\"," Q4));
	c.site.url = "https://m.example.org/lab/site/";
	built_site_make(&c);
	built_site_has(&c, "models/m.html",
		       "rel=\"canonical\" "
		       "href=\"https://m.example.org/lab/site/models/m.html\"");
	built_site_has(&c, "models/m.html", "property=\"og:title\" content=\"m\"");
	built_site_has(&c, "404.html", "href=\"/lab/site/index.html\"");
}

static void a_new_release_changes_only_pages_that_say_which_it_is(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b, c;
	make(&b, BUILT_MODEL("\"id\":\"m\"," Q4));
	built_site_init(&c, BUILT_MODEL("\"id\":\"m\"," Q4));
	c.site.release++;
	c.site.time_s += 86400;
	built_site_make(&c);
	built_site_has(&b, "index.html", "Release 7, <time datetime=\"2026-11-");
	built_site_has(&c, "index.html", "Release 8, ");
	assert_string_equal(built_site_file(&b, "models/m.html"),
			    built_site_file(&c, "models/m.html"));
}

static int refuse(void *ctx, const char *path, const void *data, size_t len, struct err *e)
{
	int *calls = ctx;
	(void)data;
	(void)len;
	++*calls;
	return err_set(e, ERR_SYSTEM, "%s: disk full", path);
}

static void what_fails_to_be_written_ends_the_work(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct err e = ERR_INIT;
	int calls = 0;
	built_site_init(&b, BUILT_MODEL("\"id\":\"m\"," Q4));
	assert_int_equal(site_make(&b.site, refuse, &calls, &e), -ERR_SYSTEM);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_forbids_what_is_not_of_its_own_host),
		cmocka_unit_test(the_first_page_is_written_last),
		cmocka_unit_test(the_first_page_shows_50_models_and_leads_to_the_others),
		cmocka_unit_test(an_empty_catalog_has_a_page_that_says_so),
		cmocka_unit_test(pages_have_a_canonical_url_only_if_the_site_has_one),
		cmocka_unit_test(a_new_release_changes_only_pages_that_say_which_it_is),
		cmocka_unit_test(what_fails_to_be_written_ends_the_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
