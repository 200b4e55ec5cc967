/*
 * rolling_choice: which pieces the rolling audit reads in a run (rolling.h). A choice holds the
 * best of many pieces, those of the lowest rank, in limited memory.
 */
#ifndef FERRY_HEALTH_ROLLING_CHOICE_H
#define FERRY_HEALTH_ROLLING_CHOICE_H

#include "health/rolling_state.h"

#define ROLLING_CHOICE 4096

struct rolling_chosen {
	uint64_t rank;
	uint32_t object, piece; /* in the sequence */
};

struct rolling_choice {
	struct rolling_chosen *at; /* sorted by rank; ROLLING_CHOICE at most */
	size_t count;
	bool more; /* there are others, of higher ranks */
};
void rolling_choice_release(struct rolling_choice *c);

/* Pieces with faults, the least recently read first. Notes on pieces that are gone are removed. */
void rolling_choice_faults(struct rolling *r, const struct rolling_sequence *s,
			   struct rolling_choice *out);
/* Hot pieces and those that came after the cursor had passed them, by weight and age; none that
 * was verified in the last ROLLING_REST_S. */
void rolling_choice_hot(const struct rolling *r, const struct rolling_sequence *s, uint32_t now_s,
			struct rolling_choice *out);
/* The next ones from the cursor on, and how far they are from it. Pieces at the same position are
 * all in it, or none. */
void rolling_choice_lap(const struct rolling *r, const struct rolling_sequence *s,
			struct rolling_choice *out);

#endif
