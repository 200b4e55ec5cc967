#include "site/chart.h"

#include <stdio.h>
#include <string.h>

/* ---- numbers ---- */

const char *chart_number(char out[CHART_NUMBER], uint64_t value)
{
	char digits[CHART_NUMBER];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[n++] = ',';
		out[n++] = digits[i];
	}
	out[n] = '\0';
	return out;
}

/* The smallest number with one digit and zeros behind it (but not 7 or 9) that is at least as
 * large; at most 10^19. */
static uint64_t round_up(uint64_t value)
{
	static const unsigned digits[] = { 1, 2, 3, 4, 5, 6, 8 };
	uint64_t power = 1;
	while (power < UINT64_MAX / 10 && power * 8 < value)
		power *= 10;
	for (size_t i = 0; i < ARRAY_LEN(digits) && power <= UINT64_MAX / 10; i++)
		if (power * digits[i] >= value)
			return power * digits[i];
	return power;
}

/* value of most, as a length. */
static unsigned part(uint64_t value, uint64_t most, unsigned length)
{
	if (!most || value >= most)
		return most ? length : 0;
	return (unsigned)((double)value / (double)most * length + 0.5);
}

uint64_t chart_largest(const struct site_counts *counts)
{
	uint64_t most = 0;
	for (size_t i = 0; i < counts->count; i++)
		most = MAX(most, counts->at[i].downloads);
	return most;
}

/* ---- columns ---- */

enum { WIDTH = 720, HEIGHT = 220, LEFT = 8, RIGHT = 88, ABOVE = 16, BELOW = 28, WIDEST = 40 };
enum { ACROSS = WIDTH - LEFT - RIGHT, UP = HEIGHT - ABOVE - BELOW };

static void line(struct markup *m, const char *class, unsigned y)
{
	markup_void(m, "line");
	markup_attr(m, "class", class);
	markup_attrf(m, "x1", "%d", LEFT);
	markup_attrf(m, "x2", "%d", LEFT + ACROSS);
	markup_attrf(m, "y1", "%u", y);
	markup_attrf(m, "y2", "%u", y);
}

static void label(struct markup *m, const char *anchor, unsigned x, unsigned y, const char *text)
{
	markup_open(m, "text");
	markup_attr(m, "class", "label");
	markup_attr(m, "text-anchor", anchor);
	markup_attrf(m, "x", "%u", x);
	markup_attrf(m, "y", "%u", y);
	markup_text(m, text);
	markup_close(m, "text");
}

/* "2,500", "10 k". */
static const char *rough(char out[CHART_NUMBER], uint64_t value)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;
	for (; value >= 10000 && value % 1000 == 0; value /= 1000)
		unit++;
	chart_number(out, value);
	if (unit)
		snprintf(out + strlen(out), CHART_NUMBER - strlen(out), " %c", units[unit]);
	return out;
}

/* Lines at nothing, the half and all of `top`. */
static void scale(struct markup *m, uint64_t top)
{
	uint64_t half = top % 2 ? 0 : top / 2; /* half a download is none */
	char text[CHART_NUMBER];
	line(m, "axis", ABOVE + UP);
	label(m, "start", LEFT + ACROSS + 6, ABOVE + UP + 4, "0");
	line(m, "grid", ABOVE);
	label(m, "start", LEFT + ACROSS + 6, ABOVE + 4, rough(text, top));
	if (!half)
		return;
	line(m, "grid", ABOVE + UP / 2);
	label(m, "start", LEFT + ACROSS + 6, ABOVE + UP / 2 + 4, rough(text, half));
}

static void column(struct markup *m, const struct site_count *c, size_t i, size_t count,
		   uint64_t top)
{
	char text[CHART_NUMBER];
	size_t from = ACROSS * i / count, to = ACROSS * (i + 1) / count;
	size_t gap = (to - from) / 5;
	unsigned height = part(c->downloads, top, UP);
	height = c->downloads && !height ? 1 : height;
	markup_open(m, "rect");
	markup_attr(m, "class", "bar");
	markup_attrf(m, "x", "%zu", LEFT + from);
	markup_attrf(m, "y", "%u", ABOVE + UP - height);
	markup_attrf(m, "width", "%zu", MIN(MAX(1, to - from - gap), WIDEST));
	markup_attrf(m, "height", "%u", height);
	markup_open(m, "title");
	markup_textf(m, "%s: %s", c->name, chart_number(text, c->downloads));
	markup_close(m, "title");
	markup_close(m, "rect");
}

static void described(struct markup *m, const struct chart *c)
{
	char most[CHART_NUMBER];
	markup_open(m, "title");
	markup_attrf(m, "id", "%s-title", c->id);
	markup_text(m, c->title);
	markup_close(m, "title");
	markup_open(m, "desc");
	markup_attrf(m, "id", "%s-desc", c->id);
	if (c->counts->count)
		markup_textf(m, "%zu columns, from %s to %s; the highest is %s. A table follows.",
			     c->counts->count, c->counts->at[0].name,
			     c->counts->at[c->counts->count - 1].name,
			     chart_number(most, chart_largest(c->counts)));
	else
		markup_text(m, "No data.");
	markup_close(m, "desc");
}

static void columns(struct markup *m, const struct chart *c)
{
	size_t count = c->counts->count;
	uint64_t top = round_up(chart_largest(c->counts));
	markup_open(m, "svg");
	markup_attr(m, "role", "img");
	markup_attrf(m, "aria-labelledby", "%s-title %s-desc", c->id, c->id);
	markup_attrf(m, "viewBox", "0 0 %d %d", WIDTH, HEIGHT);
	described(m, c);
	scale(m, top);
	for (size_t i = 0; i < count; i++)
		column(m, &c->counts->at[i], i, count, top);
	if (count)
		label(m, "start", LEFT, HEIGHT - 6, c->counts->at[0].name);
	if (count > 1)
		label(m, "end", LEFT + ACROSS, HEIGHT - 6, c->counts->at[count - 1].name);
	markup_close(m, "svg");
}

static void row(struct markup *m, const struct site_count *c)
{
	char text[CHART_NUMBER];
	markup_open(m, "tr");
	markup_element(m, "td", NULL, c->name);
	markup_element(m, "td", "num", chart_number(text, c->downloads));
	markup_close(m, "tr");
}

static void numbers(struct markup *m, const struct chart *c)
{
	markup_open(m, "details");
	markup_element(m, "summary", NULL, "The same as a table");
	markup_open(m, "table");
	markup_element(m, "caption", NULL, c->title);
	markup_open(m, "thead");
	markup_open(m, "tr");
	markup_element(m, "th", NULL, c->names);
	markup_element(m, "th", "num", c->what);
	markup_close(m, "tr");
	markup_close(m, "thead");
	markup_open(m, "tbody");
	for (size_t i = 0; i < c->counts->count; i++)
		row(m, &c->counts->at[i]);
	markup_close(m, "tbody");
	markup_close(m, "table");
	markup_close(m, "details");
}

void chart_columns(struct markup *m, const struct chart *c)
{
	markup_open(m, "figure");
	markup_attr(m, "class", "chart");
	markup_element(m, "figcaption", NULL, c->title);
	columns(m, c);
	numbers(m, c);
	markup_close(m, "figure");
}

/* ---- bars ---- */

enum { BAR = 128, BAR_HEIGHT = 10 };

void chart_bar(struct markup *m, uint64_t value, uint64_t most)
{
	unsigned width = part(value, most, BAR);
	markup_open(m, "svg");
	markup_attr(m, "class", "share");
	markup_attrf(m, "width", "%d", BAR);
	markup_attrf(m, "height", "%d", BAR_HEIGHT);
	markup_attr(m, "aria-hidden", "true"); /* the number stands beside it */
	markup_void(m, "rect");
	markup_attr(m, "class", "bar");
	markup_attrf(m, "width", "%u", value && !width ? 1 : width);
	markup_attrf(m, "height", "%d", BAR_HEIGHT);
	markup_close(m, "svg");
}

/* ---- legends ---- */

#define SWATCH "12"

void chart_swatch(struct markup *m, const char *svg_class, const char *class)
{
	markup_open(m, "svg");
	if (svg_class)
		markup_attr(m, "class", svg_class);
	markup_attr(m, "viewBox", "0 0 " SWATCH " " SWATCH);
	markup_attr(m, "width", SWATCH);
	markup_attr(m, "height", SWATCH);
	markup_attr(m, "aria-hidden", "true");
	markup_void(m, "rect");
	markup_attr(m, "class", class);
	markup_attr(m, "width", SWATCH);
	markup_attr(m, "height", SWATCH);
	markup_close(m, "svg");
}

/* ---- uptime ---- */

bool chart_uptime_parts(const struct site_mirror *mirror, unsigned *parts)
{
	uint64_t runs = 0, up = 0;
	for (size_t i = 0; i < SITE_DAYS; i++) {
		runs += mirror->days[i].runs;
		up += MIN(mirror->days[i].up, mirror->days[i].runs);
	}
	if (!runs)
		return false;
	*parts = (unsigned)(up * 10000 / runs);
	return true;
}

static const char *day_class(const struct site_day *d)
{
	if (!d->runs)
		return "none";
	return d->up >= d->runs ? "up" : d->up ? "part" : "down";
}

/* All days of a class as one path: a page may have many mirrors. */
static void put_days(struct markup *m, const struct site_mirror *mirror, const char *class)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT(MIB);
	for (int i = 0; i < SITE_DAYS; i++)
		if (strcmp(day_class(&mirror->days[i]), class) == 0)
			buf_addf(&path, "M%d 0h3v24h-3z", i * 4);
	if (!path.len)
		return;
	markup_void(m, "path");
	markup_attr(m, "class", class);
	markup_attr(m, "d", path.data);
}

void chart_uptime(struct markup *m, const struct site_mirror *mirror)
{
	static const char *const classes[] = { "up", "part", "down", "none" };
	unsigned parts = 0;
	markup_open(m, "svg");
	markup_attr(m, "class", "uptime");
	markup_attr(m, "role", "img");
	if (chart_uptime_parts(mirror, &parts))
		markup_attrf(m, "aria-label",
			     "%s: up in %u.%02u %% of the checks of the last %d days", mirror->id,
			     parts / 100, parts % 100, SITE_DAYS);
	else
		markup_attrf(m, "aria-label", "%s: not checked in the last %d days", mirror->id,
			     SITE_DAYS);
	markup_attrf(m, "viewBox", "0 0 %d 24", SITE_DAYS * 4 - 1);
	markup_attr(m, "preserveAspectRatio", "none");
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		put_days(m, mirror, classes[i]);
	markup_close(m, "svg");
}
