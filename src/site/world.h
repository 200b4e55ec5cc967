/*
 * world: the countries as paths of an SVG, in the Equal Earth projection (world.c, which
 * scripts/make-world-map makes).
 */
#ifndef FERRY_SITE_WORLD_H
#define FERRY_SITE_WORLD_H

#include "util/base.h"

struct world_country {
	char code[3];     /* ISO 3166-1 alpha-2, and "XK" for Kosovo */
	const char *name; /* English */
	short x, y;       /* the middle of its largest part; -1: it is not on the map */
	const char *path; /* the attribute d of <path>; "": it is so small that it is a dot */
};

extern const unsigned world_width, world_height;
extern const struct world_country world_countries[]; /* sorted by code */
extern const size_t world_count;

#endif
