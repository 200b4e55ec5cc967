#include "site/site_statistics.h"

#include "site/chart.h"
#include "site/map.h"
#include "util/mem.h"
#include "util/text.h"

#include <string.h>

#define DAY_S 86400
#define ROWS 100 /* of a table */

/* ---- tables ---- */

/* What of a table differs from the others. */
struct table {
	const char *title, *names;
	const struct site_counts *counts;
	const char *(*text)(const char *name); /* NULL: the name itself */
	bool models;                           /* with links to their pages */
};

static uint64_t largest(const struct site_counts *counts)
{
	uint64_t most = 0;
	for (size_t i = 0; i < counts->count; i++)
		most = MAX(most, counts->at[i].downloads);
	return most;
}

static void put_name(struct markup *m, const struct site *s, const struct table *t,
		     const char *name)
{
	markup_open(m, "th");
	markup_attr(m, "scope", "row");
	if (t->models && catalog_model(s->catalog, name)) {
		markup_open(m, "a");
		markup_attrf(m, "href", "../models/%s/", name);
		markup_text(m, name);
		markup_close(m, "a");
	} else {
		markup_text(m, t->text ? t->text(name) : name);
	}
	markup_close(m, "th");
}

static void put_row(struct markup *m, const struct site *s, const struct table *t,
		    const struct site_count *c)
{
	char number[CHART_NUMBER], size[SIZE_TEXT];
	markup_open(m, "tr");
	put_name(m, s, t, c->name);
	markup_open(m, "td");
	markup_attr(m, "class", "num");
	markup_attrf(m, "data-sort", "%llu", (unsigned long long)c->downloads);
	markup_text(m, chart_number(number, c->downloads));
	markup_close(m, "td");
	markup_open(m, "td");
	markup_attr(m, "class", "num");
	markup_attrf(m, "data-sort", "%llu", (unsigned long long)c->bytes);
	markup_text(m, format_size(size, c->bytes));
	markup_close(m, "td");
	markup_open(m, "td");
	chart_bar(m, c->downloads, largest(t->counts));
	markup_close(m, "td");
	markup_close(m, "tr");
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

static void put_table(struct markup *m, const struct site *s, const struct table *t)
{
	size_t rows = MIN(t->counts->count, ROWS);
	markup_open(m, "div");
	markup_attr(m, "class", "scroll");
	markup_attr(m, "role", "group");
	markup_attr(m, "aria-label", t->title);
	markup_open(m, "table");
	markup_attr(m, "class", "sortable");
	markup_element(m, "caption", NULL, t->title);
	put_head(m, t);
	markup_open(m, "tbody");
	for (size_t i = 0; i < rows; i++)
		put_row(m, s, t, &t->counts->at[i]);
	markup_close(m, "tbody");
	markup_close(m, "table");
	markup_close(m, "div");
	if (rows == t->counts->count)
		return;
	markup_open(m, "p");
	markup_attr(m, "class", "muted");
	markup_textf(m, "%zu more are not shown.", t->counts->count - rows);
	markup_close(m, "p");
}

static void put_part(struct markup *m, const struct site *s, const char *heading,
		     const struct table *t)
{
	if (!t->counts->count)
		return;
	markup_element(m, "h2", NULL, heading);
	if (t->counts == &s->statistics->countries)
		map_world(m, t->counts);
	put_table(m, s, t);
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
	markup_textf(m, "%s %s in the last %d days, %s in all.",
		     chart_number(number, all->downloads),
		     all->downloads == 1 ? "download" : "downloads", SITE_DAYS,
		     format_size(size, all->bytes));
	markup_close(m, "p");
	markup_element(m, "p", "muted",
		       "A download is a file that somebody received completely. Addresses are not "
		       "kept; what has very few downloads is counted as \"other\", so that no one "
		       "can be recognized.");
}

void site_statistics_write(struct markup *m, const struct site *s)
{
	const struct site_statistics *all = s->statistics;
	markup_element(m, "h1", NULL, "Statistics");
	put_totals(m, all);
	put_days(m, s);
	put_part(m, s, "Models",
		 &(struct table){ "Downloads by model", "Model", &all->models, NULL, true });
	put_part(m, s, "Countries",
		 &(struct table){ "Downloads by country", "Country", &all->countries, map_country,
				  false });
	put_part(m, s, "Clients",
		 &(struct table){ "Downloads by client", "Client", &all->clients, NULL, false });
	put_part(m, s, "Mirrors",
		 &(struct table){ "Downloads by mirror", "Mirror", &all->mirrors, NULL, false });
}
