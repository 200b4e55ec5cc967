#include "health/rolling_state.h"

#include "util/mem.h"

/* A clock that goes a little slower or faster is no clock that was set. */
#define SLIP_S 60

static uint32_t to_u32(int64_t s)
{
	return (uint32_t)MAX(1, MIN(s, (int64_t)UINT32_MAX));
}

struct rolling *rolling_new(const struct random *random, int64_t now_s)
{
	struct rolling *r = NEW(struct rolling);
	for (size_t i = 0; i < ROLLING_KEY; i++)
		r->key[i] = (uint8_t)random_below(random, 256);
	r->began_s = to_u32(now_s);
	rolling_arcs_init(&r->arcs);
	return r;
}

void rolling_free(struct rolling *r)
{
	if (!r)
		return;
	rolling_notes_release(&r->notes);
	free(r);
}

/* ---- a clock that was set back -------------------------------------------------- */

static void note_latest(uint32_t *latest, uint32_t time_s, uint32_t now_s)
{
	if (time_s <= now_s)
		*latest = MAX(*latest, time_s);
}

static uint32_t latest_check(const struct rolling *r, uint32_t now_s)
{
	uint32_t latest = 0;
	for (size_t k = 0; k < r->arcs.count; k++)
		note_latest(&latest, r->arcs.at[k].time_s, now_s);
	for (size_t k = 0; k < r->notes.count; k++)
		note_latest(&latest, r->notes.at[k].time_s, now_s);
	return latest;
}

/* What was checked was checked before now, and what was first seen may have been seen only now. */
static void set_back(struct rolling *r, uint32_t now_s)
{
	uint32_t latest = latest_check(r, now_s);
	for (size_t k = 0; k < r->arcs.count; k++)
		if (r->arcs.at[k].time_s > now_s)
			r->arcs.at[k].time_s = latest;
	for (size_t k = 0; k < r->notes.count; k++) {
		struct rolling_note *n = &r->notes.at[k];
		if (n->time_s > now_s)
			n->time_s = latest;
		n->since_s = MIN(n->since_s, n->time_s);
	}
	for (size_t g = 0; g < ROLLING_GROUPS; g++)
		r->seen_s[g] = MIN(r->seen_s[g], now_s);
	r->began_s = MIN(r->began_s, now_s);
	r->last_s = now_s;
}

uint32_t rolling_state_begin(struct rolling *r, int64_t now_s, uint64_t *elapsed_s)
{
	uint32_t now = to_u32(now_s), last = r->last_s;
	*elapsed_s = last && now > last ? now - last : 0;
	if (now > last)
		r->last_s = now;
	else if (last - now <= SLIP_S && last < UINT32_MAX)
		r->last_s = last + 1;
	else
		set_back(r, now);
	if (!last)
		r->began_s = r->last_s;
	return r->last_s;
}

/* ---- objects that come and go --------------------------------------------------- */

void rolling_state_seen(struct rolling *r, const struct rolling_sequence *s, uint32_t now_s)
{
	uint32_t *sum = mem_alloc(sizeof r->sum);
	for (size_t i = 0; i < s->count; i++) {
		uint32_t *of = &sum[s->at[i].group];
		*of += s->at[i].sum;
		*of += !*of; /* 0 is for those without an object */
	}
	for (size_t g = 0; g < ROLLING_GROUPS; g++) {
		if (r->sum[g] == sum[g])
			continue;
		r->seen_s[g] = sum[g] ? now_s : 0;
		r->sum[g] = sum[g];
	}
	free(sum);
}

uint32_t rolling_state_verified(const struct rolling *r, const struct rolling_object *o,
				uint32_t piece, const struct rolling_note **note)
{
	uint64_t position = rolling_sequence_position(o, piece);
	const struct rolling_note *found = rolling_notes_find(&r->notes, position);
	uint32_t passed = rolling_arcs_time(&r->arcs, position);
	if (note)
		*note = found;
	if (found && found->kind != ROLLING_KIND_RIGHT)
		return 0;
	if (passed < r->seen_s[o->group])
		passed = 0;
	return found ? MAX(found->time_s, passed) : passed;
}
