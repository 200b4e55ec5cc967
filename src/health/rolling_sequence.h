/*
 * rolling_sequence: the pieces that a mirror should have, and their positions on the ring of the
 * rolling audit (rolling.h). Nothing is stored for a piece, only for an object.
 */
#ifndef FERRY_HEALTH_ROLLING_SEQUENCE_H
#define FERRY_HEALTH_ROLLING_SEQUENCE_H

#include "hash/grid.h"
#include "health/rolling.h"

#define ROLLING_KEY 16 /* bytes */

struct rolling_object {
	const struct repository_file *file;
	uint64_t seed[2]; /* of the positions of its pieces */
	uint32_t weight;  /* of rolling_hot; 0: not hot */
	uint32_t count;   /* of pieces; at least 1 */
	uint32_t sum;     /* what it adds to its group's */
	uint32_t seen_s;  /* when its group was first seen as it is: of rolling_state_seen() */
	uint16_t group;
	uint8_t shift; /* the piece length as a power of two */
	bool whole;    /* several pieces, but they are not known: one unit */
};

struct rolling_sequence {
	struct rolling_object *at;
	size_t count, cap;
	uint64_t pieces, bytes, cost;
	uint64_t largest; /* cost of a piece */
};
void rolling_sequence_release(struct rolling_sequence *s);
/* Adds an object, unless it is empty. The file is borrowed. key: ROLLING_KEY bytes. */
void rolling_sequence_add(struct rolling_sequence *s, const uint8_t *key,
			  const struct repository_file *f, uint64_t weight);

uint64_t rolling_sequence_position(const struct rolling_object *o, uint32_t piece);
uint64_t rolling_sequence_offset(const struct rolling_object *o, uint32_t piece);
uint64_t rolling_sequence_length(const struct rolling_object *o, uint32_t piece);
uint64_t rolling_sequence_cost(const struct rolling_object *o, uint32_t piece);

#endif
