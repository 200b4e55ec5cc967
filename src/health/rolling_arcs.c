#include "health/rolling_arcs.h"

#include <string.h>

/* How far it is from the cursor, minus 1: so that the end of the last arc, which is once around,
 * is the farthest. */
static uint64_t reach(const struct rolling_arcs *a, size_t k)
{
	return a->at[k].end - a->cursor - 1;
}

void rolling_arcs_init(struct rolling_arcs *a)
{
	*a = (struct rolling_arcs){ .count = 1 };
}

static void remove_arc(struct rolling_arcs *a, size_t k)
{
	memmove(&a->at[k], &a->at[k + 1], (a->count - k - 1) * sizeof a->at[0]);
	a->count--;
}

/* Joins two neighbours. The true times of an arc lie between its own, which is that of its oldest
 * part, and the next one's: those two are joined which make the longest such span the shortest. The
 * spans of all pairs together are at most twice the age of the oldest arc, so that the shortest one
 * is at most 2/(count - 1) of it. What was never passed stays apart as long as it can. */
static void join_two(struct rolling_arcs *a, uint32_t now_s)
{
	size_t best = 0;
	uint32_t least = UINT32_MAX;
	for (size_t k = 0; k + 1 < a->count; k++) {
		uint32_t until = k + 2 < a->count ? a->at[k + 2].time_s : now_s;
		if (until - a->at[k].time_s < least) {
			least = until - a->at[k].time_s;
			best = k;
		}
	}
	a->at[best].end = a->at[best + 1].end;
	remove_arc(a, best + 1);
}

void rolling_arcs_pass(struct rolling_arcs *a, uint64_t to, uint32_t time_s)
{
	if (to == a->cursor)
		return;
	size_t passed = 0;
	while (passed + 1 < a->count && reach(a, passed) <= to - a->cursor - 1)
		passed++;
	a->count -= passed;
	memmove(a->at, a->at + passed, a->count * sizeof a->at[0]);
	a->cursor = to;
	if (a->count > 1 && a->at[a->count - 1].time_s == time_s)
		a->at[a->count - 1].end = to;
	else
		a->at[a->count++] = (struct rolling_arc){ to, time_s };
	if (a->count > ROLLING_ARCS)
		join_two(a, time_s);
}

uint32_t rolling_arcs_time(const struct rolling_arcs *a, uint64_t position)
{
	size_t low = 0, high = a->count - 1;
	while (low < high) {
		size_t k = (low + high) / 2;
		if (position - a->cursor <= reach(a, k))
			high = k;
		else
			low = k + 1;
	}
	return a->at[low].time_s;
}

bool rolling_arcs_valid(const struct rolling_arcs *a, uint32_t last_s)
{
	bool valid = a->count && a->count <= ROLLING_ARCS && a->at[a->count - 1].end == a->cursor;
	for (size_t k = 0; valid && k < a->count; k++)
		valid = a->at[k].time_s <= last_s &&
			(!k ||
			 (reach(a, k) > reach(a, k - 1) && a->at[k].time_s >= a->at[k - 1].time_s));
	return valid;
}
