#include "site/site_statistics.h"

#include "site/chart.h"
#include "site/map.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define DAY_S 86400
#define ROWS 30 /* of a table, so that the page is below 100 kB */

/* ---- tables ---- */

/* What of a table differs from the others. */
struct table {
	const char *title, *names;
	const struct site_counts *counts;
	const char *(*text)(const char *name); /* NULL: the name itself */
	bool models;                           /* with links to their pages */
};

static void put_name(struct page *p, const struct table *t, const char *name)
{
	markup_open(&p->m, "th");
	markup_attr(&p->m, "scope", "row");
	if (t->models && catalog_model(p->build->site->catalog, name)) {
		CLEANUP(mem_free_ptr) char *path = page_model_path(name);
		page_link(p, NULL, path, name);
	} else {
		markup_text(&p->m, t->text ? t->text(name) : name);
	}
	markup_close(&p->m, "th");
}

static void put_number(struct markup *m, uint64_t value, const char *text)
{
	markup_open(m, "td");
	markup_attr(m, "class", "num");
	markup_attrf(m, "data-sort", "%llu", (unsigned long long)value);
	markup_text(m, text);
	markup_close(m, "td");
}

static void put_row(struct page *p, const struct table *t, const struct site_count *c)
{
	char number[CHART_NUMBER], size[SIZE_TEXT];
	markup_open(&p->m, "tr");
	put_name(p, t, c->name);
	put_number(&p->m, c->downloads, chart_number(number, c->downloads));
	put_number(&p->m, c->bytes, format_size(size, c->bytes));
	markup_open(&p->m, "td");
	chart_bar(&p->m, c->downloads, chart_largest(t->counts));
	markup_close(&p->m, "td");
	markup_close(&p->m, "tr");
}

static void put_head(struct markup *m, const struct table *t)
{
	markup_open(m, "thead");
	markup_open(m, "tr");
	markup_element(m, "th", NULL, t->names);
	markup_element(m, "th", "num", "Downloads");
	markup_element(m, "th", "num", "Bytes");
	markup_open(m, "td"); /* of the bars, which repeat the numbers */
	markup_close(m, "td");
	markup_close(m, "tr");
	markup_close(m, "thead");
}

static void put_table(struct page *p, const struct table *t)
{
	struct markup *m = &p->m;
	size_t rows = MIN(t->counts->count, ROWS);
	page_table_open(p, "sortable", t->title);
	markup_element(m, "caption", NULL, t->title);
	put_head(m, t);
	markup_open(m, "tbody");
	for (size_t i = 0; i < rows; i++)
		put_row(p, t, &t->counts->at[i]);
	markup_close(m, "tbody");
	page_table_close(p);
	if (rows == t->counts->count)
		return;
	markup_open(m, "p");
	markup_attr(m, "class", "muted");
	markup_textf(m, "%zu more are not shown.", t->counts->count - rows);
	markup_close(m, "p");
}

static void put_part(struct page *p, const char *heading, const struct table *t)
{
	if (!t->counts->count)
		return;
	markup_element(&p->m, "h2", NULL, heading);
	if (t->counts == &p->build->site->statistics->countries)
		map_world(&p->m, t->counts);
	put_table(p, t);
}

/* ---- days ---- */

static const struct site_count *count_of(const struct site_counts *counts, const char *name)
{
	for (size_t i = 0; i < counts->count; i++)
		if (strcmp(counts->at[i].name, name) == 0)
			return &counts->at[i];
	return NULL;
}

/* All days, those without downloads, too. */
static void put_days(struct markup *m, const struct site *s)
{
	char names[SITE_DAYS][TIME_TEXT];
	struct site_count days[SITE_DAYS];
	struct site_counts all = { days, SITE_DAYS };
	for (int i = 0; i < SITE_DAYS; i++) {
		format_time(names[i], s->time_s - (int64_t)(SITE_DAYS - 1 - i) * DAY_S);
		names[i][10] = '\0';
		const struct site_count *known = count_of(&s->statistics->days, names[i]);
		days[i] = known ? *known : (struct site_count){ .name = names[i] };
	}
	chart_columns(m, &(struct chart){ .id = "days",
					  .title = "Downloads per day",
					  .names = "Day",
					  .what = "Downloads",
					  .counts = &all });
}

/* ---- the page ---- */

static void put_totals(struct markup *m, const struct site_statistics *all)
{
	char number[CHART_NUMBER], size[SIZE_TEXT];
	markup_open(m, "p");
	markup_attr(m, "class", "lead");
	markup_textf(m, "%s %s in the last %d days: %s.", chart_number(number, all->downloads),
		     all->downloads == 1 ? "download" : "downloads", SITE_DAYS,
		     format_size(size, all->bytes));
	markup_close(m, "p");
	markup_element(m, "p", "muted",
		       "A download is a file that somebody received completely. Addresses are not "
		       "kept; what has very few downloads is counted as \"other\", so that no one "
		       "can be recognized.");
}

int site_statistics_page(const struct site_build *b, struct err *e)
{
	static const struct page_head head = {
		.path = SITE_STATISTICS_PATH,
		.title = "Statistics",
		.summary = "Downloads by day, model, country, client and mirror.",
		.place = PAGE_STATISTICS,
		.dated = true,
	};
	const struct site_statistics *all = b->site->statistics;
	const struct table models = { "Downloads by model", "Model", &all->models, NULL, true };
	const struct table countries = { "Downloads by country", "Country", &all->countries,
					 map_country, false };
	const struct table clients = { "Downloads by client", "Client", &all->clients, NULL,
				       false };
	const struct table mirrors = { "Downloads by mirror", "Mirror", &all->mirrors, NULL,
				       false };
	CLEANUP(page_release) struct page p;
	page_open(&p, b, &head);
	markup_element(&p.m, "h1", NULL, "Statistics");
	put_totals(&p.m, all);
	put_days(&p.m, b->site);
	put_part(&p, "Models", &models);
	put_part(&p, "Countries", &countries);
	put_part(&p, "Clients", &clients);
	put_part(&p, "Mirrors", &mirrors);
	return page_close(&p, e);
}
