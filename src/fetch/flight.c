/* The files of a run, and the flights for their pieces: how they begin and end. */
#include "fetch/engine_internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <stdatomic.h>

#define LEAST_RANGE (256 * KIB)
#define READ_SHARES 4
#define SLOW_PIECE_S 4 /* what takes longer is split among the connections of its source */

uint64_t engine_now_us(const struct engine *g)
{
	return clock_now_us(g->sources->clock);
}

void engine_piece(struct engine *g, struct file *f, uint32_t piece, enum piece_state state)
{
	if (state == PIECE_WRITTEN && piece < f->head)
		state = PIECE_DONE;
	if (state == PIECE_MISSING)
		f->scan = MIN(f->scan, piece);
	f->pieces[piece].state = state;
	if (f->job->flies && (state == PIECE_FLYING || state == PIECE_MISSING))
		f->job->flies(f->job, piece, state == PIECE_FLYING);
	pthread_cond_broadcast(&g->changed);
}

void engine_release(struct engine *g, struct file *f)
{
	f->users--;
	pthread_cond_broadcast(&g->changed);
}

uint64_t flight_size(const struct flight *t)
{
	return grid_length(&t->file->job->grid, t->piece);
}

uint64_t flight_got(const struct flight *t)
{
	uint64_t got = t->local;
	for (size_t i = 0; i < t->count; i++)
		got += atomic_load(&t->ranges[i].fill);
	return got;
}

bool flight_is_complete(const struct flight *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (atomic_load(&t->ranges[i].fill) < t->ranges[i].length)
			return false;
	return t->count || t->local == flight_size(t);
}

/* -- beginning and end ----------------------------------------------------------------------- */

/* How many connections share a piece: as many as it takes to keep all of them busy with the
 * buffers that there are, and all of a slow source's, so that it completes its pieces one by one.
 */
static size_t shares(const struct engine *g, const struct lane *l, const struct file *f,
		     uint64_t size)
{
	uint64_t slots = MAX(1, MIN(g->pool.memory / size, 64)), all = 0;
	size_t n = 1;
	if (size > g->pool.memory / POOL_LEAST)
		slots = POOL_SCRATCH;
	for (size_t i = 0; i < g->lane_count; i++)
		all += g->lanes[i].target;
	while (n * slots < all + all / 2)
		n *= 2;
	if (l->rate > 0 && (double)size * l->target / l->rate > SLOW_PIECE_S)
		while (n < l->target)
			n *= 2;
	/* A reader waits for the first pieces: all connections that come are to bring them. */
	if (f->job->wants)
		n = MAX(n, READ_SHARES);
	while (n > 1 && (size / n < LEAST_RANGE || n > FLIGHT_RANGES))
		n /= 2;
	return l->whole ? 1 : n;
}

void flight_split(struct engine *g, struct flight *t)
{
	size_t n = t->lane ? shares(g, t->lane, t->file, flight_size(t)) : 1;
	uint64_t size = flight_size(t), each = size / n, at = 0;
	for (t->count = 0; t->count < n; t->count++) {
		struct range *r = &t->ranges[t->count];
		r->at = at;
		r->length = t->count + 1 == n ? size - at : each;
		at += r->length;
	}
}

struct flight *flight_new(struct engine *g, struct file *f, uint32_t piece, struct lane *lane,
			  struct err *e)
{
	uint64_t size = grid_length(&f->job->grid, piece);
	if (!pool_has_room(&g->pool, size))
		return NULL;
	struct flight *t = NEW(struct flight);
	t->room.fd = -1;
	CLEANUP(mem_free_ptr) char *dir = path_dir(f->job->partial->path);
	if (pool_take(&g->pool, size, dir, &t->room, e) < 0) {
		free(t);
		return NULL;
	}
	t->file = f;
	t->piece = piece;
	t->lane = lane;
	t->began_us = engine_now_us(g);
	t->cancel.also = &g->ending;
	t->rival = f->pieces[piece].state == PIECE_FLYING;
	if (!f->job->delta || f->pieces[piece].no_local || t->rival)
		flight_split(g, t);
	struct flight **end = &g->flights;
	while (*end)
		end = &(*end)->next;
	*end = t;
	g->flight_count++;
	if (!t->rival)
		engine_piece(g, f, piece, PIECE_FLYING);
	return t;
}

void flight_drop(struct engine *g, struct flight *t)
{
	struct flight **at = &g->flights;
	if (t->users)
		return;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	g->flight_count--;
	pool_give(&g->pool, &t->room);
	free(t);
	pthread_cond_broadcast(&g->changed);
}

void flight_take_back(struct engine *g, struct flight *t, uint64_t bytes, uint64_t local)
{
	const struct lane *lane = t->lane ? t->lane : t->last;
	if (lane)
		lane->source->wasted += bytes;
	if (!t->rival)
		report_advance(g->report, t->file->job->name, -(int64_t)(bytes + local));
}

void flight_end(struct engine *g, struct flight *t)
{
	uint64_t got = 0;
	/* What a thread is still at, it takes back itself: it may count more before it notices. */
	for (size_t i = 0; i < t->count; i++)
		got += t->ranges[i].taken ? 0 : atomic_load(&t->ranges[i].fill);
	if (!t->over)
		flight_take_back(g, t, got, t->local);
	t->over = true;
	cancel_ask(&t->cancel, 1);
	flight_drop(g, t);
}

bool flight_exists(const struct engine *g, const struct file *f, uint32_t piece,
		   const struct flight *but)
{
	for (const struct flight *t = g->flights; t; t = t->next)
		if (t != but && !t->over && t->file == f && t->piece == piece)
			return true;
	return false;
}

void flight_give_up(struct engine *g, struct flight *t)
{
	struct file *f = t->file;
	uint32_t piece = t->piece;
	bool last = !flight_exists(g, f, piece, t);
	flight_end(g, t);
	if (last)
		engine_piece(g, f, piece, PIECE_MISSING);
}

/* -- the end of a file ------------------------------------------------------------------------- */

void engine_end(struct engine *g, struct file *f)
{
	struct flight *next;
	f->state = FILE_OVER;
	f->job->over = true;
	for (struct flight *t = g->flights; t; t = next) {
		next = t->next;
		if (t->file == f)
			flight_end(g, t);
	}
	if (f->begun)
		report_end(g->report, f->job->name, !f->job->why.class);
	pthread_cond_broadcast(&g->changed);
}

void engine_fail(struct engine *g, struct file *f, const struct err *why)
{
	if (f->state == FILE_OVER)
		return;
	f->job->why = *why;
	engine_end(g, f);
}
