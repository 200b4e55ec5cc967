/*
 * rolling_arcs: the ring of the rolling audit (rolling.h), cut into arcs, each with the time of the
 * run in which the cursor passed it.
 */
#ifndef FERRY_HEALTH_ROLLING_ARCS_H
#define FERRY_HEALTH_ROLLING_ARCS_H

#include "health/rolling.h"

/* From the cursor on, an arc ends where the next one begins, and the last one ends at the cursor.
 * So times grow from arc to arc: the first one is the oldest. */
struct rolling_arc {
	uint64_t end;    /* the first position behind it */
	uint32_t time_s; /* 0: never */
};

struct rolling_arcs {
	uint64_t cursor; /* the position that is next */
	size_t count;    /* at least 1 */
	struct rolling_arc at[ROLLING_ARCS + 1];
};

void rolling_arcs_init(struct rolling_arcs *a); /* one arc: never */
/* The cursor moves on to `to`; what it passes has this time, which is not before those of others.
 * Not once around in one step. */
void rolling_arcs_pass(struct rolling_arcs *a, uint64_t to, uint32_t time_s);
/* When the cursor passed this position at the earliest; 0: never. */
uint32_t rolling_arcs_time(const struct rolling_arcs *a, uint64_t position);
/* Is it one that these functions can have made, with no time after last_s? */
bool rolling_arcs_valid(const struct rolling_arcs *a, uint32_t last_s);

#endif
