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

/* The objects with one hash of 16 bits. */
struct rolling_group {
	uint32_t sum;    /* over its objects */
	uint32_t seen_s; /* the first run with this sum */
	uint16_t id;
};

struct rolling {
	uint8_t key[ROLLING_KEY];
	uint32_t began_s, last_s; /* the last run */
	struct rolling_budget budget;
	struct rolling_totals totals;
	struct rolling_arcs arcs;
	struct rolling_notes notes;
	struct rolling_group *groups; /* that have objects, sorted; ROLLING_GROUPS at most */
	size_t group_count;
};

/* Begins a run: returns its time, which is after that of the last run. After the clock was set
 * back, times that are still to come become the last one before. *elapsed_s: since the last run. */
uint32_t rolling_state_begin(struct rolling *r, int64_t now_s, uint64_t *elapsed_s);
/* Takes note of the objects that there are, and sets their seen_s. */
void rolling_state_seen(struct rolling *r, struct rolling_sequence *s, uint32_t now_s);
/* When the piece was verified; 0: never, or it has a fault. *note (may be NULL): that on it. */
uint32_t rolling_state_verified(const struct rolling *r, const struct rolling_object *o,
				uint32_t piece, const struct rolling_note **note);

#endif
