/*
 * rolling_state: what the rolling audit remembers of a mirror (rolling.h).
 */
#ifndef FERRY_HEALTH_ROLLING_STATE_H
#define FERRY_HEALTH_ROLLING_STATE_H

#include "health/rolling_arcs.h"
#include "health/rolling_budget.h"
#include "health/rolling_notes.h"
#include "health/rolling_sequence.h"

#define ROLLING_GROUPS 65536

struct rolling {
	uint8_t key[ROLLING_KEY];
	uint32_t began_s, last_s; /* the last run */
	struct rolling_budget budget;
	struct rolling_totals totals;
	struct rolling_arcs arcs;
	struct rolling_notes notes;
	/* Of the objects of a group: the sum, 0 if there is none; and when that was first seen. */
	uint32_t sum[ROLLING_GROUPS], seen_s[ROLLING_GROUPS];
};

/* Begins a run: returns its time, which is after that of the last run. After the clock was set
 * back, times that are still to come become the last one before. *elapsed_s: since the last run. */
uint32_t rolling_state_begin(struct rolling *r, int64_t now_s, uint64_t *elapsed_s);
/* Takes note of the objects that there are. */
void rolling_state_seen(struct rolling *r, const struct rolling_sequence *s, uint32_t now_s);
/* When the piece was verified; 0: never, or it has a fault. *note (may be NULL): that on it. */
uint32_t rolling_state_verified(const struct rolling *r, const struct rolling_object *o,
				uint32_t piece, const struct rolling_note **note);

#endif
