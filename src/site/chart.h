/*
 * chart: numbers as figures in SVG. Each figure has a title and a description, and the same numbers
 * as a table, for those who do not see it and for those who want to copy them. Colours come from
 * the style sheet (assets.h has the class names).
 *
 * Values may be any; names are foreign texts.
 */
#ifndef FERRY_SITE_CHART_H
#define FERRY_SITE_CHART_H

#include "site/markup.h"
#include "site/site.h"

struct chart {
	const char *id;           /* of the elements; no other figure of the page has it */
	const char *title;        /* "Downloads per day" */
	const char *names, *what; /* heads of the table: "Day", "Downloads" */
	const struct site_counts *counts;
};

/* The most downloads that one of them has. */
uint64_t chart_largest(const struct site_counts *counts);

/* A column for each count, in order, whose height is the number of downloads. */
void chart_columns(struct markup *m, const struct chart *c);

/* The content of a table's cell: a bar as long as value / most. */
void chart_bar(struct markup *m, uint64_t value, uint64_t most);

/* SITE_DAYS days of a mirror: up all day, a part of it, down, or not looked at. */
void chart_uptime(struct markup *m, const struct site_mirror *mirror);
/* Of all days, in hundredths of a percent, rounded down: what is not all is less than 10000. False
 * if it was not looked at. */
bool chart_uptime_parts(const struct site_mirror *mirror, unsigned *parts);

/* A small square in a legend, with the class of its colour; svg_class may be NULL. */
void chart_swatch(struct markup *m, const char *svg_class, const char *class);

/* "1,234,567". */
#define CHART_NUMBER 28
const char *chart_number(char out[CHART_NUMBER], uint64_t value);

#endif
