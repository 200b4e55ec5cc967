/*
 * rolling_notes: what the ring's arcs do not say of single pieces (rolling.h): at most
 * ROLLING_NOTES of them, sorted by position.
 */
#ifndef FERRY_HEALTH_ROLLING_NOTES_H
#define FERRY_HEALTH_ROLLING_NOTES_H

#include "health/rolling.h"

enum rolling_kind {
	ROLLING_KIND_WRONG = ROLLING_WRONG,
	ROLLING_KIND_MISSING = ROLLING_MISSING,
	ROLLING_KIND_UNREAD = ROLLING_UNREAD,
	ROLLING_KIND_RIGHT, /* verified out of order */
};

struct rolling_note {
	uint64_t position;
	uint32_t time_s;  /* of the last reading */
	uint32_t since_s; /* of the first one with this kind */
	uint8_t kind;     /* enum rolling_kind */
	uint8_t tries;    /* readings in a row with this kind, at most 255 */
};

struct rolling_notes {
	struct rolling_note *at;
	size_t count, cap;
};
void rolling_notes_release(struct rolling_notes *n);
/* The note on this position, or NULL. */
struct rolling_note *rolling_notes_find(const struct rolling_notes *n, uint64_t position);
/* The piece was read just now. False if there is no room, because all notes are on faults. */
bool rolling_notes_set(struct rolling_notes *n, uint64_t position, enum rolling_kind kind,
		       uint32_t now_s);
void rolling_notes_remove(struct rolling_notes *n, uint64_t position);
/* Keeps those with keep[k]. */
void rolling_notes_keep(struct rolling_notes *n, const bool *keep);

#endif
