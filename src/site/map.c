#include "site/map.h"

#include "site/chart.h"
#include "site/world.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COARSE_FROM 100000

/* ---- countries ---- */

static int by_code(const void *code, const void *country)
{
	return strcmp(code, ((const struct world_country *)country)->code);
}

static const struct world_country *find(const char *code)
{
	return bsearch(code, world_countries, world_count, sizeof(world_countries[0]), by_code);
}

const char *map_country(const char *code)
{
	const struct world_country *c = find(code);
	return c ? c->name : code;
}

/* ---- steps ---- */

static uint64_t next_step(uint64_t from, bool coarse)
{
	uint64_t power = 1;
	while (power <= from / 10)
		power *= 10;
	return from == power && !coarse ? power * 3 : power * 10;
}

/* A step after the last one pushes out the first. */
static void add_step(struct map_steps *s, uint64_t from)
{
	if (s->count == MAP_STEPS)
		memmove(s->from, s->from + 1, --s->count * sizeof(s->from[0]));
	s->from[s->count++] = from;
}

void map_steps_of(uint64_t largest, struct map_steps *out)
{
	bool coarse = largest >= COARSE_FROM;
	*out = (struct map_steps){ 0 };
	for (uint64_t from = 1; from <= largest; from = next_step(from, coarse)) {
		add_step(out, from);
		if (coarse && from > largest / 10)
			break; /* there is no next one, also not above 10^19 */
	}
	out->from[0] = 1;
}

/* The last step is always the darkest. 0: no downloads. */
static size_t shade(const struct map_steps *s, uint64_t value)
{
	size_t k = s->count;
	while (k && s->from[k - 1] > value)
		k--;
	return k ? MAP_STEPS - s->count + k : 0;
}

/* ---- the map ---- */

struct world {
	struct markup *m;
	const struct site_counts *counts;
	uint64_t *downloads; /* for each of world_countries */
	struct map_steps steps;
	size_t counted; /* countries with downloads */
};

static void count_countries(struct world *w)
{
	uint64_t most = 0;
	for (size_t i = 0; i < w->counts->count; i++) {
		const struct site_count *c = &w->counts->at[i];
		const struct world_country *country = find(c->name);
		if (!country || !c->downloads)
			continue;
		w->downloads[country - world_countries] = c->downloads;
		w->counted++;
		most = MAX(most, c->downloads);
	}
	map_steps_of(most, &w->steps);
}

/* One path for all countries without downloads: the page has less to say. */
static void draw_others(const struct world *w)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT(MIB);
	for (size_t i = 0; i < world_count; i++)
		if (!w->downloads[i])
			buf_adds(&path, world_countries[i].path);
	markup_void(w->m, "path");
	markup_attr(w->m, "class", "l0");
	markup_attr(w->m, "d", buf_str(&path));
}

static void draw_shape(struct markup *m, const struct world_country *c)
{
	if (*c->path) {
		markup_attr(m, "d", c->path);
		return;
	}
	markup_attrf(m, "cx", "%d", c->x);
	markup_attrf(m, "cy", "%d", c->y);
	markup_attr(m, "r", "4");
}

static void draw_country(const struct world *w, size_t i)
{
	const struct world_country *c = &world_countries[i];
	const char *element = *c->path ? "path" : "circle";
	char number[CHART_NUMBER];
	markup_open(w->m, element);
	markup_attrf(w->m, "class", "l%zu", shade(&w->steps, w->downloads[i]));
	draw_shape(w->m, c);
	markup_open(w->m, "title");
	markup_textf(w->m, "%s: %s", c->name, chart_number(number, w->downloads[i]));
	markup_close(w->m, "title");
	markup_close(w->m, element);
}

/* Dots after shapes, which would cover them. */
static void draw_countries(const struct world *w, bool dots)
{
	for (size_t i = 0; i < world_count; i++)
		if (w->downloads[i] && !*world_countries[i].path == dots &&
		    world_countries[i].x >= 0)
			draw_country(w, i);
}

static void draw(const struct world *w)
{
	struct markup *m = w->m;
	markup_open(m, "svg");
	markup_attr(m, "class", "map");
	markup_attr(m, "role", "img");
	markup_attr(m, "aria-labelledby", "map-title map-desc");
	markup_attrf(m, "viewBox", "0 0 %u %u", world_width, world_height);
	markup_open(m, "title");
	markup_attr(m, "id", "map-title");
	markup_text(m, "Downloads by country");
	markup_close(m, "title");
	markup_open(m, "desc");
	markup_attr(m, "id", "map-desc");
	markup_textf(m, "A map of the world. %zu %s downloads. A table follows.", w->counted,
		     w->counted == 1 ? "country has" : "countries have");
	markup_close(m, "desc");
	draw_others(w);
	draw_countries(w, false);
	draw_countries(w, true);
	markup_close(m, "svg");
}

static void draw_step(const struct world *w, size_t k)
{
	char from[CHART_NUMBER], to[CHART_NUMBER], class[CHART_NUMBER];
	bool last = k + 1 == w->steps.count;
	uint64_t low = w->steps.from[k], high = last ? 0 : w->steps.from[k + 1] - 1;
	struct markup *m = w->m;
	markup_open(m, "li");
	snprintf(class, sizeof class, "l%zu", shade(&w->steps, low));
	chart_swatch(m, "map", class);
	if (last)
		markup_textf(m, " %s and more", chart_number(from, low));
	else if (high == low)
		markup_textf(m, " %s", chart_number(from, low));
	else
		markup_textf(m, " %s to %s", chart_number(from, low), chart_number(to, high));
	markup_close(m, "li");
}

void map_world(struct markup *m, const struct site_counts *countries)
{
	CLEANUP(mem_free_ptr) uint64_t *downloads = mem_alloc(world_count * sizeof(*downloads));
	struct world w = { .m = m, .counts = countries, .downloads = downloads };
	count_countries(&w);
	markup_open(m, "figure");
	markup_attr(m, "class", "chart");
	draw(&w);
	markup_open(m, "figcaption");
	markup_open(m, "ul");
	markup_attr(m, "class", "legend");
	for (size_t k = 0; k < w.steps.count; k++)
		draw_step(&w, k);
	markup_close(m, "ul");
	markup_close(m, "figcaption");
	markup_close(m, "figure");
}
