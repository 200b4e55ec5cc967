#include "health/rolling_notes.h"

#include "util/mem.h"

#include <string.h>

void rolling_notes_release(struct rolling_notes *n)
{
	free(n->at);
	*n = (struct rolling_notes){ 0 };
}

/* The index of the first note that is not before the position. */
static size_t place(const struct rolling_notes *n, uint64_t position)
{
	size_t low = 0, high = n->count;
	while (low < high) {
		size_t k = (low + high) / 2;
		if (n->at[k].position < position)
			low = k + 1;
		else
			high = k;
	}
	return low;
}

struct rolling_note *rolling_notes_find(const struct rolling_notes *n, uint64_t position)
{
	size_t k = place(n, position);
	return k < n->count && n->at[k].position == position ? &n->at[k] : NULL;
}

static void remove_at(struct rolling_notes *n, size_t k)
{
	memmove(&n->at[k], &n->at[k + 1], (n->count - k - 1) * sizeof *n->at);
	n->count--;
}

/* What was verified out of order will be verified in order. */
static bool make_room(struct rolling_notes *n)
{
	size_t oldest = n->count;
	if (n->count < ROLLING_NOTES)
		return true;
	for (size_t k = 0; k < n->count; k++)
		if (n->at[k].kind == ROLLING_KIND_RIGHT &&
		    (oldest == n->count || n->at[k].time_s < n->at[oldest].time_s))
			oldest = k;
	if (oldest == n->count)
		return false;
	remove_at(n, oldest);
	return true;
}

static struct rolling_note *insert(struct rolling_notes *n, uint64_t position)
{
	size_t k = place(n, position);
	n->at = mem_grow(n->at, n->count, &n->cap, sizeof *n->at);
	memmove(&n->at[k + 1], &n->at[k], (n->count - k) * sizeof *n->at);
	n->count++;
	return &n->at[k];
}

bool rolling_notes_set(struct rolling_notes *n, uint64_t position, enum rolling_kind kind,
		       uint32_t now_s)
{
	struct rolling_note *note = rolling_notes_find(n, position);
	struct rolling_note made = { position, now_s, now_s, (uint8_t)kind, 1 };
	if (!note) {
		if (!make_room(n))
			return false;
		note = insert(n, position);
	} else if (note->kind == kind) {
		made.since_s = note->since_s;
		made.tries = note->tries < UINT8_MAX ? note->tries + 1 : UINT8_MAX;
	}
	*note = made;
	return true;
}

void rolling_notes_remove(struct rolling_notes *n, uint64_t position)
{
	struct rolling_note *note = rolling_notes_find(n, position);
	if (note)
		remove_at(n, (size_t)(note - n->at));
}

void rolling_notes_keep(struct rolling_notes *n, const bool *keep)
{
	size_t kept = 0;
	for (size_t k = 0; k < n->count; k++)
		if (keep[k])
			n->at[kept++] = n->at[k];
	n->count = kept;
}
