/* Landings: pieces that arrived are verified, written, and taken into the digest of the whole file;
 * for a wrong one, its source is blamed. */
#include "fetch/engine_internal.h"

#include "fetch/delta.h"
#include "fetch/room.h"
#include "util/mem.h"
#include "util/os.h"

#define SLOW_TIMES 4 /* as fast must another source be, before a late piece is called a fault */
#define AHEAD_BYTES (32 * MIB) /* of a partial file that are read ahead */

void landing_arrived(struct engine *g, struct flight *t)
{
	struct piece *piece = &t->file->pieces[t->piece];
	uint64_t took_us = engine_now_us(g) - t->began_us;
	t->landed = true;
	uint64_t came = flight_size(t) - t->local;
	if (t->lane && came)
		lane_landed(t->lane, came, took_us);
	/* Of two flights, the other one was faster. */
	if (piece->state != PIECE_FLYING && piece->state != PIECE_ARRIVED)
		flight_end(g, t);
	else
		engine_piece(g, t->file, t->piece, PIECE_ARRIVED);
}

/* -- verifying -------------------------------------------------------------------------------- */

static int hash_room(const struct flight *t, struct pieces *p, bool *right, struct err *e)
{
	CLEANUP(mem_free_ptr) void *room = t->room.data ? NULL : mem_alloc(POOL_READ);
	struct pieces_check c;
	pieces_begin(p, t->piece, &c);
	for (uint64_t at = 0; at < t->room.size;) {
		const void *data;
		size_t len;
		int rc = pool_read(&t->room, at, room, &data, &len, e);
		if (rc < 0)
			return rc;
		pieces_add(&c, data, len);
		at += len;
	}
	*right = pieces_end(p, &c);
	return 0;
}

/* -- after it ---------------------------------------------------------------------------------- */

static void blame(struct engine *g, struct flight *t)
{
	struct engine_job *job = t->file->job;
	struct piece *piece = &t->file->pieces[t->piece];
	struct lane *lane = t->lane ? t->lane : t->last;
	struct source *s = lane ? lane->source : NULL;
	struct err why = ERR_INIT;
	err_set(&why, ERR_INTEGRITY, "piece %u, at byte %llu", (unsigned)t->piece,
		(unsigned long long)grid_offset(&job->grid, t->piece));
	if (t->local) {
		piece->no_local = true;
		delta_distrust(job->delta);
		report_detail(g->report, "%s: %s: what the store has does not fit; fetching it",
			      job->name, why.text);
	} else if (t->mixed || !s) {
		piece->alone = true;
		report_detail(g->report,
			      "%s: %s: wrong, but it came from several sources; fetching it again "
			      "from one",
			      job->name, why.text);
	} else if (s->mirror->ops->others_files) {
		source_changed(s, &why);
		s->given_up = false;
		t->file->given_up[lane - g->lanes] = true;
		report_note(g->report, "%s: %s: no longer this version (%s)", s->id, job->name,
			    s->detail[FAULT_CHANGED]);
	} else if (!s->banned) {
		source_lied(s, &why);
		report_source(g->report, s->id, 0, "banned");
		report_note(g->report, "%s: %s: wrong bytes (%s); this source is not used again",
			    s->id, job->name, s->detail[FAULT_WRONG_BYTES]);
	} else {
		source_lied(s, &why);
	}
}

static void wrong(struct engine *g, struct flight *t)
{
	struct file *f = t->file;
	uint32_t piece = t->piece;
	bool elsewhere = flight_exists(g, t->file, t->piece, t);
	blame(g, t);
	t->users--;
	flight_end(g, t);
	if (f->state == FILE_OPEN)
		engine_piece(g, f, piece, elsewhere ? PIECE_FLYING : PIECE_MISSING);
	/* One of the others may have landed before. */
	for (struct flight *o = g->flights; o; o = o->next)
		if (o->file == f && o->piece == piece && o->landed && !o->over)
			engine_piece(g, f, piece, PIECE_ARRIVED);
}

/* Flights of a piece that is there now. */
static void end_rivals(struct engine *g, struct flight *winner)
{
	struct flight *next;
	if (winner->rival)
		report_advance(g->report, winner->file->job->name, (int64_t)flight_got(winner));
	for (struct flight *o = g->flights; o; o = next) {
		next = o->next;
		if (o == winner || o->over || o->file != winner->file || o->piece != winner->piece)
			continue;
		uint64_t took_us = engine_now_us(g) - o->began_us;
		if (!o->landed && o->lane && winner->lane && o->lane != winner->lane &&
		    o->began_us < winner->began_us) {
			char slow[SIZE_TEXT], fast[SIZE_TEXT];
			lane_landed(o->lane, flight_got(o), took_us);
			double rate = o->lane->piece_rate, other = winner->lane->piece_rate;
			if (other > SLOW_TIMES * rate)
				source_note_fault(o->lane->source, FAULT_SLOW,
						  "%s/s; another source has %s/s",
						  format_size(slow, (uint64_t)rate),
						  format_size(fast, (uint64_t)other));
		}
		flight_end(g, o);
	}
	winner->rival = false;
}

static void count(struct flight *t)
{
	struct engine_job *job = t->file->job;
	uint64_t size = flight_size(t);
	job->fetched += size - t->local;
	job->reused += t->local;
	struct lane *lane = t->lane ? t->lane : t->last;
	if (lane)
		lane->source->bytes += size - t->local;
}

/* Bytes of the open files. What an earlier run claims is there already. */
static uint64_t still_to_write(const struct engine *g)
{
	uint64_t sum = 0;
	for (size_t i = g->first; i < g->file_count; i++) {
		const struct file *f = &g->files[i];
		for (uint32_t k = 0; f->state == FILE_OPEN && k < f->job->grid.count; k++) {
			uint8_t state = f->pieces[k].state;
			if (state != PIECE_CLAIMED && state != PIECE_CHECKED &&
			    state != PIECE_WRITTEN && state != PIECE_DONE)
				sum += grid_length(&f->job->grid, k);
		}
	}
	return sum;
}

/* Others use the disk, too: no gigabytes are downloaded that it cannot take. */
static void check_disk(struct engine *g, struct file *f)
{
	const char *home = f->job->partial->store->home;
	struct err why = ERR_INIT;
	if (fetch_room_check_now(home, still_to_write(g), &why) < 0)
		engine_fail(g, f, &why);
}

/* Without the lock. */
static void tell(struct file *f, uint32_t piece, const struct source *from)
{
	if (f->job->landed)
		f->job->landed(f->job, piece, from);
}

static const struct source *source_of(const struct flight *t)
{
	const struct lane *lane = t->lane ? t->lane : t->last;
	return lane && !t->mixed ? lane->source : NULL;
}

/* Verified: writes it. */
static void keep(struct engine *g, struct flight *t, enum piece_state then)
{
	struct file *f = t->file;
	struct err why = ERR_INIT;
	uint32_t piece = t->piece;
	int rc = partial_write(f->job->partial, piece, &t->room, &why);
	if (rc == 0)
		tell(f, piece, source_of(t));
	pthread_mutex_lock(&g->lock);
	if (rc < 0)
		engine_fail(g, f, &why);
	else if (f->state == FILE_OPEN) {
		count(t);
		f->landed = true;
		engine_piece(g, f, piece, then);
		check_disk(g, f);
	}
	t->users--;
	t->over = true;
	flight_drop(g, t);
	engine_release(g, f);
	pthread_mutex_unlock(&g->lock);
}

/* With the lock; gives it back. */
static void settle(struct engine *g, struct flight *t, int rc, bool right, enum piece_state then,
		   const struct err *why)
{
	struct file *f = t->file;
	if (rc == 0 && right && !t->over) {
		end_rivals(g, t);
		engine_piece(g, f, t->piece, PIECE_WRITING);
		pthread_cond_broadcast(&g->changed);
		pthread_mutex_unlock(&g->lock);
		keep(g, t, then);
		return;
	}
	if (rc < 0)
		engine_fail(g, f, why);
	if (t->lane)
		t->lane->proving = false;
	if (rc == 0 && !right && !t->over)
		wrong(g, t);
	else {
		t->users--;
		t->over = true;
		flight_drop(g, t);
	}
	engine_release(g, f);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* -- the ways ------------------------------------------------------------------------------ */

static void move_head(struct engine *g, struct file *f)
{
	uint32_t next = f->job->partial->pieces.next;
	if (next != f->head)
		f->head_us = engine_now_us(g);
	f->head = next;
}

void landing_flight(struct engine *g, struct flight *t)
{
	struct file *f = t->file;
	struct err why = ERR_INIT;
	bool right = false;
	int rc = hash_room(t, &f->job->partial->pieces, &right, &why);
	pthread_mutex_lock(&g->lock);
	f->hashing = false;
	move_head(g, f);
	settle(g, t, rc, right, PIECE_DONE, &why);
}

void landing_spill(struct engine *g, struct flight *t)
{
	const struct pieces *all = &t->file->job->partial->pieces;
	struct pieces alone;
	struct err why = ERR_INIT;
	bool right = false;
	pieces_init(&alone, &all->grid, all->want, NULL);
	int rc = hash_room(t, &alone, &right, &why);
	pthread_mutex_lock(&g->lock);
	settle(g, t, rc, right, PIECE_WRITTEN, &why);
}

void landing_disk(struct engine *g, struct file *f)
{
	struct partial *p = f->job->partial;
	struct engine_job *job = f->job;
	/* The disk reads the next pieces while this one is hashed. */
	os_will_read(p->fd, grid_offset(&job->grid, f->head), AHEAD_BYTES);
	struct err why = ERR_INIT;
	uint32_t piece = f->head;
	bool right = false;
	/* Nobody else is at the head. */
	bool claimed = f->pieces[piece].state == PIECE_CLAIMED;
	int rc = pieces_read(&p->pieces, piece, p->fd, p->path, &g->ending, &right, &why);
	if (rc == 0 && claimed && right)
		tell(f, piece, NULL);
	else if (rc == 0 && !claimed && !right && job->lost)
		job->lost(job, piece);
	pthread_mutex_lock(&g->lock);
	uint64_t size = grid_length(&job->grid, piece);
	f->hashing = false;
	move_head(g, f);
	if (rc == -ERR_CANCELLED)
		g->stopped |= cancel_signal(g->sources->cancel) != 0;
	else if (rc < 0)
		engine_fail(g, f, &why);
	else if (f->state == FILE_OPEN) {
		job->resumed += right && claimed ? size : 0;
		job->hashed_twice += claimed ? 0 : size;
		if (!right) {
			report_detail(g->report, "%s: piece %u on the disk is wrong", job->name,
				      (unsigned)piece);
			report_advance(g->report, job->name, -(int64_t)size);
		}
		engine_piece(g, f, piece, right ? PIECE_DONE : PIECE_MISSING);
	}
	partial_alive(p);
	engine_release(g, f);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void landing_check(struct engine *g, struct file *f, uint32_t piece)
{
	const struct partial *p = f->job->partial;
	struct pieces alone;
	struct err why = ERR_INIT;
	bool right = false;
	uint64_t size = grid_length(&f->job->grid, piece);
	pieces_init(&alone, &p->pieces.grid, p->pieces.want, NULL);
	int rc = pieces_read(&alone, piece, p->fd, p->path, &g->ending, &right, &why);
	if (rc == 0 && right)
		tell(f, piece, NULL);
	pthread_mutex_lock(&g->lock);
	if (rc == -ERR_CANCELLED)
		g->stopped |= cancel_signal(g->sources->cancel) != 0;
	else if (rc < 0)
		engine_fail(g, f, &why);
	else if (f->state == FILE_OPEN) {
		f->job->resumed += right ? size : 0;
		f->landed |= right;
		if (!right)
			report_advance(g->report, f->job->name, -(int64_t)size);
		engine_piece(g, f, piece, right ? PIECE_WRITTEN : PIECE_MISSING);
	}
	engine_release(g, f);
	pthread_mutex_unlock(&g->lock);
}
