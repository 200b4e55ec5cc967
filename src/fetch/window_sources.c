/* Which sources a file, or a piece of it, can come from. */
#include "fetch/window_internal.h"

#define OUTCLASSED 4 /* times as fast is a source that a wanted piece waits for */

bool window_lane_serves(struct engine *g, const struct lane *l, const struct file *f,
			uint64_t now_ms, uint64_t *wait_ms)
{
	const struct source *s = l->source;
	uint64_t at_ms = MAX(s->not_before_ms, s->pause_ends_ms);
	if (s->banned || s->given_up || f->given_up[l - g->lanes])
		return false;
	if (at_ms <= now_ms)
		return true;
	if (!source_is_away(g->sources, s))
		*wait_ms = MIN(*wait_ms, at_ms - now_ms);
	return false;
}

/* Sources of a higher class are only asked where none of a lower one is left: one without ranges,
 * unless a file is one piece; one whose metadata were stale or did not come; one that is no mirror
 * of the catalog, which perhaps has metadata only. */
static unsigned class_of(const struct lane *l, const struct file *f)
{
	bool whole = l->whole && f->job->grid.count > 1;
	if (l->source->peer)
		return 0;
	return 4 * whole + 2 * !l->source->entry + l->doubtful;
}

bool window_is_fit(struct engine *g, const struct lane *l, const struct file *f, uint64_t now_ms)
{
	uint64_t wait_ms = UINT64_MAX;
	unsigned class = class_of(l, f);
	if (!window_lane_serves(g, l, f, now_ms, &wait_ms))
		return false;
	for (size_t i = 0; class && i < g->lane_count; i++)
		if (!g->lanes[i].source->peer && class_of(&g->lanes[i], f) < class &&
		    window_lane_serves(g, &g->lanes[i], f, now_ms, &wait_ms))
			return false;
	return true;
}

bool window_may_bring(struct engine *g, const struct lane *l, const struct file *f, uint32_t piece,
		      uint64_t now_ms)
{
	struct engine_job *job = f->job;
	return window_is_fit(g, l, f, now_ms) && (!job->may || job->may(job, l->source, piece));
}

void window_notice(struct engine *g, struct lane *l)
{
	bool first = true;
	struct flight *next;
	if (l->whole || l->source->banned || l->source->given_up ||
	    mirror_can(l->source->mirror, MIRROR_CAN_RANGE))
		return;
	l->whole = true;
	l->target = l->most = 1;
	source_note_fault(l->source, FAULT_NO_RANGES,
			  "it sends whole files when a part is requested");
	for (struct flight *t = g->flights; t; t = next) {
		next = t->next;
		if (t->lane != l || t->landed || t->over)
			continue;
		if (!first)
			flight_give_up(g, t);
		first = false;
	}
}

bool window_is_asked(struct engine *g, const struct lane *l, const struct file *f)
{
	uint64_t wait_ms = UINT64_MAX, now_ms = clock_now_ms(g->sources->clock);
	if (!window_lane_serves(g, l, f, now_ms, &wait_ms))
		return wait_ms != UINT64_MAX;
	return window_is_fit(g, l, f, now_ms);
}

/* Can a source be asked for it, now or later? */
bool window_is_served(struct engine *g, const struct file *f, uint64_t *wait_ms)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock), wait = UINT64_MAX;
	bool served = false;
	for (size_t k = 0; k < g->lane_count; k++)
		served |= window_lane_serves(g, &g->lanes[k], f, now_ms, &wait);
	*wait_ms = MIN(*wait_ms, wait);
	return served || wait != UINT64_MAX;
}

/* -- which is faster ------------------------------------------------------------------------- */

double window_others_rate(struct engine *g, const struct lane *l, const struct file *f)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	double rate = 0;
	for (size_t i = 0; i < g->lane_count; i++)
		if (&g->lanes[i] != l && g->lanes[i].source->peer == l->source->peer &&
		    window_is_fit(g, &g->lanes[i], f, now_ms))
			rate += g->lanes[i].rate;
	return rate;
}

struct lane *window_fastest(struct engine *g, const struct file *f, uint32_t piece)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	struct lane *best = NULL;
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (window_may_bring(g, l, f, piece, now_ms) &&
		    (!best || l->piece_rate > best->piece_rate))
			best = l;
	}
	return best;
}

bool window_is_outclassed(struct engine *g, const struct lane *l, const struct file *f,
			  uint32_t piece)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (size_t i = 0; l->piece_rate > 0 && i < g->lane_count; i++) {
		const struct lane *o = &g->lanes[i];
		if (o->piece_rate > OUTCLASSED * l->piece_rate &&
		    window_may_bring(g, o, f, piece, now_ms))
			return true;
	}
	return false;
}
