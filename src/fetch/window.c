/* What a thread does next: see engine.h. */
#include "fetch/window_internal.h"

/* The next lane that can take a range, after the others that are as busy: NULL when there is none.
 * The one with the fewest of its connections in use comes first, then the rank. */
static struct lane *next_lane(struct engine *g)
{
	struct lane *best = NULL;
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (g->tried[i] || l->active >= l->target)
			continue;
		if (!best || l->active * best->target < best->active * l->target)
			best = l;
	}
	if (best)
		g->tried[best - g->lanes] = true;
	return best;
}

/* For a piece that somebody waits for, a source gets one connection more than it has else. */
static bool begin_wanted_beside(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (!l->whole && l->active < MIN(l->target + 1, l->most) &&
		    window_begin_wanted(g, l, false, out))
			return true;
	}
	return false;
}

/* Is anything on its way that concerns the file? */
static bool is_moving(const struct engine *g, const struct file *f)
{
	for (const struct flight *t = g->flights; t; t = t->next)
		if (t->file == f && t->users)
			return true;
	return f->users > 0;
}

/* Files that no source is left for. *wait_ms: until a source may be asked. */
static bool give_up_files(struct engine *g, uint64_t *wait_ms, struct task *out)
{
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		struct err why = ERR_INIT;
		if (f->state != FILE_OPEN || window_is_served(g, f, wait_ms))
			continue;
		if (window_spill_of(g, f, out))
			return true;
		if (is_moving(g, f))
			continue;
		source_list_err(g->sources, f->job->name, &why);
		engine_fail(g, f, &why);
	}
	return false;
}

static bool ask_a_source(struct engine *g, struct task *out)
{
	struct lane *l;
	for (size_t i = 0; i < g->lane_count; i++) {
		g->tried[i] = false;
		lane_look(&g->lanes[i], engine_now_us(g));
		if (g->lanes[i].source->mirror)
			window_notice(g, &g->lanes[i]);
	}
	while ((l = next_lane(g)))
		if (window_go_on(g, l, true, out) || window_begin_wanted(g, l, true, out) ||
		    window_go_on(g, l, false, out) || window_begin_piece(g, l, out))
			return true;
	return false;
}

/* For a late piece, also one connection more than the source has else. */
static bool race_a_source(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (l->active < MIN(l->target + 1, l->most) && window_race(g, l, out))
			return true;
	}
	return false;
}

static bool lacks_room(struct engine *g)
{
	for (size_t i = g->first; i < g->file_count; i++)
		if (window_has_missing(&g->files[i]))
			return !pool_has_room(&g->pool, g->files[i].job->grid.piece_length);
	return false;
}

void window_next(struct engine *g, struct task *out)
{
	uint64_t wait_ms = UINT64_MAX;
	*out = (struct task){ .kind = TASK_NONE };
	if (g->stopped || cancel_signal(g->sources->cancel)) {
		g->stopped = true;
		out->kind = TASK_QUIT;
		return;
	}
	if (window_verify_wanted(g, out))
		return;
	/* A connection is not to stand still while its thread does what another one can do. */
	if (g->idle && ask_a_source(g, out))
		return;
	if (window_verify_next(g, out) || window_prove(g, out) || window_spill_shared(g, out) ||
	    ask_a_source(g, out) || window_open(g, out) || begin_wanted_beside(g, out) ||
	    (lacks_room(g) && window_spill(g, out)) || race_a_source(g, out) ||
	    window_begin_left(g, out))
		return;
	if (give_up_files(g, &wait_ms, out) || window_verify_next(g, out))
		return;
	if (g->first == g->file_count)
		out->kind = TASK_QUIT;
	out->wait_ms = wait_ms == UINT64_MAX ? 0 : wait_ms;
}
