#include "health/rolling_pass.h"

#include "health/rolling_choice.h"
#include "util/mem.h"

#include <string.h>

/* After so many pieces in a row that could not be read, the mirror is left alone. */
#define GIVE_UP_AFTER 3
/* The pauses before what could not be read is tried again: this, doubled after each try, for
 * about ten days at most. */
#define AGAIN_S 900
#define AGAIN_DOUBLED 10
/* A piece that takes longer than all time that there was could not be read; but this much time is
 * too little to say so. */
#define TOO_LITTLE_US 2000000

struct pass {
	struct rolling *r;
	const struct rolling_sequence *s;
	const struct rolling_reader *reader;
	const struct rolling_options *o;
	struct rolling_report *out;
	uint64_t budget;
	uint32_t now_s;
	uint64_t began_us;
	unsigned lost; /* pieces in a row that could not be read */
	bool ended;    /* no time, or the mirror cannot be read */
};

/* ---- one piece ------------------------------------------------------------------ */

/* The first piece of a run gets all of its time. Others are not begun if, as fast as it went until
 * now, there is not enough left for them. */
static bool has_time(const struct pass *p, uint64_t length)
{
	uint64_t now = clock_now_us(p->o->clock), needed = 0;
	const struct rolling_report *out = p->out;
	if (!p->o->deadline_us)
		return true;
	if (now >= p->o->deadline_us)
		return false;
	if (out->bytes && out->reading_us)
		needed = (uint64_t)((double)length / (double)out->bytes * (double)out->reading_us);
	return !out->pieces || needed <= p->o->deadline_us - now;
}

/* Of a piece that the deadline has cut off. */
static bool says_nothing(const struct pass *p)
{
	uint64_t deadline_us = p->o->deadline_us;
	return p->out->pieces || deadline_us - MIN(p->began_us, deadline_us) < TOO_LITTLE_US;
}

static enum rolling_kind judge(int rc, const struct audit *a)
{
	if (rc == -ERR_NOT_FOUND)
		return ROLLING_KIND_MISSING;
	if (rc < 0)
		return ROLLING_KIND_UNREAD;
	return audit_is_ok(a) ? ROLLING_KIND_RIGHT : ROLLING_KIND_WRONG;
}

static void count(struct pass *p, enum rolling_kind kind, uint64_t bytes)
{
	struct rolling_totals *t = &p->r->totals;
	t->right += kind == ROLLING_KIND_RIGHT;
	t->wrong += kind == ROLLING_KIND_WRONG;
	t->missing += kind == ROLLING_KIND_MISSING;
	t->unread += kind == ROLLING_KIND_UNREAD;
	t->bytes += bytes;
	p->out->pieces++;
	p->out->bytes += bytes;
	p->lost = kind == ROLLING_KIND_UNREAD ? p->lost + 1 : 0;
	p->ended |= p->lost >= GIVE_UP_AFTER;
}

/* 1: read, *kind says how it is; 0: the run is at its end. */
static int read_piece(struct pass *p, const struct rolling_object *o, uint32_t piece,
		      enum rolling_account account, enum rolling_kind *kind, struct err *e)
{
	struct audit a = { 0 };
	struct err why = ERR_INIT;
	if (p->ended || !has_time(p, rolling_sequence_length(o, piece))) {
		p->ended = true;
		return 0;
	}
	uint64_t began = clock_now_us(p->o->clock);
	int rc = p->reader->read(p->reader->ctx, o, piece, &a, &why);
	uint64_t now = clock_now_us(p->o->clock);
	p->out->reading_us += now - began;
	rolling_budget_pay(&p->r->budget, account, MAX(a.bytes, ROLLING_REQUEST));
	bool late = p->o->deadline_us && now >= p->o->deadline_us;
	if (rc == -ERR_CANCELLED && !late) {
		*e = why;
		return rc;
	}
	if (rc < 0 && late && says_nothing(p)) {
		p->r->totals.bytes += a.bytes;
		p->ended = true;
		return 0;
	}
	*kind = judge(rc, &a);
	count(p, *kind, a.bytes);
	if (*kind == ROLLING_KIND_UNREAD && !p->out->error)
		p->out->error = mem_strdup(why.text);
	return 1;
}

static bool allows(const struct pass *p, enum rolling_account a, const struct rolling_chosen *c)
{
	uint64_t cost = rolling_sequence_cost(&p->s->at[c->object], c->piece);
	return rolling_budget_allows(&p->r->budget, a, p->budget, cost);
}

/* ---- out of order --------------------------------------------------------------- */

static bool is_due(const struct pass *p, const struct rolling_note *n)
{
	uint32_t wait = AGAIN_S << MIN(n->tries, AGAIN_DOUBLED);
	return n->kind != ROLLING_KIND_UNREAD || p->now_s - n->time_s >= wait;
}

/* While one after the other is mended, the lap pays as well: it would come to them anyway. */
static int read_faults(struct pass *p, struct err *e)
{
	CLEANUP(rolling_choice_release) struct rolling_choice c = { 0 };
	bool mended = false;
	int rc = 1;
	rolling_choice_faults(p->r, p->s, &c);
	for (size_t i = 0; rc > 0 && i < c.count; i++) {
		const struct rolling_object *o = &p->s->at[c.at[i].object];
		uint64_t position = rolling_sequence_position(o, c.at[i].piece);
		enum rolling_account a = ROLLING_SIDE;
		enum rolling_kind kind;
		if (!is_due(p, rolling_notes_find(&p->r->notes, position)))
			continue;
		if (!allows(p, a, &c.at[i])) {
			a = ROLLING_LAP;
			if (!mended || !allows(p, a, &c.at[i]))
				return 0;
		}
		rc = read_piece(p, o, c.at[i].piece, a, &kind, e);
		if (rc <= 0)
			return rc;
		mended = kind == ROLLING_KIND_RIGHT;
		p->out->mended += mended;
		/* There is a note on it already: no room is needed. */
		(void)rolling_notes_set(&p->r->notes, position, kind, p->now_s);
	}
	return MIN(rc, 0);
}

static int read_hot(struct pass *p, struct err *e)
{
	CLEANUP(rolling_choice_release) struct rolling_choice c = { 0 };
	int rc = 1;
	if (p->ended || p->r->budget.has[ROLLING_SIDE] <= 0)
		return 0;
	rolling_choice_hot(p->r, p->s, p->now_s, &c);
	for (size_t i = 0; rc > 0 && i < c.count; i++) {
		const struct rolling_object *o = &p->s->at[c.at[i].object];
		enum rolling_kind kind;
		if (!allows(p, ROLLING_SIDE, &c.at[i]))
			return 0;
		rc = read_piece(p, o, c.at[i].piece, ROLLING_SIDE, &kind, e);
		if (rc > 0 &&
		    !rolling_notes_set(&p->r->notes, rolling_sequence_position(o, c.at[i].piece),
				       kind, p->now_s))
			return 0;
	}
	return MIN(rc, 0);
}

/* ---- in order ------------------------------------------------------------------- */

/* 1: the cursor may pass this piece; 0: the lap waits here. */
static int lap_piece(struct pass *p, const struct rolling_chosen *c, struct err *e)
{
	const struct rolling_object *o = &p->s->at[c->object];
	uint64_t position = rolling_sequence_position(o, c->piece);
	uint32_t passed = rolling_arcs_time(&p->r->arcs, position);
	const struct rolling_note *note = rolling_notes_find(&p->r->notes, position);
	enum rolling_kind kind = ROLLING_KIND_RIGHT;
	if (passed && p->now_s - passed < ROLLING_REST_S)
		return 0;
	if (note && note->time_s == p->now_s) {
		kind = note->kind; /* was read in this run */
	} else {
		if (!allows(p, ROLLING_LAP, c))
			return 0;
		int rc = read_piece(p, o, c->piece, ROLLING_LAP, &kind, e);
		if (rc <= 0)
			return rc;
		p->out->mended += note && note->kind != ROLLING_KIND_RIGHT &&
				  kind == ROLLING_KIND_RIGHT;
		if (kind != ROLLING_KIND_RIGHT)
			return rolling_notes_set(&p->r->notes, position, kind, p->now_s);
	}
	if (kind == ROLLING_KIND_RIGHT)
		rolling_notes_remove(&p->r->notes, position);
	return 1;
}

/* Negative, 1: all that was chosen is read; 0: the lap waits. */
static int read_chosen(struct pass *p, const struct rolling_choice *c, struct err *e)
{
	uint64_t from = p->r->arcs.cursor;
	for (size_t i = 0; i < c->count; i++) {
		int rc = lap_piece(p, &c->at[i], e);
		if (rc <= 0)
			return rc;
		if (i + 1 == c->count || c->at[i + 1].rank != c->at[i].rank)
			rolling_arcs_pass(&p->r->arcs, from + c->at[i].rank + 1, p->now_s);
	}
	return c->more;
}

static int read_lap(struct pass *p, struct err *e)
{
	int rc = 1;
	while (rc > 0 && !p->ended) {
		CLEANUP(rolling_choice_release) struct rolling_choice c = { 0 };
		rolling_choice_lap(p->r, p->s, &c);
		rc = read_chosen(p, &c, e);
	}
	return MIN(rc, 0);
}

/* ---- a run ---------------------------------------------------------------------- */

int rolling_pass(struct rolling *r, struct rolling_sequence *s, const struct rolling_reader *reader,
		 const struct rolling_options *o, struct rolling_report *out, struct err *e)
{
	struct pass p = { .r = r, .s = s, .reader = reader, .o = o, .out = out };
	uint64_t elapsed_s;
	p.now_s = rolling_state_begin(r, clock_wall_s(o->clock), &elapsed_s);
	rolling_state_seen(r, s, p.now_s);
	out->began_s = r->began_s;
	p.began_us = clock_now_us(o->clock);
	p.budget = rolling_budget_of(o->budget);
	p.ended = !p.budget;
	if (p.budget)
		rolling_budget_grow(&r->budget, p.budget, s->largest, elapsed_s);
	int rc = read_faults(&p, e);
	if (rc == 0)
		rc = read_hot(&p, e);
	return rc == 0 ? read_lap(&p, e) : rc;
}

/* ---- what is known then --------------------------------------------------------- */

static void add_fault(struct rolling_report *out, const struct rolling_object *o, uint32_t piece,
		      const struct rolling_note *note)
{
	enum rolling_fault kind = (enum rolling_fault)note->kind;
	out->faults[kind]++;
	out->unread_long += kind == ROLLING_UNREAD && note->tries >= 3;
	int order = out->first.key ? strcmp(o->file->key, out->first.key) : -1;
	if (out->first.key && (kind > out->first.kind || (kind == out->first.kind && order >= 0)))
		return;
	free(out->first.key);
	out->first.key = mem_strdup(o->file->key);
	out->first.kind = kind;
	out->first.piece = piece;
	out->first.offset = rolling_sequence_offset(o, piece);
	out->first.length = rolling_sequence_length(o, piece);
	out->first.since_s = note->since_s;
	out->first.whole = o->count == 1;
}

static void cover(const struct rolling *r, const struct rolling_object *o, uint32_t piece,
		  int64_t since_s, struct rolling_coverage *c)
{
	uint64_t length = rolling_sequence_length(o, piece);
	int64_t verified = rolling_state_verified(r, o, piece, NULL);
	int64_t seen = o->seen_s, oldest = verified ? verified : seen;
	if (verified >= since_s && verified)
		c->verified += length;
	else if (seen < since_s)
		c->overdue += length;
	c->never += verified ? 0 : length;
	c->oldest_s = c->oldest_s ? MIN(c->oldest_s, oldest) : oldest;
}

void rolling_pass_sum_up(const struct rolling *r, const struct rolling_sequence *s,
			 const struct rolling_options *o, struct rolling_report *out)
{
	int64_t since_s = (int64_t)r->last_s - o->window_s;
	uint64_t budget = rolling_budget_of(o->budget), faults = 0;
	for (size_t i = 0; i < s->count; i++)
		for (uint32_t k = 0; k < s->at[i].count; k++) {
			const struct rolling_note *note = NULL;
			(void)rolling_state_verified(r, &s->at[i], k, &note);
			if (!note || note->kind == ROLLING_KIND_RIGHT) {
				cover(r, &s->at[i], k, since_s, &out->coverage);
				continue;
			}
			add_fault(out, &s->at[i], k, note);
			faults += rolling_sequence_cost(&s->at[i], k);
		}
	out->totals = r->totals;
	out->coverage.pieces = s->pieces;
	out->coverage.bytes = s->bytes;
	out->promise_days = budget ? rolling_budget_promise(budget, s->cost, s->largest, faults)
				   : 0;
}
