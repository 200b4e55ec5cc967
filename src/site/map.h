/*
 * map: the world in SVG, whose countries are shaded by their downloads in at most five steps.
 */
#ifndef FERRY_SITE_MAP_H
#define FERRY_SITE_MAP_H

#include "site/markup.h"
#include "site/site.h"

/* Names that are no code of a country ("other", "unknown") are not on the map. */
void map_world(struct markup *m, const struct site_counts *countries);

/* "Germany" for "DE"; the text itself if it is no code. */
const char *map_country(const char *code);

/* The steps: from[k] is the smallest number of step k, ascending. They are 1, 3, 10, 30, …, or from
 * 100,000 on 1, 10, 100, …, and end at or below the largest number. */
#define MAP_STEPS 5
struct map_steps {
	uint64_t from[MAP_STEPS];
	size_t count; /* 0: nothing was downloaded */
};
void map_steps_of(uint64_t largest, struct map_steps *out);

#endif
