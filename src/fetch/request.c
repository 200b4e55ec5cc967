/* What fills a flight: parts that the store has, and requests to the sources. */
#include "fetch/engine_internal.h"

#include "fetch/delta.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdatomic.h>

#define TICK_BYTES (512 * KIB)

/* -- from the store --------------------------------------------------------------------------- */

static int load_part(struct flight *t, const struct delta_part *part, void *room, struct err *e)
{
	uint64_t start = grid_offset(&t->file->job->grid, t->piece);
	for (uint64_t done = 0; done < part->length;) {
		size_t len = (size_t)MIN(part->length - done, POOL_READ);
		int rc = file_pread(part->fd, room, len, part->at + done, "the store", e);
		if (rc == 0)
			rc = pool_write(&t->room, part->offset + done - start, room, len, e);
		if (rc < 0)
			return rc;
		done += len;
	}
	return 0;
}

/* What is between the parts is still to come. */
static void leave_gaps(struct flight *t, const struct delta_part *parts, size_t count)
{
	uint64_t start = grid_offset(&t->file->job->grid, t->piece), at = 0, size = flight_size(t);
	t->count = 0;
	for (size_t i = 0; i <= count; i++) {
		uint64_t end = i < count ? parts[i].offset - start : size;
		if (end > at)
			t->ranges[t->count++] = (struct range){ .at = at, .length = end - at };
		if (i < count)
			at = end + parts[i].length;
		t->local += i < count ? parts[i].length : 0;
	}
}

void request_load(struct engine *g, struct flight *t)
{
	struct delta_part parts[FLIGHT_RANGES - 1];
	CLEANUP(mem_free_ptr) void *room = mem_alloc(POOL_READ);
	struct err why = ERR_INIT;
	struct engine_job *job = t->file->job;
	uint64_t start = grid_offset(&job->grid, t->piece);
	size_t count = delta_parts(job->delta, start, flight_size(t), parts, ARRAY_LEN(parts));
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = load_part(t, &parts[i], room, &why);
	pthread_mutex_lock(&g->lock);
	if (rc < 0)
		report_detail(g->report, "%s: %s", job->name, why.text);
	if (rc == 0 && count)
		leave_gaps(t, parts, count);
	else
		flight_split(g, t);
	if (!t->over)
		report_advance(g->report, job->name, (int64_t)t->local);
	t->users--;
	if (t->over)
		flight_drop(g, t);
	else if (flight_is_complete(t))
		landing_arrived(g, t);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* -- a request ------------------------------------------------------------------------------- */

struct request {
	struct engine *g;
	struct lane *lane;
	struct file *file;
	struct flight *flight; /* NULL: between two pieces of a source without ranges */
	struct range *range;
	uint64_t at;       /* in the file */
	uint64_t skip;     /* bytes that come before the next piece */
	uint64_t received; /* useful bytes */
	uint64_t ticked;
	uint64_t began_us;
	uint64_t first_us; /* the first byte came; 0: none did */
	bool whole;        /* the source ignores ranges */
	bool local;        /* it failed because of this machine */
	bool enough;
	struct err local_why;
};

static int failed_here(struct request *q, int rc, const struct err *e)
{
	q->local = true;
	q->local_why = *e;
	return rc;
}

static void tick(struct request *q)
{
	struct engine *g = q->g;
	q->ticked = 0;
	pthread_mutex_lock(&g->lock);
	lane_tick(q->lane, engine_now_us(g));
	window_notice(g, q->lane);
	partial_alive(q->file->job->partial);
	pthread_mutex_unlock(&g->lock);
}

/* The range that begins here, of a flight that the source has already; else *next is where the next
 * one of the piece begins, or as it was. */
static bool find_range(struct request *q, uint32_t piece, uint64_t *next)
{
	uint64_t at = q->at - grid_offset(&q->file->job->grid, piece);
	for (struct flight *t = q->g->flights; t; t = t->next) {
		if (t->over || t->landed || t->lane != q->lane || t->file != q->file ||
		    t->piece != piece)
			continue;
		for (size_t i = 0; i < t->count; i++) {
			struct range *r = &t->ranges[i];
			uint64_t fill = atomic_load(&r->fill);
			if (r->taken || fill == r->length || r->at + fill < at)
				continue;
			*next = MIN(*next, r->at + fill);
			if (*next != at)
				continue;
			q->flight = t;
			q->range = r;
			return true;
		}
	}
	return false;
}

/* Waits for room for a piece that begins here. */
static int begin_flight(struct request *q, uint32_t piece)
{
	struct engine *g = q->g;
	struct file *f = q->file;
	while (!g->stopped && !cancel_signal(&g->ending) && f->state == FILE_OPEN &&
	       f->pieces[piece].state == PIECE_MISSING) {
		struct err why = ERR_INIT;
		q->flight = flight_new(g, f, piece, q->lane, &why);
		if (why.class)
			return failed_here(q, -(int)why.class, &why);
		if (q->flight) {
			flight_split(g, q->flight);
			q->range = &q->flight->ranges[0];
			return 0;
		}
		/* Without other threads, this one has to make room. */
		q->enough = !g->thread_count;
		if (q->enough)
			return 0;
		os_cond_wait(&g->changed, &g->lock, 100);
	}
	return 0;
}

/* Of a source without ranges: what follows is the next piece, or bytes to be skipped. */
static int next_piece(struct request *q, struct err *e)
{
	struct engine *g = q->g;
	struct file *f = q->file;
	uint32_t piece = (uint32_t)(q->at / f->job->grid.piece_length);
	uint64_t start = grid_offset(&f->job->grid, piece);
	uint64_t next = grid_length(&f->job->grid, piece);
	int rc = 0;
	pthread_mutex_lock(&g->lock);
	if (!find_range(q, piece, &next) && q->at == start)
		rc = begin_flight(q, piece);
	q->enough |= g->stopped || f->state != FILE_OPEN;
	if (q->flight) {
		q->range->taken = true;
		q->flight->users++;
	}
	pthread_mutex_unlock(&g->lock);
	if (rc < 0)
		*e = q->local_why;
	if (rc < 0 || (q->enough && !q->flight))
		return rc < 0 ? rc : err_set(e, ERR_CANCELLED, "enough");
	q->skip = q->flight ? 0 : start + next - q->at;
	return 0;
}

/* A thread is no longer at it. */
static void leave(struct request *q, bool whole)
{
	struct engine *g = q->g;
	struct flight *t = q->flight;
	q->range->taken = false;
	t->users--;
	q->flight = NULL;
	if (t->over) {
		flight_take_back(g, t, atomic_load(&q->range->fill), 0);
		flight_drop(g, t);
	} else if (whole && !t->landed && flight_is_complete(t))
		landing_arrived(g, t);
}

static int take_in(struct request *q, const unsigned char *data, size_t len, struct err *e)
{
	struct flight *t = q->flight;
	struct range *r = q->range;
	uint64_t fill = atomic_load(&r->fill);
	int rc = pool_write(&t->room, r->at + fill, data, len, e);
	if (rc < 0)
		return failed_here(q, rc, e);
	atomic_store(&r->fill, fill + len);
	atomic_fetch_add(&q->lane->got, len);
	q->received += len;
	if (!t->rival)
		report_advance(q->g->report, q->file->job->name, (int64_t)len);
	report_source(q->g->report, q->lane->source->id, (int64_t)len, NULL);
	if (q->whole && fill + len == r->length) {
		pthread_mutex_lock(&q->g->lock);
		leave(q, true);
		pthread_cond_broadcast(&q->g->changed);
		pthread_mutex_unlock(&q->g->lock);
	}
	return 0;
}

static int on_bytes(void *ctx, const void *data, size_t len, struct err *e)
{
	struct request *q = ctx;
	const unsigned char *at = data;
	if (!q->first_us)
		q->first_us = engine_now_us(q->g);
	const struct cancel *cancel = q->flight ? &q->flight->cancel : &q->g->ending;
	int rc = cancel_check(cancel, e);
	if (rc == 0 && (rc = rate_take(q->g->options->rate, len, q->g->sources->cancel, e)) < 0)
		return failed_here(q, rc, e);
	if ((q->ticked += len) >= TICK_BYTES)
		tick(q);
	while (rc == 0 && len) {
		if (!q->flight && !q->skip && (rc = next_piece(q, e)) < 0)
			break;
		uint64_t left = q->skip ? q->skip : q->range->length - atomic_load(&q->range->fill);
		size_t part = (size_t)MIN(len, left);
		q->at += part;
		if (q->skip)
			q->skip -= part;
		else
			rc = take_in(q, at, part, e);
		at += part;
		len -= part;
	}
	return rc;
}

/* What a failed request means for its source. */
static void judge(struct request *q, const struct err *why)
{
	struct engine *g = q->g;
	struct lane *l = q->lane;
	struct source *s = l->source;
	enum source_fault fault = source_fault_of(why, q->received);
	if (!lane_failed(l, q->began_us, engine_now_us(g)) && s->faults[fault])
		return;
	source_failed(g->sources, s, why, q->received);
	/* Only this file is not there. */
	if (s->given_up && (fault == FAULT_MISSING || fault == FAULT_REFUSED ||
			    fault == FAULT_CHANGED || fault == FAULT_UNUSABLE)) {
		s->given_up = false;
		q->file->given_up[l - g->lanes] = true;
	}
	if (s->banned)
		report_note(g->report, "%s: %s: %s (%s); this source is not used again", s->id,
			    q->file->job->name, "wrong answer", s->detail[FAULT_WRONG_ANSWER]);
	else
		report_detail(g->report, "%s", why->text);
	report_source(g->report, s->id, 0,
		      s->banned                                            ? "banned"
		      : s->given_up                                        ? "failed"
		      : s->not_before_ms > clock_now_ms(g->sources->clock) ? "waiting"
									   : "");
}

static void conclude(struct request *q, int rc, const struct err *why)
{
	struct engine *g = q->g;
	struct flight *t = q->flight;
	uint64_t now_ms = clock_now_ms(g->sources->clock), wait_ms;
	if (q->first_us)
		lane_answered(q->lane, q->first_us - q->began_us);
	lane_tick(q->lane, engine_now_us(g));
	lane_end(q->lane);
	if (rc == 0 && q->received)
		source_did_well(q->lane->source);
	if (q->local && q->local_why.class != ERR_CANCELLED)
		engine_fail(g, q->file, &q->local_why);
	else if (cancel_signal(g->sources->cancel))
		g->stopped = true;
	else if (rc < 0 && rc != -ERR_CANCELLED)
		judge(q, why);
	if (t && !t->over && !flight_is_complete(t) &&
	    !window_lane_serves(g, q->lane, q->file, now_ms, &wait_ms)) {
		t->last = q->lane;
		t->lane = NULL;
	}
	if (t)
		leave(q, true);
	engine_release(g, q->file);
}

void request_range(struct engine *g, const struct task *task)
{
	struct err why = ERR_INIT;
	struct flight *t = task->flight;
	struct request q = { .g = g,
			     .lane = task->lane,
			     .file = t->file,
			     .flight = t,
			     .range = task->range,
			     .began_us = task->began_us,
			     .whole = task->whole };
	struct mirror_sink sink = { .write = on_bytes, .ctx = &q };
	const struct grid *grid = &t->file->job->grid;
	uint64_t fill = atomic_load(&q.range->fill);
	q.at = grid_offset(grid, t->piece) + q.range->at + fill;
	struct mirror_range range = {
		.key = t->file->job->key,
		.offset = q.at,
		.length = q.whole ? grid->size - q.at : q.range->length - fill,
		/* One that goes on with other pieces ends by its sink. */
		.cancel = q.whole ? &g->ending : &t->cancel,
	};
	int rc = mirror_get(q.lane->source->mirror, &range, &sink, &why);
	pthread_mutex_lock(&g->lock);
	conclude(&q, rc, &why);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}
