#include "health/rolling_choice.h"

#include "util/mem.h"

#include <string.h>

/* While it is made, it is a heap with the highest rank on top. */

static void swap(struct rolling_chosen *a, struct rolling_chosen *b)
{
	struct rolling_chosen was = *a;
	*a = *b;
	*b = was;
}

static void sift_up(struct rolling_choice *c, size_t k)
{
	for (; k && c->at[(k - 1) / 2].rank < c->at[k].rank; k = (k - 1) / 2)
		swap(&c->at[(k - 1) / 2], &c->at[k]);
}

static void sift_down(struct rolling_choice *c)
{
	for (size_t k = 0, child; (child = 2 * k + 1) < c->count; k = child) {
		if (child + 1 < c->count && c->at[child + 1].rank > c->at[child].rank)
			child++;
		if (c->at[child].rank <= c->at[k].rank)
			return;
		swap(&c->at[child], &c->at[k]);
	}
}

static void consider(struct rolling_choice *c, uint64_t rank, size_t object, uint32_t piece)
{
	struct rolling_chosen made = { rank, (uint32_t)object, piece };
	if (c->count < ROLLING_CHOICE) {
		c->at[c->count] = made;
		sift_up(c, c->count++);
		return;
	}
	c->more = true;
	if (rank >= c->at[0].rank)
		return;
	c->at[0] = made;
	sift_down(c);
}

static int compare(const void *a, const void *b)
{
	const struct rolling_chosen *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return (x->piece > y->piece) - (x->piece < y->piece);
}

static void begin(struct rolling_choice *c)
{
	*c = (struct rolling_choice){ .at = mem_alloc(ROLLING_CHOICE * sizeof *c->at) };
}

static void finish(struct rolling_choice *c)
{
	qsort(c->at, c->count, sizeof *c->at, compare);
}

void rolling_choice_release(struct rolling_choice *c)
{
	free(c->at);
	*c = (struct rolling_choice){ 0 };
}

/* ---- faults --------------------------------------------------------------------- */

void rolling_choice_faults(struct rolling *r, const struct rolling_sequence *s,
			   struct rolling_choice *out)
{
	begin(out);
	if (!r->notes.count)
		return;
	bool *keep = mem_alloc(r->notes.count);
	for (size_t i = 0; i < s->count; i++)
		for (uint32_t k = 0; k < s->at[i].count; k++) {
			uint64_t position = rolling_sequence_position(&s->at[i], k);
			struct rolling_note *note = rolling_notes_find(&r->notes, position);
			if (!note)
				continue;
			keep[note - r->notes.at] = true;
			if (note->kind != ROLLING_KIND_RIGHT)
				consider(out, note->time_s, i, k);
		}
	rolling_notes_keep(&r->notes, keep);
	free(keep);
	finish(out);
}

/* ---- hot ------------------------------------------------------------------------ */

/* 0: it is not hot. */
static uint64_t score(const struct rolling *r, const struct rolling_object *o, uint32_t piece,
		      uint32_t now_s)
{
	const struct rolling_note *note;
	uint32_t verified = rolling_state_verified(r, o, piece, &note);
	bool late = !verified && rolling_arcs_time(&r->arcs, rolling_sequence_position(o, piece));
	if (note && note->kind != ROLLING_KIND_RIGHT)
		return 0;
	if (now_s - verified < ROLLING_REST_S)
		return 0;
	return (uint64_t)MAX(o->weight, late) * (now_s - verified);
}

void rolling_choice_hot(const struct rolling *r, const struct rolling_sequence *s, uint32_t now_s,
			struct rolling_choice *out)
{
	begin(out);
	for (size_t i = 0; i < s->count; i++) {
		const struct rolling_object *o = &s->at[i];
		if (!o->weight && o->seen_s == r->began_s)
			continue;
		for (uint32_t k = 0; k < o->count; k++) {
			uint64_t of = score(r, o, k, now_s);
			if (of)
				consider(out, UINT64_MAX - of, i, k);
		}
	}
	finish(out);
}

/* ---- the lap -------------------------------------------------------------------- */

/* Whether all pieces at the last position are there is not known. */
static void drop_last_position(struct rolling_choice *c)
{
	size_t kept = c->count;
	while (kept && c->at[kept - 1].rank == c->at[c->count - 1].rank)
		kept--;
	if (kept)
		c->count = kept;
}

void rolling_choice_lap(const struct rolling *r, const struct rolling_sequence *s,
			struct rolling_choice *out)
{
	begin(out);
	for (size_t i = 0; i < s->count; i++)
		for (uint32_t k = 0; k < s->at[i].count; k++)
			consider(out, rolling_sequence_position(&s->at[i], k) - r->arcs.cursor, i,
				 k);
	finish(out);
	if (out->more)
		drop_last_position(out);
}
