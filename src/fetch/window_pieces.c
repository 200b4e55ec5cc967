/* What a source brings next: a range of a piece on its way, or a new piece. */
#include "fetch/window_internal.h"

#define AHEAD_LEAST 16          /* pieces that may be handed out behind a late one */
#define RETRY_SLOW_US 30000000  /* a slow source gets a piece again, to see what it does now */
#define LATE_LEAST_US 500000    /* a younger flight is not late */
#define FIRST_ALONE_US 2000000  /* the first piece that is read has all connections */
#define LATE_UNKNOWN_US 5000000 /* the same where nothing is known about the other source */

/* -- what somebody waits for ------------------------------------------------------------------- */

/* The n-th of a file. False: there are no more. */
bool window_wanted(const struct file *f, size_t n, uint32_t *piece, bool *ahead)
{
	struct engine_job *job = f->job;
	if (f->state != FILE_OPEN || !job->wants)
		return false;
	*ahead = false;
	*piece = job->wants(job, n, ahead);
	return *piece < job->grid.count;
}

static bool is_wanted(const struct file *f, uint32_t piece)
{
	uint32_t it;
	bool ahead;
	for (size_t n = 0; window_wanted(f, n, &it, &ahead); n++)
		if (it == piece)
			return true;
	return false;
}

/* Of a file that somebody reads, the first piece gets the whole line. Not for long: a source may be
 * slow for each connection. A peer is not behind that line. */
static bool awaits_first(const struct engine *g, const struct lane *l, const struct file *f)
{
	if (!f->job->wants || f->landed || l->source->peer)
		return false;
	for (const struct flight *t = g->flights; t; t = t->next)
		if (t->file == f && !t->over && !t->landed &&
		    engine_now_us(g) - t->began_us < FIRST_ALONE_US)
			return true;
	return false;
}

/* -- ranges ------------------------------------------------------------------------------------ */

static struct range *free_range(struct flight *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->ranges[i].taken && atomic_load(&t->ranges[i].fill) < t->ranges[i].length)
			return &t->ranges[i];
	return NULL;
}

static bool take_range(struct engine *g, struct flight *t, struct lane *l, struct task *out)
{
	struct range *r = free_range(t);
	if (!r)
		return false;
	r->taken = true;
	t->users++;
	t->file->users++;
	lane_begin(l, engine_now_us(g));
	*out = (struct task){
		.kind = TASK_RANGE,
		.file = t->file,
		.flight = t,
		.range = r,
		.lane = l,
		.began_us = engine_now_us(g),
		.whole = l->whole,
	};
	return true;
}

/* A flight whose source failed goes on with any; one that must come from a single source begins
 * anew when that does not come back. */
static bool adopt(struct engine *g, struct flight *t, struct lane *l)
{
	bool none = flight_got(t) == t->local, other = !none && t->last != l;
	uint32_t piece = t->piece;
	struct file *f = t->file;
	if (t->users)
		return false; /* of the old source, until they have ended */
	if (other && (f->pieces[piece].alone || t->last->source->banned)) {
		if (!window_is_asked(g, t->last, f))
			flight_give_up(g, t);
		return false;
	}
	t->mixed |= other;
	t->lane = l;
	return true;
}

/* No thread is at it, and its source is not asked any more. */
static void orphan(struct engine *g, struct flight *t)
{
	if (!t->lane || t->users || window_is_asked(g, t->lane, t->file))
		return;
	t->last = t->lane;
	t->lane = NULL;
}

bool window_go_on(struct engine *g, struct lane *l, bool only_wanted, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	struct flight *next;
	for (struct flight *t = g->flights; t; t = next) {
		next = t->next;
		if (t->over || t->landed || t->file->state != FILE_OPEN || !t->count ||
		    (only_wanted && !is_wanted(t->file, t->piece)))
			continue;
		orphan(g, t);
		if (t->lane ? t->lane != l || !window_is_fit(g, l, t->file, now_ms)
			    : !window_may_bring(g, l, t->file, t->piece, now_ms))
			continue;
		if (!t->lane && !adopt(g, t, l))
			continue;
		if (take_range(g, t, l, out))
			return true;
	}
	return false;
}

/* -- pieces ------------------------------------------------------------------------------------ */

static uint64_t ahead_most(const struct engine *g, const struct file *f)
{
	uint64_t connections = 0, slots = g->pool.memory / f->job->grid.piece_length;
	for (size_t i = 0; i < g->lane_count; i++)
		connections += g->lanes[i].target;
	return MAX(AHEAD_LEAST, MAX(3 * slots, 2 * connections));
}

bool window_is_late(const struct file *f)
{
	return f->head < f->job->grid.count && (f->pieces[f->head].state == PIECE_FLYING ||
						f->pieces[f->head].state == PIECE_MISSING);
}

/* Pieces of the file that were handed out and are not in its digest. */
static uint64_t handed_out(const struct file *f)
{
	uint64_t n = 0;
	for (uint32_t i = f->head; i < f->job->grid.count && i < f->scan; i++)
		n += f->pieces[i].state > PIECE_CHECKED;
	return n;
}

/* How many of the next pieces it leaves to the others, which have them sooner than it. False: so
 * many that it gets none. A peer leaves none: the others have not got the same pieces. */
static bool leaves(struct engine *g, struct lane *l, const struct file *f, uint64_t *out)
{
	uint64_t size = grid_length(&f->job->grid, MIN(f->scan, f->job->grid.count - 1));
	uint64_t now_us = engine_now_us(g), most = ahead_most(g, f);
	*out = 0;
	if (l->source->peer)
		return true;
	double skip = lane_piece_s(l, size) * window_others_rate(g, l, f) / (double)size;
	bool slow = skip >= (double)most;
	if (slow != l->slow)
		report_source(g->report, l->source->id, 0, slow ? "slow" : "");
	l->slow = slow;
	*out = slow ? most - 1 : (uint64_t)skip;
	if (!slow || !l->tried_us || now_us - l->tried_us >= RETRY_SLOW_US) {
		l->tried_us = slow ? now_us : l->tried_us;
		return !slow || l->active == 0;
	}
	return false;
}

/* The first missing piece that has at least `skip` before it, *passed of them in earlier files, and
 * that the source may be asked for (NULL: any). */
static bool find_piece(struct file *f, const struct source *s, uint64_t skip, uint64_t *passed,
		       uint32_t *out)
{
	struct engine_job *job = f->job;
	while (f->scan < f->job->grid.count && f->pieces[f->scan].state != PIECE_MISSING)
		f->scan++;
	for (uint32_t i = f->head; i < f->job->grid.count; i++) {
		uint8_t state = f->pieces[i].state;
		if (s && job->may && state == PIECE_MISSING && !job->may(job, s, i))
			continue;
		if (state == PIECE_MISSING && *passed >= skip) {
			*out = i;
			return true;
		}
		*passed += state == PIECE_MISSING || state == PIECE_FLYING;
	}
	return false;
}

static bool first_missing(struct file *f, uint32_t *out)
{
	uint64_t passed = 0;
	return f->state == FILE_OPEN && find_piece(f, NULL, 0, &passed, out);
}

bool window_has_missing(struct file *f)
{
	uint32_t ignored;
	return first_missing(f, &ignored);
}

static bool begin_this(struct engine *g, struct lane *l, struct file *f, uint32_t piece,
		       struct task *out)
{
	struct err why = ERR_INIT;
	struct flight *t = flight_new(g, f, piece, l, &why);
	if (!t && why.class)
		engine_fail(g, f, &why);
	if (!t)
		return false;
	if (t->count)
		return take_range(g, t, l, out);
	t->users++;
	*out = (struct task){ .kind = TASK_LOAD, .file = f, .flight = t };
	return true;
}

bool window_begin_piece(struct engine *g, struct lane *l, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock), skip, passed = 0;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		if (!window_has_missing(f) || !window_is_fit(g, l, f, now_ms) ||
		    awaits_first(g, l, f))
			continue;
		if (window_is_late(f) && handed_out(f) >= ahead_most(g, f))
			continue;
		if (leaves(g, l, f, &skip) && find_piece(f, l->source, skip, &passed, &piece) &&
		    !(l->source->peer && window_is_outclassed(g, l, f, piece)))
			return begin_this(g, l, f, piece, out);
	}
	return false;
}

bool window_begin_left(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++)
		if (g->lanes[i].active)
			return false;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		struct lane *l = first_missing(f, &piece) ? window_fastest(g, f, piece) : NULL;
		if (l)
			return begin_this(g, l, f, piece, out);
	}
	return false;
}

/* -- pieces that somebody waits for --------------------------------------------------------------
 */

bool window_begin_wanted(struct engine *g, struct lane *l, bool with_ahead, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		bool ahead;
		if (awaits_first(g, l, f))
			continue;
		for (size_t n = 0; window_wanted(f, n, &piece, &ahead) && (with_ahead || !ahead);
		     n++)
			if (f->pieces[piece].state == PIECE_MISSING &&
			    window_may_bring(g, l, f, piece, now_ms) &&
			    !window_is_outclassed(g, l, f, piece))
				return begin_this(g, l, f, piece, out);
	}
	return false;
}

/* -- late flights ------------------------------------------------------------------------------ */

/* Would this source have the whole piece long before the flight ends? */
static bool is_outrun(struct engine *g, const struct flight *t, const struct lane *l)
{
	uint64_t now_us = engine_now_us(g), got = flight_got(t) - t->local, size = flight_size(t);
	double elapsed = (double)(now_us - t->began_us), own = lane_piece_s(l, size) * 1e6;
	double rest = got ? (double)(size - t->local - got) * elapsed / (double)got : 1e18;
	double least = own > 0 ? MAX(2 * own, LATE_LEAST_US) : LATE_UNKNOWN_US;
	double times = t->lane == l ? 4 : 2; /* another connection to the same source */
	return elapsed > least && rest > times * own + (t->lane == l ? 2e6 : 2e5) &&
	       (own > 0 || rest > LATE_UNKNOWN_US);
}

bool window_race(struct engine *g, struct lane *l, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (struct flight *t = g->flights; t; t = t->next) {
		struct err why = ERR_INIT;
		if (t->over || t->landed || t->file->state != FILE_OPEN || l->whole ||
		    !window_may_bring(g, l, t->file, t->piece, now_ms) || !is_outrun(g, t, l) ||
		    flight_exists(g, t->file, t->piece, t))
			continue;
		struct flight *o = flight_new(g, t->file, t->piece, l, &why);
		return o && take_range(g, o, l, out);
	}
	return false;
}
