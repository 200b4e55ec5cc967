/* What a thread does next: see engine.h. */
#include "fetch/engine_internal.h"

#include <stdatomic.h>

#define AHEAD_LEAST 16          /* pieces that may be handed out behind a late one */
#define SPILL_US 300000         /* a head that has stood still for less is not late */
#define SPILL_BYTES (256 * MIB) /* that are hashed in about this time */
#define RETRY_SLOW_US 30000000  /* a slow source gets a piece again, to see what it does now */
#define LATE_LEAST_US 500000    /* a younger flight is not late */
#define FIRST_ALONE_US 2000000  /* the first piece that is read has all connections */
#define OUTCLASSED 4            /* times as fast is a source that a wanted piece waits for */
#define LATE_UNKNOWN_US 5000000 /* the same where nothing is known about the other source */

/* -- sources ----------------------------------------------------------------------------------- */

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

static bool is_fit(struct engine *g, const struct lane *l, const struct file *f, uint64_t now_ms)
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

/* The same for a piece of it. */
static bool may_bring(struct engine *g, const struct lane *l, const struct file *f, uint32_t piece,
		      uint64_t now_ms)
{
	struct engine_job *job = f->job;
	return is_fit(g, l, f, now_ms) && (!job->may || job->may(job, l->source, piece));
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

/* -- what somebody waits for ------------------------------------------------------------------- */

/* The n-th of a file. False: there are no more. */
static bool wanted(const struct file *f, size_t n, uint32_t *piece, bool *ahead)
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
	for (size_t n = 0; wanted(f, n, &it, &ahead); n++)
		if (it == piece)
			return true;
	return false;
}

/* Of a file that somebody reads, the first piece gets the whole line. Not for long: a source may be
 * slow for each connection. */
static bool awaits_first(const struct engine *g, const struct file *f)
{
	if (!f->job->wants || f->landed)
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

/* Is a source asked for this file, now or after a pause? Not one that was banned, does not have it,
 * or stands behind better ones. */
static bool is_asked(struct engine *g, const struct lane *l, const struct file *f)
{
	uint64_t wait_ms = UINT64_MAX, now_ms = clock_now_ms(g->sources->clock);
	if (!window_lane_serves(g, l, f, now_ms, &wait_ms))
		return wait_ms != UINT64_MAX;
	return is_fit(g, l, f, now_ms);
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
		if (!is_asked(g, t->last, f))
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
	if (!t->lane || t->users || is_asked(g, t->lane, t->file))
		return;
	t->last = t->lane;
	t->lane = NULL;
}

/* A range of a flight that this source has, or that nobody has any more. */
static bool go_on(struct engine *g, struct lane *l, bool only_wanted, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	struct flight *next;
	for (struct flight *t = g->flights; t; t = next) {
		next = t->next;
		if (t->over || t->landed || t->file->state != FILE_OPEN || !t->count ||
		    (only_wanted && !is_wanted(t->file, t->piece)))
			continue;
		orphan(g, t);
		if (t->lane ? t->lane != l || !is_fit(g, l, t->file, now_ms)
			    : !may_bring(g, l, t->file, t->piece, now_ms))
			continue;
		if (!t->lane && !adopt(g, t, l))
			continue;
		if (take_range(g, t, l, out))
			return true;
	}
	return false;
}

/* -- pieces ------------------------------------------------------------------------------------ */

/* Bytes per second of the other sources that can be asked. */
static double others_rate(struct engine *g, const struct lane *l, const struct file *f)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	double rate = 0;
	for (size_t i = 0; i < g->lane_count; i++)
		if (&g->lanes[i] != l && g->lanes[i].source->peer == l->source->peer &&
		    is_fit(g, &g->lanes[i], f, now_ms))
			rate += g->lanes[i].rate;
	return rate;
}

static uint64_t ahead_most(const struct engine *g, const struct file *f)
{
	uint64_t connections = 0, slots = g->pool.memory / f->job->grid.piece_length;
	for (size_t i = 0; i < g->lane_count; i++)
		connections += g->lanes[i].target;
	return MAX(AHEAD_LEAST, MAX(3 * slots, 2 * connections));
}

static bool is_late(const struct file *f)
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
 * many that it gets none. */
static bool leaves(struct engine *g, struct lane *l, const struct file *f, uint64_t *out)
{
	uint64_t size = grid_length(&f->job->grid, MIN(f->scan, f->job->grid.count - 1));
	uint64_t now_us = engine_now_us(g), most = ahead_most(g, f);
	double skip = lane_piece_s(l, size) * others_rate(g, l, f) / (double)size;
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

static bool has_missing(struct file *f)
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

static bool begin_piece(struct engine *g, struct lane *l, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock), skip, passed = 0;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		if (!has_missing(f) || !is_fit(g, l, f, now_ms) || awaits_first(g, f))
			continue;
		if (is_late(f) && handed_out(f) >= ahead_most(g, f))
			continue;
		if (leaves(g, l, f, &skip) && find_piece(f, l->source, skip, &passed, &piece))
			return begin_this(g, l, f, piece, out);
	}
	return false;
}

/* The fastest source for the piece, of those that may be asked now. */
static struct lane *fastest(struct engine *g, const struct file *f, uint32_t piece)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	struct lane *best = NULL;
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (may_bring(g, l, f, piece, now_ms) &&
		    (!best || l->piece_rate > best->piece_rate))
			best = l;
	}
	return best;
}

/* Sources that each leave a piece to the others would leave it for ever. */
static bool begin_left(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++)
		if (g->lanes[i].active)
			return false;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		struct lane *l = first_missing(f, &piece) ? fastest(g, f, piece) : NULL;
		if (l)
			return begin_this(g, l, f, piece, out);
	}
	return false;
}

/* -- pieces that somebody waits for ------------------------------------------------------------ */

/* Is there a source that would have it long before this one? */
static bool is_outclassed(struct engine *g, const struct lane *l, const struct file *f,
			  uint32_t piece)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (size_t i = 0; l->piece_rate > 0 && i < g->lane_count; i++) {
		const struct lane *o = &g->lanes[i];
		if (o->piece_rate > OUTCLASSED * l->piece_rate && may_bring(g, o, f, piece, now_ms))
			return true;
	}
	return false;
}

static bool begin_wanted(struct engine *g, struct lane *l, bool with_ahead, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		uint32_t piece;
		bool ahead;
		if (awaits_first(g, f))
			continue;
		for (size_t n = 0; wanted(f, n, &piece, &ahead) && (with_ahead || !ahead); n++)
			if (f->pieces[piece].state == PIECE_MISSING &&
			    may_bring(g, l, f, piece, now_ms) && !is_outclassed(g, l, f, piece))
				return begin_this(g, l, f, piece, out);
	}
	return false;
}

/* For a piece that somebody waits for, a source gets one connection more than it has else. */
static bool begin_wanted_beside(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (!l->whole && l->active < MIN(l->target + 1, l->most) &&
		    begin_wanted(g, l, false, out))
			return true;
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

static bool race(struct engine *g, struct lane *l, struct task *out)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	for (struct flight *t = g->flights; t; t = t->next) {
		struct err why = ERR_INIT;
		if (t->over || t->landed || t->file->state != FILE_OPEN || l->whole ||
		    !may_bring(g, l, t->file, t->piece, now_ms) || !is_outrun(g, t, l) ||
		    flight_exists(g, t->file, t->piece, t))
			continue;
		struct flight *o = flight_new(g, t->file, t->piece, l, &why);
		return o && take_range(g, o, l, out);
	}
	return false;
}

/* -- files and pieces that are there ---------------------------------------------------------- */

static struct flight *landed_flight(struct engine *g, const struct file *f, uint32_t piece)
{
	for (struct flight *t = g->flights; t; t = t->next)
		if (t->landed && !t->over && !t->users && t->file == f && t->piece == piece)
			return t;
	return NULL;
}

static bool hash_head(struct engine *g, struct file *f, struct task *out)
{
	if (f->hashing || f->head >= f->job->grid.count)
		return false;
	uint8_t state = f->pieces[f->head].state;
	struct flight *t = state == PIECE_ARRIVED ? landed_flight(g, f, f->head) : NULL;
	if (!t && state != PIECE_CLAIMED && state != PIECE_WRITTEN)
		return false;
	f->hashing = true;
	f->users++;
	if (t)
		t->users++;
	if (t && t->lane)
		t->lane->proving = true;
	*out = (struct task){ .kind = TASK_HASH, .file = f, .flight = t };
	return true;
}

static bool look_at_files(struct engine *g, struct task *out)
{
	while (g->first < g->file_count && g->files[g->first].state == FILE_OVER)
		g->first++;
	for (size_t i = g->first; i < g->file_count && g->files[i].state != FILE_WAITING; i++) {
		struct file *f = &g->files[i];
		if (f->state != FILE_OPEN)
			continue;
		if (hash_head(g, f, out))
			return true;
		if (f->head == f->job->grid.count && !f->users) {
			f->state = FILE_FINISHING;
			*out = (struct task){ .kind = TASK_FINISH, .file = f };
			return true;
		}
	}
	return false;
}

static bool open_next(struct engine *g, struct task *out)
{
	unsigned open = 0;
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		open += f->state != FILE_OVER;
		if (open > ENGINE_OPEN_FILES)
			return false;
		if (f->state != FILE_WAITING)
			continue;
		f->state = FILE_OPENING;
		*out = (struct task){ .kind = TASK_OPEN, .file = f };
		return true;
	}
	return false;
}

static void take_spill(struct flight *t, struct task *out)
{
	if (t->lane)
		t->lane->proving = true;
	t->users++;
	t->file->users++;
	*out = (struct task){ .kind = TASK_SPILL, .file = t->file, .flight = t };
}

static bool is_waiting(const struct flight *t)
{
	return t->landed && !t->over && !t->users && t->file->state == FILE_OPEN;
}

/* The first piece of a source is verified at once: if it lies, it is banned before it has sent
 * more. */
static bool prove(struct engine *g, struct task *out)
{
	for (struct flight *t = g->flights; t; t = t->next) {
		if (!is_waiting(t) || !t->lane || t->lane->proving)
			continue;
		take_spill(t, out);
		return true;
	}
	return false;
}

/* One that somebody waits for does not wait for its turn. */
static bool check_wanted(struct engine *g, struct file *f, uint32_t piece, struct task *out)
{
	uint8_t state = f->pieces[piece].state;
	struct flight *t = state == PIECE_ARRIVED ? landed_flight(g, f, piece) : NULL;
	if (piece == f->head)
		return false;
	if (t)
		take_spill(t, out);
	if (t || state != PIECE_CLAIMED)
		return t;
	f->pieces[piece].state = PIECE_CHECKED;
	f->users++;
	*out = (struct task){ .kind = TASK_CHECK, .file = f, .piece = piece };
	return true;
}

static bool look_at_wanted(struct engine *g, struct task *out)
{
	for (size_t i = g->first; i < g->file_count; i++) {
		uint32_t piece;
		bool ahead;
		for (size_t n = 0; wanted(&g->files[i], n, &piece, &ahead); n++)
			if (check_wanted(g, &g->files[i], piece, out))
				return true;
	}
	return false;
}

/* Is the turn of a waiting piece soon? Verifying it alone means to read and hash it twice. */
static bool is_soon(const struct engine *g, const struct flight *t)
{
	const struct file *f = t->file;
	uint64_t bytes = (uint64_t)(t->piece - f->head) * f->job->grid.piece_length;
	if (t->piece <= f->head)
		return true;
	return engine_now_us(g) - f->head_us < SPILL_US && bytes <= SPILL_BYTES;
}

/* The flight of a waiting piece that is farthest from its turn, if its turn cannot come soon. */
static bool spill(struct engine *g, struct task *out)
{
	struct flight *last = NULL;
	for (struct flight *t = g->flights; t; t = t->next)
		if (is_waiting(t) && !is_soon(g, t) &&
		    (!last || t->piece - t->file->head > last->piece - last->file->head))
			last = t;
	if (last)
		take_spill(last, out);
	return last;
}

/* -- all of it --------------------------------------------------------------------------------- */

/* Is anything on its way that concerns the file? */
static bool is_moving(const struct engine *g, const struct file *f)
{
	for (const struct flight *t = g->flights; t; t = t->next)
		if (t->file == f && t->users)
			return true;
	return f->users > 0;
}

/* Can a source be asked for it, now or later? */
static bool is_served(struct engine *g, const struct file *f, uint64_t *wait_ms)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock), wait = UINT64_MAX;
	bool served = false;
	for (size_t k = 0; k < g->lane_count; k++)
		served |= window_lane_serves(g, &g->lanes[k], f, now_ms, &wait);
	*wait_ms = MIN(*wait_ms, wait);
	return served || wait != UINT64_MAX;
}

/* What has arrived is kept. */
static bool spill_of(struct engine *g, const struct file *f, struct task *out)
{
	for (struct flight *t = g->flights; t; t = t->next) {
		if (t->file != f || !is_waiting(t))
			continue;
		take_spill(t, out);
		return true;
	}
	return false;
}

/* Files that no source is left for. *wait_ms: until a source may be asked. */
static bool give_up_files(struct engine *g, uint64_t *wait_ms, struct task *out)
{
	for (size_t i = g->first; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		struct err why = ERR_INIT;
		if (f->state != FILE_OPEN || is_served(g, f, wait_ms))
			continue;
		if (spill_of(g, f, out))
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
		if (go_on(g, l, true, out) || begin_wanted(g, l, true, out) ||
		    go_on(g, l, false, out) || begin_piece(g, l, out))
			return true;
	return false;
}

/* For a late piece, also one connection more than the source has else. */
static bool race_a_source(struct engine *g, struct task *out)
{
	for (size_t i = 0; i < g->lane_count; i++) {
		struct lane *l = &g->lanes[i];
		if (l->active < MIN(l->target + 1, l->most) && race(g, l, out))
			return true;
	}
	return false;
}

static bool lacks_room(struct engine *g)
{
	for (size_t i = g->first; i < g->file_count; i++)
		if (has_missing(&g->files[i]))
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
	if (look_at_wanted(g, out))
		return;
	/* A connection is not to stand still while its thread does what another one can do. */
	if (g->idle && ask_a_source(g, out))
		return;
	if (look_at_files(g, out) || prove(g, out) || ask_a_source(g, out) || open_next(g, out) ||
	    begin_wanted_beside(g, out) || (lacks_room(g) && spill(g, out)) ||
	    race_a_source(g, out) || begin_left(g, out))
		return;
	if (give_up_files(g, &wait_ms, out) || look_at_files(g, out))
		return;
	if (g->first == g->file_count)
		out->kind = TASK_QUIT;
	out->wait_ms = wait_ms == UINT64_MAX ? 0 : wait_ms;
}
