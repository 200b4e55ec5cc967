#include "publish/feed_internal.h"

#include "util/clock.h"
#include "util/mem.h"
#include "util/os.h"

#define SLICE_MS 100

int feed_wait(struct feed *f, uint64_t *waited_ms, struct err *e)
{
	uint64_t from = clock_now_ms(NULL);
	os_cond_wait(&f->changed, &f->lock, SLICE_MS);
	*waited_ms += clock_now_ms(NULL) - from;
	return cancel_check(f->tree->cancel, e);
}

/* ---- buffers -------------------------------------------------------------------- */

static void spare_add(struct feed *f, uint8_t *data, size_t len)
{
	struct feed_spare *s = NEW(struct feed_spare);
	*s = (struct feed_spare){ data, len, f->spares };
	f->spares = s;
	f->spare_bytes += len;
}

/* NULL: there is none. */
static uint8_t *spare_take(struct feed *f, size_t len)
{
	struct feed_spare **at = &f->spares;
	while (*at && (*at)->len != len)
		at = &(*at)->next;
	struct feed_spare *s = *at;
	if (!s)
		return NULL;
	uint8_t *data = s->data;
	*at = s->next;
	f->spare_bytes -= len;
	free(s);
	return data;
}

static void spares_free(struct feed *f)
{
	for (struct feed_spare *s = f->spares, *next; s; s = next) {
		next = s->next;
		free(s->data);
		free(s);
	}
	f->spares = NULL;
	f->spare_bytes = 0;
}

/* ---- slots ---------------------------------------------------------------------- */

static void slot_free(struct feed *f, struct feed_slot *s)
{
	/* Small buffers differ in length, and hardly fragment the heap. */
	if (s->piece.data && s->piece.len >= GRID_MIN_PIECE)
		spare_add(f, s->piece.data, s->piece.len);
	else
		free(s->piece.data);
	free(s->by);
	free(s);
}

void feed_pool_free(struct feed *f)
{
	for (struct feed_slot *s = f->slots, *next; s; s = next) {
		next = s->next;
		slot_free(f, s);
	}
	spares_free(f);
}

/* What a piece counts in the pool: a small one also keeps its file open. */
static uint64_t cost(uint64_t len)
{
	return MAX(len, MIB);
}

/* Removes it from the pool; readers may still use it. */
static void slot_unlink(struct feed *f, struct feed_slot *s)
{
	struct feed_slot **at = &f->slots;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	f->used -= cost(s->piece.len);
}

static struct feed_slot *slot_find(const struct feed *f, size_t file, uint32_t piece)
{
	struct feed_slot *s = f->slots;
	while (s && (s->file != file || s->piece.index != piece))
		s = s->next;
	return s;
}

static bool drop_unwanted(struct feed *f)
{
	for (struct feed_slot *s = f->slots; s; s = s->next)
		if (s->state == READY && !s->users && !feed_is_wanted(f, s)) {
			slot_unlink(f, s);
			slot_free(f, s);
			return true;
		}
	return false;
}

/* Leaves room for a piece of each reader that is left behind. */
static uint64_t limit(const struct feed *f, uint64_t len)
{
	uint64_t apart = 0;
	for (size_t i = 0; i < f->reader_count; i++) {
		const struct feed_reader *r = &f->readers[i];
		if (r->behind && !r->ended && !r->held)
			apart += cost(len);
	}
	return MAX(f->memory - MIN(f->memory, apart), cost(len));
}

static bool is_used_in_step(const struct feed *f, const struct feed_slot *s)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (s->by[i] && feed_takes_part(f, i))
			return true;
	return false;
}

/* The pool may be full of later pieces, which stay until the readers reach them. So the first piece
 * of all may exceed the limit; no other may until that one was given back. */
static bool may_exceed(struct feed *f, const struct feed_taker *t)
{
	for (const struct feed_slot *s = f->slots; s; s = s->next)
		if (s->over && is_used_in_step(f, s))
			return false;
	return feed_is_first(f, t->at);
}

enum room { NO_ROOM, ROOM, ROOM_OVER };

static enum room make_room(struct feed *f, const struct feed_taker *t)
{
	uint64_t len = grid_length(&f->files[t->at.file].object.pieces.grid, t->at.piece);
	bool full = false;
	while (!full && f->used + cost(len) > limit(f, len))
		full = !drop_unwanted(f);
	if (f->readers[t->reader].behind)
		return f->readers[t->reader].held ? NO_ROOM : ROOM;
	return !full ? ROOM : may_exceed(f, t) ? ROOM_OVER : NO_ROOM;
}

static void count_read(struct feed *f, size_t reader, const struct feed_slot *s)
{
	struct feed_file *file = &f->files[s->file];
	if (!file->was_read)
		file->was_read = mem_alloc(file->object.pieces.grid.count);
	f->stats.read_bytes += s->piece.len;
	if (file->was_read[s->piece.index]) {
		f->stats.reread_bytes += s->piece.len;
		f->readers[reader].reread_bytes += s->piece.len;
	}
	file->was_read[s->piece.index] = true;
}

static struct feed_slot *slot_new(struct feed *f, const struct feed_taker *t)
{
	struct feed_slot *s = NEW(struct feed_slot);
	*s = (struct feed_slot){
		.file = t->at.file, .users = 1, .state = LOADING, .next = f->slots
	};
	s->piece.index = t->at.piece;
	s->piece.len = (size_t)grid_length(&f->files[t->at.file].object.pieces.grid, t->at.piece);
	s->by = mem_alloc(f->reader_count * sizeof *s->by);
	s->by[t->reader] = 1;
	f->readers[t->reader].held++;
	f->slots = s;
	f->used += cost(s->piece.len);
	f->stats.most_bytes = MAX(f->stats.most_bytes, f->used);
	return s;
}

static void slot_enter(struct feed *f, size_t reader, struct feed_slot *s)
{
	s->users++;
	s->by[reader]++;
	f->readers[reader].held++;
}

/* A failed slot is no longer in the pool: its last user frees it. */
void feed_slot_leave(struct feed *f, size_t reader, struct feed_slot *s)
{
	f->readers[reader].held--;
	s->users--;
	s->by[reader]--;
	if (s->state == FAILED && !s->users)
		slot_free(f, s);
}

/* Reads the piece without holding the lock. */
static int slot_load(struct feed *f, size_t reader, struct feed_slot *s, struct err *e)
{
	const struct tree_object *o = &f->files[s->file].object;
	s->piece.data = spare_take(f, s->piece.len);
	if (!s->piece.data && f->used + f->spare_bytes > limit(f, s->piece.len))
		spares_free(f);
	pthread_mutex_unlock(&f->lock);
	int rc = s->piece.data
			 ? 0
			 : mem_array((void **)&s->piece.data, s->piece.len, 1, 5 * GIB, o->path, e);
	if (rc == 0)
		rc = tree_object_read(o, s->piece.index, s->piece.data, e);
	pthread_mutex_lock(&f->lock);
	s->state = rc < 0 ? FAILED : READY;
	pthread_cond_broadcast(&f->changed);
	if (rc == 0) {
		count_read(f, reader, s);
	} else {
		slot_unlink(f, s);
		feed_slot_leave(f, reader, s);
	}
	return rc;
}

/* Waits for a piece that another thread reads. False if that failed, or this thread must stop. */
static bool slot_await(struct feed *f, size_t reader, struct feed_slot *s, struct err *e)
{
	uint64_t waited_ms = 0;
	slot_enter(f, reader, s);
	while (s->state == LOADING && feed_wait(f, &waited_ms, e) == 0)
		;
	if (s->state == READY && !e->class)
		return true;
	feed_slot_leave(f, reader, s);
	return false;
}

/* Takes the piece from the pool, or begins to read it. *out is NULL if there is no room for it. */
static int try_to_take(struct feed *f, const struct feed_taker *t, struct feed_slot **out,
		       struct err *e)
{
	struct feed_slot *s = NULL;
	enum room room;
	int rc = 0;
	while (rc == 0 && (s = slot_find(f, t->at.file, t->at.piece)) &&
	       !slot_await(f, t->reader, s, e))
		rc = -(int)e->class;
	if (rc == 0 && !s && (room = make_room(f, t)) != NO_ROOM) {
		s = slot_new(f, t);
		s->over = room == ROOM_OVER;
		rc = slot_load(f, t->reader, s, e);
	}
	if (rc == 0)
		*out = s;
	return rc;
}

static void taker_remove(struct feed *f, const struct feed_taker *t)
{
	struct feed_taker **at = &f->takers;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
}

int feed_take(struct feed *f, struct feed_taker *t, struct feed_slot **out, struct err *e)
{
	uint64_t waited_ms = 0;
	struct feed_slot *s = NULL;
	t->next = f->takers;
	f->takers = t;
	int rc = try_to_take(f, t, &s, e);
	while (rc == 0 && !s) {
		rc = feed_wait(f, &waited_ms, e);
		if (waited_ms >= f->patience_ms) {
			feed_leave_behind(f, t->reader);
			waited_ms = 0;
		}
		if (rc == 0)
			rc = try_to_take(f, t, &s, e);
	}
	taker_remove(f, t);
	if (rc == 0)
		*out = s;
	return rc;
}
