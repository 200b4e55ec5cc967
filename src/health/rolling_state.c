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
	free(r->groups);
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
	for (size_t g = 0; g < r->group_count; g++)
		r->groups[g].seen_s = MIN(r->groups[g].seen_s, now_s);
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

static int compare_groups(const void *a, const void *b)
{
	const struct rolling_group *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

static struct rolling_group *group_of(const struct rolling *r, uint16_t id)
{
	struct rolling_group wanted = { .id = id };
	return r->group_count
		       ? bsearch(&wanted, r->groups, r->group_count, sizeof wanted, compare_groups)
		       : NULL;
}

/* One for each object, then one for each group. */
static size_t sum_up(const struct rolling_sequence *s, struct rolling_group *out)
{
	size_t count = 0;
	for (size_t i = 0; i < s->count; i++)
		out[i] = (struct rolling_group){ .id = s->at[i].group, .sum = s->at[i].sum };
	qsort(out, s->count, sizeof *out, compare_groups);
	for (size_t i = 0; i < s->count; i++)
		if (count && out[count - 1].id == out[i].id)
			out[count - 1].sum += out[i].sum;
		else
			out[count++] = out[i];
	return count;
}

void rolling_state_seen(struct rolling *r, struct rolling_sequence *s, uint32_t now_s)
{
	struct rolling_group *now = mem_alloc((s->count + 1) * sizeof *now);
	size_t count = sum_up(s, now);
	for (size_t g = 0; g < count; g++) {
		const struct rolling_group *was = group_of(r, now[g].id);
		now[g].seen_s = was && was->sum == now[g].sum ? was->seen_s : now_s;
	}
	free(r->groups);
	r->groups = mem_realloc(now, (count + 1) * sizeof *now);
	r->group_count = count;
	for (size_t i = 0; i < s->count; i++)
		s->at[i].seen_s = group_of(r, s->at[i].group)->seen_s;
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
	if (passed < o->seen_s)
		passed = 0;
	return found ? MAX(found->time_s, passed) : passed;
}
