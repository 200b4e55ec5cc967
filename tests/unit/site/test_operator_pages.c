/* The pages of mirrors and of statistics. */
#include "built_site.h"

#include "unit.h"

#define MIRRORS "mirrors/index.html"
#define STATISTICS "statistics/index.html"
#define Q4 "\"variants\":[{\"id\":\"q4\",\"files\":[" BUILT_FILE("models/m/m.gguf") "]}]"

static void every_mirror_has_its_state_in_words_with_a_symbol(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct site_mirror mirrors[] = {
		{ .id = "a",
		  .kind = "http",
		  .url = "https://a.example.org/",
		  .state = SITE_OK,
		  .reason = "not shown",
		  .first_byte_us = 34567 },
		{ .id = "b", .kind = "s3", .state = SITE_WARNING, .reason = "slow <b>" },
		{ .id = "c", .kind = "s3", .state = SITE_CRITICAL, .reason = "refused" },
		{ .id = "d", .kind = "s3", .region = "eu" },
	};
	built_site_init(&b, "");
	b.site.mirrors = mirrors;
	b.site.mirror_count = ARRAY_LEN(mirrors);
	b.site.health_s = b.site.time_s - 90;
	built_site_make(&b);
	built_site_has(&b, MIRRORS, "<h2>a <span class=\"state ok\">✔ works</span></h2>");
	built_site_has(&b, MIRRORS, "<span class=\"state warning\">▲ works, with faults</span>");
	built_site_has(&b, MIRRORS, "<p class=\"notice warn\">slow &lt;b&gt;</p>");
	built_site_has(&b, MIRRORS, "<span class=\"state critical\">✖ does not work</span>");
	built_site_has(&b, MIRRORS, "<p class=\"notice bad\">refused</p>");
	built_site_has(&b, MIRRORS, "<span class=\"state unknown\">? not known</span>");
	built_site_has(&b, MIRRORS, "<a href=\"https://a.example.org/\"");
	built_site_has(&b, MIRRORS, "<dt>First byte after</dt><dd>34 ms</dd>");
	built_site_has(&b, MIRRORS, "Last checked: 2026-11-28, 23:58 UTC.");
	built_site_lacks(&b, MIRRORS, "not shown");
}

static void days_with_failures_are_listed_the_newest_first(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct site_mirror eu = { .id = "eu", .kind = "http", .state = SITE_OK };
	for (size_t i = 0; i < SITE_DAYS; i++)
		eu.days[i] = (struct site_day){ 24, i % 4 ? 24 : 20 };
	built_site_init(&b, "");
	b.site.mirrors = &eu;
	b.site.mirror_count = 1;
	built_site_make(&b);
	built_site_has(&b, MIRRORS, "<summary>23 days with failures</summary>");
	built_site_has(&b, MIRRORS,
		       "<ul><li>2026-11-28: 4 of 24 checks failed</li>"
		       "<li>2026-11-24: ");
	built_site_has(&b, MIRRORS, "Earlier ones are not listed.");
	built_site_has(&b, MIRRORS, "Up in 95.74 % of the checks of the last 90 days");
}

static void a_url_that_is_no_link_is_only_shown(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct site_mirror mirror = { .id = "x", .kind = "http", .url = "javascript:alert(1)" };
	built_site_init(&b, "");
	b.site.mirrors = &mirror;
	b.site.mirror_count = 1;
	built_site_make(&b);
	built_site_has(&b, MIRRORS, "javascript:alert(1)");
	built_site_lacks(&b, MIRRORS, "href=\"javascript:");
}

static void without_a_history_the_mirrors_of_the_catalog_are_named(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	built_site_init(&b, "");
	built_site_make(&b);
	built_site_has(&b, MIRRORS, "<h2>eu</h2>");
	built_site_has(&b, MIRRORS, "https://m.example.org/lab");
	built_site_lacks(&b, MIRRORS, "class=\"state");
	assert_null(built_site_find(&b, STATISTICS));
}

static void statistics_have_all_days_and_tables(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	struct site_count days[] = { { "2026-11-28", 5, 1 },
				     { "2026-11-29", 7, 1 },
				     { "other", 3, 1 } };
	struct site_count models[] = { { "m", 10, 2048 }, { "gone", 5, 1024 } };
	struct site_count countries[] = { { "DE", 12, 0 }, { "other", 3, 0 } };
	struct site_statistics all = { .days = { days, 3 },
				       .models = { models, 2 },
				       .countries = { countries, 2 },
				       .downloads = 15,
				       .bytes = 3072 };
	built_site_init(&b, BUILT_MODEL("\"id\":\"m\"," Q4));
	b.site.statistics = &all;
	built_site_make(&b);
	built_site_has(&b, STATISTICS, "15 downloads in the last 90 days: 3.0 KiB.");
	built_site_has(&b, STATISTICS,
		       "90 columns, from 2026-09-01 to 2026-11-29; the highest is 7");
	built_site_has(&b, STATISTICS, "<td>2026-11-27</td><td class=\"num\">0</td>");
	built_site_has(&b, STATISTICS, "<a href=\"../models/m.html\">m</a>");
	built_site_has(&b, STATISTICS, "<th scope=\"row\">gone</th>");
	built_site_has(&b, STATISTICS, "<title>Germany: 12</title>");
	built_site_has(&b, STATISTICS, "<th scope=\"row\">Germany</th>");
	built_site_lacks(&b, STATISTICS, "<h2>Clients</h2>");
	built_site_lacks(&b, STATISTICS, "<title>other");
}

/* As full as they can be: the tables, the chart, the map. */
static void pages_stay_light_however_much_there_is(void **state)
{
	(void)state;
	CLEANUP(built_site_release) struct built_site b;
	static struct site_count many[300], countries[300];
	static struct site_mirror mirrors[64];
	static char codes[300][3];
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct site_count){ "a-model-with-a-name", 1234567, 1 };
		codes[i][0] = (char)('A' + i / 26);
		codes[i][1] = (char)('A' + i % 26);
		countries[i] = (struct site_count){ codes[i], 1234567, 1 };
	}
	for (size_t i = 0; i < ARRAY_LEN(mirrors); i++) {
		mirrors[i] = (struct site_mirror){ .id = "mirror", .kind = "http" };
		for (size_t k = 0; k < SITE_DAYS; k++)
			mirrors[i].days[k] = (struct site_day){ 24, 8 * (uint32_t)(k % 4) };
	}
	struct site_statistics all = { .models = { many, 300 },
				       .countries = { countries, 300 },
				       .clients = { many, 300 },
				       .mirrors = { many, 64 } };
	built_site_init(&b, "");
	b.site.statistics = &all;
	b.site.mirrors = mirrors;
	b.site.mirror_count = ARRAY_LEN(mirrors);
	built_site_make(&b);
	built_site_has(&b, STATISTICS, "270 more are not shown.");
	assert_in_range(strlen(built_site_file(&b, STATISTICS)), 50000, 100000);
	assert_in_range(strlen(built_site_file(&b, MIRRORS)), 50000, 150000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mirror_has_its_state_in_words_with_a_symbol),
		cmocka_unit_test(days_with_failures_are_listed_the_newest_first),
		cmocka_unit_test(a_url_that_is_no_link_is_only_shown),
		cmocka_unit_test(without_a_history_the_mirrors_of_the_catalog_are_named),
		cmocka_unit_test(statistics_have_all_days_and_tables),
		cmocka_unit_test(pages_stay_light_however_much_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
