#include "site/chart.h"
#include "site/map.h"
#include "site/world.h"

#include "unit.h"

static void has(const struct buf *text, const char *part)
{
	if (!strstr(buf_str(text), part))
		fail_msg("no '%s' in:\n%s", part, buf_str(text));
}

static void lacks(const struct buf *text, const char *part)
{
	if (strstr(buf_str(text), part))
		fail_msg("'%s' in:\n%s", part, buf_str(text));
}

/* ---- charts ---- */

static void columns(struct buf *out, struct site_count *at, size_t count)
{
	struct markup m;
	struct site_counts counts = { at, count };
	markup_html(&m, out);
	chart_columns(&m,
		      &(struct chart){ "days", "Downloads per day", "Day", "Downloads", &counts });
}

static void a_number_has_commas(void **state)
{
	(void)state;
	char out[CHART_NUMBER];
	assert_string_equal(chart_number(out, 0), "0");
	assert_string_equal(chart_number(out, 999), "999");
	assert_string_equal(chart_number(out, 1000), "1,000");
	assert_string_equal(chart_number(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void a_chart_is_described_and_has_its_numbers_as_a_table(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	struct site_count at[] = { { "2026-11-28", 10, 0 }, { "2026-11-29", 1500, 0 } };
	columns(&out, at, 2);
	has(&out, "aria-labelledby=\"days-title days-desc\"");
	has(&out, "<desc id=\"days-desc\">2 columns, from 2026-11-28 to 2026-11-29; the highest "
		  "is 1,500. A table follows.</desc>");
	has(&out, "<td>2026-11-28</td><td class=\"num\">10</td>");
	has(&out, "<td>2026-11-29</td><td class=\"num\">1,500</td>");
}

/* Of 176 units, which are 2,000. */
static void a_column_is_as_high_as_its_number(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	struct site_count at[] = {
		{ "a", 2000, 0 }, { "b", 1000, 0 }, { "c", 1, 0 }, { "d", 0, 0 }
	};
	columns(&out, at, 4);
	has(&out, "height=\"176\"><title>a: 2,000<");
	has(&out, "height=\"88\"><title>b: 1,000<");
	has(&out, "height=\"1\"><title>c: 1<");
	has(&out, "height=\"0\"><title>d: 0<");
	has(&out, ">2,000</text>");
	has(&out, ">1,000</text>");
}

static void the_scale_ends_a_little_above_the_highest_number(void **state)
{
	(void)state;
	static const struct {
		uint64_t most;
		const char *top;
	} cases[] = { { 0, ">1</text>" },
		      { 7, ">8</text>" },
		      { 521, ">600</text>" },
		      { 9001, ">10 k</text>" },
		      { 60000, ">60 k</text>" },
		      { 60001, ">80 k</text>" },
		      { UINT64_MAX, ">10 E</text>" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
		struct site_count at = { "a", cases[i].most, 0 };
		columns(&out, &at, 1);
		has(&out, cases[i].top);
	}
}

static void names_and_no_columns_at_all_do_no_harm(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	CLEANUP(buf_release) struct buf none = BUF_INIT(MIB);
	struct site_count at = { "<script>\xE2\x80\xAE", 5, 0 };
	columns(&out, &at, 1);
	lacks(&out, "<script>");
	lacks(&out, "\xE2\x80\xAE");
	columns(&none, NULL, 0);
	has(&none, "No data.");
}

static void uptime_is_rounded_down(void **state)
{
	(void)state;
	struct site_mirror m = { .id = "eu" };
	unsigned parts = 0;
	assert_false(chart_uptime_parts(&m, &parts));
	m.days[0] = (struct site_day){ 100000, 99999 };
	assert_true(chart_uptime_parts(&m, &parts));
	assert_int_equal(parts, 9999);
	m.days[0] = (struct site_day){ 3, 3 };
	assert_true(chart_uptime_parts(&m, &parts));
	assert_int_equal(parts, 10000);
}

static void the_strip_tells_days_apart(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	struct markup m;
	struct site_mirror eu = { .id = "eu" };
	eu.days[SITE_DAYS - 1] = (struct site_day){ 24, 24 };
	eu.days[SITE_DAYS - 2] = (struct site_day){ 24, 23 };
	eu.days[SITE_DAYS - 3] = (struct site_day){ 24, 0 };
	markup_html(&m, &out);
	chart_uptime(&m, &eu);
	has(&out, "aria-label=\"eu: up in 65.27 % of the checks of the last 90 days\"");
	has(&out, "<path class=\"up\" d=\"M356 0h3v24h-3z\"/>");
	has(&out, "<path class=\"part\" d=\"M352 0h3v24h-3z\"/>");
	has(&out, "<path class=\"down\" d=\"M348 0h3v24h-3z\"/>");
	has(&out, "<path class=\"none\" d=\"M0 0h3v24h-3zM4 0");
}

/* ---- the map ---- */

static void steps(uint64_t largest, const char *want)
{
	struct map_steps s;
	CLEANUP(buf_release) struct buf text = BUF_INIT(KIB);
	map_steps_of(largest, &s);
	for (size_t i = 0; i < s.count; i++)
		buf_addf(&text, " %llu", (unsigned long long)s.from[i]);
	assert_string_equal(buf_str(&text), want);
}

static void steps_end_below_the_largest_number_and_begin_at_1(void **state)
{
	(void)state;
	steps(0, "");
	steps(1, " 1");
	steps(9, " 1 3");
	steps(10, " 1 3 10");
	steps(100, " 1 3 10 30 100");
	steps(99999, " 1 1000 3000 10000 30000");
	steps(100000, " 1 100 1000 10000 100000");
	steps(UINT64_MAX, " 1 10000000000000000 100000000000000000 1000000000000000000 "
			  "10000000000000000000");
}

static void map(struct buf *out, struct site_count *at, size_t count)
{
	struct markup m;
	struct site_counts counts = { at, count };
	markup_html(&m, out);
	map_world(&m, &counts);
}

static void countries_are_shaded_and_small_ones_are_dots(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	struct site_count at[] = { { "DE", 120, 0 },  { "FR", 12, 0 }, { "SG", 1, 0 },
				   { "other", 9, 0 }, { "ZZ", 9, 0 },  { "<b>", 9, 0 } };
	map(&out, at, ARRAY_LEN(at));
	has(&out, "<path class=\"l5\" d=\"M");
	has(&out, "<title>Germany: 120</title>");
	has(&out, "<path class=\"l3\" d=\"M");
	has(&out, "<circle class=\"l1\"");
	has(&out, "<title>Singapore: 1</title>");
	has(&out, "3 countries have downloads");
	has(&out, "</svg> 100 and more</li>");
	has(&out, "</svg> 1 to 2</li>");
	lacks(&out, "<b>");
	lacks(&out, "other");
}

static void a_map_without_downloads_has_no_shades(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf out = BUF_INIT(MIB);
	map(&out, NULL, 0);
	has(&out, "<path class=\"l0\" d=\"M");
	lacks(&out, "class=\"l1\"");
}

static void countries_have_names(void **state)
{
	(void)state;
	assert_string_equal(map_country("DE"), "Germany");
	assert_string_equal(map_country("XK"), "Kosovo");
	assert_string_equal(map_country("other"), "other");
	assert_string_equal(map_country(""), "");
}

/* What a page weighs, and that bsearch finds them. */
static void the_world_is_small_and_in_order(void **state)
{
	(void)state;
	size_t bytes = 0, dots = 0;
	for (size_t i = 0; i < world_count; i++) {
		const struct world_country *c = &world_countries[i];
		bytes += strlen(c->path);
		dots += !*c->path && c->x >= 0;
		assert_true(!i || strcmp(world_countries[i - 1].code, c->code) < 0);
		assert_true(c->x <= (int)world_width && c->y <= (int)world_height);
	}
	assert_true(bytes < 60000);
	assert_true(world_count > 240 && dots > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_has_commas),
		cmocka_unit_test(a_chart_is_described_and_has_its_numbers_as_a_table),
		cmocka_unit_test(a_column_is_as_high_as_its_number),
		cmocka_unit_test(the_scale_ends_a_little_above_the_highest_number),
		cmocka_unit_test(names_and_no_columns_at_all_do_no_harm),
		cmocka_unit_test(uptime_is_rounded_down),
		cmocka_unit_test(the_strip_tells_days_apart),
		cmocka_unit_test(steps_end_below_the_largest_number_and_begin_at_1),
		cmocka_unit_test(countries_are_shaded_and_small_ones_are_dots),
		cmocka_unit_test(a_map_without_downloads_has_no_shades),
		cmocka_unit_test(countries_have_names),
		cmocka_unit_test(the_world_is_small_and_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
