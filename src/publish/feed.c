#include "publish/feed.h"

#include "util/clock.h"
#include "util/mem.h"

#include <pthread.h>
#include <time.h>

#define SLICE_MS 100
#define NO_MORE UINT32_MAX

struct slot {
	struct feed_piece piece;
	size_t file;
	unsigned users; /* threads that use it or wait for it */
	unsigned *by;   /* of each reader */
	bool over;      /* it was read although the pool was full */
	enum { LOADING, READY, FAILED } state;
	struct slot *next;
};

/* What a reader needs of a file. */
struct demand {
	enum { UNWANTED, TO_COME, BEGUN, FINISHED } state;
	uint32_t next;                /* piece that it takes next; NO_MORE: it has taken all */
	struct mirror_upload *upload; /* while it is begun; NULL: not known yet */
};

struct feed_file {
	struct tree_object object;
	bool open, opening;
	bool *was_read;    /* of pieces; allocated with the first one */
	struct demand *by; /* each reader; NULL: nobody wants it */
};

struct reader {
	bool ended, behind;
	size_t first;  /* file: it has taken all that it wants of the files before */
	unsigned held; /* pieces that its threads have or load */
	uint64_t reread_bytes;
};

/* A thread that waits for a piece. Its reader counts it as taken already. */
struct taker {
	size_t reader, file;
	uint32_t piece;
	struct taker *next;
};

struct spare {
	uint8_t *data;
	size_t len;
	struct spare *next;
};

struct feed {
	const struct tree *tree;
	uint64_t memory, patience_ms;
	size_t reader_count;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	struct feed_file *files;
	struct reader *readers;
	struct taker *takers;
	struct slot *slots;
	uint64_t used;
	/* Buffers of dropped pieces, for others of the same length: given back and allocated each
	 * time, they would scatter, and the process would grow far beyond the pool. */
	struct spare *spares;
	uint64_t spare_bytes;
	struct feed_stats stats;
};

struct feed *feed_new(const struct tree *t, size_t readers, const struct feed_options *o)
{
	struct feed *f = NEW(struct feed);
	*f = (struct feed){ .tree = t, .reader_count = readers };
	f->memory = o && o->memory ? o->memory : FEED_MEMORY;
	f->patience_ms = o && o->patience_ms ? o->patience_ms : FEED_PATIENCE_MS;
	f->files = mem_alloc((t->files.count + 1) * sizeof *f->files);
	f->readers = mem_alloc((readers + 1) * sizeof *f->readers);
	for (size_t i = 0; i < readers; i++)
		f->readers[i].ended = true; /* until it needs a piece */
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	return f;
}

static void spare_add(struct feed *f, uint8_t *data, size_t len)
{
	struct spare *s = NEW(struct spare);
	*s = (struct spare){ data, len, f->spares };
	f->spares = s;
	f->spare_bytes += len;
}

/* NULL: there is none. */
static uint8_t *spare_take(struct feed *f, size_t len)
{
	struct spare **at = &f->spares;
	while (*at && (*at)->len != len)
		at = &(*at)->next;
	struct spare *s = *at;
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
	for (struct spare *s = f->spares, *next; s; s = next) {
		next = s->next;
		free(s->data);
		free(s);
	}
	f->spares = NULL;
	f->spare_bytes = 0;
}

static void slot_free(struct feed *f, struct slot *s)
{
	/* Small ones are of any length, and scatter little. */
	if (s->piece.data && s->piece.len >= GRID_MIN_PIECE)
		spare_add(f, s->piece.data, s->piece.len);
	else
		free(s->piece.data);
	free(s->by);
	free(s);
}

static void file_release(struct feed_file *file)
{
	if (file->open)
		tree_object_close(&file->object);
	file->open = false;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	for (struct slot *s = f->slots, *next; s; s = next) {
		next = s->next;
		slot_free(f, s);
	}
	spares_free(f);
	for (size_t i = 0; i < f->tree->files.count; i++) {
		file_release(&f->files[i]);
		free(f->files[i].was_read);
		free(f->files[i].by);
	}
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f->files);
	free(f->readers);
	free(f);
}

struct feed_stats feed_stats(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	struct feed_stats stats = f->stats;
	pthread_mutex_unlock(&f->lock);
	return stats;
}

uint64_t feed_reread_bytes(struct feed *f, size_t reader)
{
	pthread_mutex_lock(&f->lock);
	uint64_t bytes = f->readers[reader].reread_bytes;
	pthread_mutex_unlock(&f->lock);
	return bytes;
}

void feed_want(struct feed *f, size_t reader, size_t file)
{
	if (!f->files[file].by)
		f->files[file].by = mem_alloc(f->reader_count * sizeof *f->files[file].by);
	f->files[file].by[reader].state = TO_COME;
	f->readers[reader].ended = false;
}

/* Waits for a change, or for a short time, because a signal may arrive. */
static int wait_a_while(struct feed *f, uint64_t *waited_ms, struct err *e)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += SLICE_MS * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	uint64_t from = clock_now_ms(NULL);
	pthread_cond_timedwait(&f->changed, &f->lock, &t);
	*waited_ms += clock_now_ms(NULL) - from;
	return cancel_check(f->tree->cancel, e);
}

/* ---- demand ------------------------------------------------------------- */

static struct demand *demand_of(const struct feed *f, size_t reader, size_t file)
{
	return f->files[file].by ? &f->files[file].by[reader] : NULL;
}

static bool wants_file(const struct feed *f, size_t reader, size_t file)
{
	const struct demand *d = demand_of(f, reader, file);
	if (!d || f->readers[reader].ended)
		return false;
	/* One that is left behind opens the file again. */
	return d->state == BEGUN || (d->state == TO_COME && !f->readers[reader].behind);
}

static bool wants_piece(const struct feed *f, size_t reader, const struct slot *s)
{
	const struct demand *d = demand_of(f, reader, s->file);
	if (!d || f->readers[reader].ended || f->readers[reader].behind)
		return false;
	if (d->state != BEGUN)
		return d->state == TO_COME;
	return d->next <= s->piece.index &&
	       (!d->upload || !mirror_upload_has(d->upload, s->piece.index));
}

static bool is_wanted(const struct feed *f, const struct slot *s)
{
	for (const struct taker *t = f->takers; t; t = t->next)
		if (t->file == s->file && t->piece == s->piece.index)
			return true;
	for (size_t i = 0; i < f->reader_count; i++)
		if (wants_piece(f, i, s))
			return true;
	return false;
}

static bool takes_part(const struct reader *r)
{
	return !r->ended && !r->behind;
}

struct place {
	size_t file;
	uint32_t piece;
};

static bool before(struct place a, struct place b)
{
	return a.file != b.file ? a.file < b.file : a.piece < b.piece;
}

/* The first piece that no thread of the reader has asked for. */
static struct place place_to_ask(struct feed *f, size_t reader)
{
	struct reader *r = &f->readers[reader];
	for (; r->first < f->tree->files.count; r->first++) {
		const struct demand *d = demand_of(f, reader, r->first);
		if (d && (d->state == TO_COME || (d->state == BEGUN && d->next != NO_MORE)))
			return (struct place){ r->first, d->next };
	}
	return (struct place){ SIZE_MAX, 0 };
}

/* The first piece that the reader has not got. */
static struct place place_to_get(struct feed *f, size_t reader)
{
	struct place p = place_to_ask(f, reader);
	for (const struct taker *t = f->takers; t; t = t->next)
		if (t->reader == reader && before((struct place){ t->file, t->piece }, p))
			p = (struct place){ t->file, t->piece };
	return p;
}

/* The first piece that the reader has not done with. */
static struct place place_to_do(struct feed *f, size_t reader)
{
	struct place p = place_to_get(f, reader);
	for (const struct slot *s = f->slots; s; s = s->next)
		if (s->by[reader] && before((struct place){ s->file, s->piece.index }, p))
			p = (struct place){ s->file, s->piece.index };
	return p;
}

/* Is no other reader before this place? */
static bool is_first(struct feed *f, struct place at)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (takes_part(&f->readers[i]) && before(place_to_get(f, i), at))
			return false;
	return true;
}

/* Has one that was left behind caught up? */
static void catch_up(struct feed *f, size_t reader)
{
	struct reader *r = &f->readers[reader];
	r->behind = r->behind && is_first(f, place_to_get(f, reader));
}

/* Closes the files that no reader will take pieces of any more. */
static void close_files(struct feed *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		bool wanted = f->files[i].opening;
		for (size_t r = 0; r < f->reader_count && !wanted; r++)
			wanted = wants_file(f, r, i);
		if (!wanted)
			file_release(&f->files[i]);
	}
}

/* Leaves behind the readers that are farthest back, if they hold this one up. */
static void leave_behind(struct feed *f, size_t reader)
{
	struct place own = place_to_do(f, reader), last = own;
	for (size_t i = 0; i < f->reader_count; i++) {
		struct place p = place_to_do(f, i);
		if (takes_part(&f->readers[i]) && before(p, last))
			last = p;
	}
	if (!before(last, own))
		return;
	for (size_t i = 0; i < f->reader_count; i++)
		if (takes_part(&f->readers[i]) && !before(last, place_to_do(f, i)))
			f->readers[i].behind = true;
	close_files(f, 0, f->tree->files.count);
}

/* ---- the pool ------------------------------------------------------------------- */

/* What a piece counts in the pool: a small one also keeps its file open. */
static uint64_t cost(uint64_t len)
{
	return MAX(len, MIB);
}

/* Removes it from the pool; readers may still use it. */
static void slot_unlink(struct feed *f, struct slot *s)
{
	struct slot **at = &f->slots;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	f->used -= cost(s->piece.len);
}

static struct slot *slot_find(const struct feed *f, size_t file, uint32_t piece)
{
	struct slot *s = f->slots;
	while (s && (s->file != file || s->piece.index != piece))
		s = s->next;
	return s;
}

static bool drop_unwanted(struct feed *f)
{
	for (struct slot *s = f->slots; s; s = s->next)
		if (s->state == READY && !s->users && !is_wanted(f, s)) {
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
		const struct reader *r = &f->readers[i];
		if (r->behind && !r->ended && !r->held)
			apart += cost(len);
	}
	return MAX(f->memory - MIN(f->memory, apart), cost(len));
}

static bool is_used_in_step(const struct feed *f, const struct slot *s)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (s->by[i] && takes_part(&f->readers[i]))
			return true;
	return false;
}

/* The pool may be full of later pieces, which stay until the readers have come there. So the first
 * piece of all may be one too many; the next one, only when that has been given back. */
static bool may_exceed(struct feed *f, const struct taker *t)
{
	for (const struct slot *s = f->slots; s; s = s->next)
		if (s->over && is_used_in_step(f, s))
			return false;
	return is_first(f, (struct place){ t->file, t->piece });
}

enum room { NO_ROOM, ROOM, ROOM_OVER };

static enum room make_room(struct feed *f, const struct taker *t)
{
	uint64_t len = grid_length(&f->files[t->file].object.pieces.grid, t->piece);
	bool full = false;
	while (!full && f->used + cost(len) > limit(f, len))
		full = !drop_unwanted(f);
	if (f->readers[t->reader].behind)
		return f->readers[t->reader].held ? NO_ROOM : ROOM;
	return !full ? ROOM : may_exceed(f, t) ? ROOM_OVER : NO_ROOM;
}

static void count_read(struct feed *f, size_t reader, const struct slot *s)
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

static struct slot *slot_new(struct feed *f, const struct taker *t)
{
	struct slot *s = NEW(struct slot);
	*s = (struct slot){ .file = t->file, .users = 1, .state = LOADING, .next = f->slots };
	s->piece.index = t->piece;
	s->piece.len = (size_t)grid_length(&f->files[t->file].object.pieces.grid, t->piece);
	s->by = mem_alloc(f->reader_count * sizeof *s->by);
	s->by[t->reader] = 1;
	f->readers[t->reader].held++;
	f->slots = s;
	f->used += cost(s->piece.len);
	f->stats.most_bytes = MAX(f->stats.most_bytes, f->used);
	return s;
}

static void slot_enter(struct feed *f, size_t reader, struct slot *s)
{
	s->users++;
	s->by[reader]++;
	f->readers[reader].held++;
}

/* A failed slot is no longer in the pool: its last user frees it. */
static void slot_leave(struct feed *f, size_t reader, struct slot *s)
{
	f->readers[reader].held--;
	s->users--;
	s->by[reader]--;
	if (s->state == FAILED && !s->users)
		slot_free(f, s);
}

/* Reads the piece without holding the lock. */
static int slot_load(struct feed *f, size_t reader, struct slot *s, struct err *e)
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
		slot_leave(f, reader, s);
	}
	return rc;
}

/* Waits for a piece that another thread reads. False if that failed, or this thread must stop. */
static bool slot_await(struct feed *f, size_t reader, struct slot *s, struct err *e)
{
	uint64_t waited_ms = 0;
	slot_enter(f, reader, s);
	while (s->state == LOADING && wait_a_while(f, &waited_ms, e) == 0)
		;
	if (s->state == READY && !e->class)
		return true;
	slot_leave(f, reader, s);
	return false;
}

/* Takes the piece from the pool, or begins to read it. *out is NULL if there is no room for it. */
static int try_to_take(struct feed *f, const struct taker *t, struct slot **out, struct err *e)
{
	struct slot *s = NULL;
	enum room room;
	int rc = 0;
	while (rc == 0 && (s = slot_find(f, t->file, t->piece)) && !slot_await(f, t->reader, s, e))
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

static void taker_remove(struct feed *f, const struct taker *t)
{
	struct taker **at = &f->takers;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
}

/* With the lock held. */
static int take(struct feed *f, struct taker *t, struct slot **out, struct err *e)
{
	uint64_t waited_ms = 0;
	struct slot *s = NULL;
	t->next = f->takers;
	f->takers = t;
	int rc = try_to_take(f, t, &s, e);
	while (rc == 0 && !s) {
		rc = wait_a_while(f, &waited_ms, e);
		if (waited_ms >= f->patience_ms) {
			leave_behind(f, t->reader);
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

/* ---- readers -------------------------------------------------------------------- */

static int open_file(struct feed *f, size_t file, struct err *e)
{
	struct feed_file *ff = &f->files[file];
	uint64_t waited_ms = 0;
	int rc = 0;
	while (rc == 0 && ff->opening)
		rc = wait_a_while(f, &waited_ms, e);
	if (rc < 0 || ff->open)
		return rc;
	ff->opening = true;
	pthread_mutex_unlock(&f->lock);
	rc = tree_object_open(f->tree, &f->tree->files.at[file], &ff->object, e);
	pthread_mutex_lock(&f->lock);
	ff->opening = false;
	ff->open = rc == 0;
	return rc;
}

static void finish(struct feed *f, size_t reader, size_t file)
{
	*demand_of(f, reader, file) = (struct demand){ .state = FINISHED, .next = NO_MORE };
	close_files(f, file, file + 1);
}

int feed_begin(struct feed *f, size_t reader, size_t file, const struct tree_pieces **pieces,
	       struct err *e)
{
	pthread_mutex_lock(&f->lock);
	demand_of(f, reader, file)->state = BEGUN;
	catch_up(f, reader);
	int rc = open_file(f, file, e);
	if (rc < 0)
		finish(f, reader, file);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*pieces = &f->files[file].object.pieces;
	return rc;
}

static void skip_what_is_there(struct demand *d, uint32_t count)
{
	while (d->next < count && mirror_upload_has(d->upload, d->next))
		d->next++;
	if (d->next >= count)
		d->next = NO_MORE;
}

int feed_next(struct feed *f, size_t reader, size_t file, struct mirror_upload *u,
	      const struct feed_piece **out, struct err *e)
{
	struct slot *s = NULL;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	struct demand *d = demand_of(f, reader, file);
	uint32_t count = f->files[file].object.pieces.grid.count;
	d->upload = u;
	catch_up(f, reader);
	skip_what_is_there(d, count);
	if (d->next != NO_MORE) {
		struct taker t = { .reader = reader, .file = file, .piece = d->next++ };
		skip_what_is_there(d, count);
		rc = take(f, &t, &s, e);
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*out = s ? &s->piece : NULL;
	return rc;
}

void feed_give_back(struct feed *f, size_t reader, const struct feed_piece *p)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = f->slots;
	while (&s->piece != p)
		s = s->next;
	slot_leave(f, reader, s);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_finish(struct feed *f, size_t reader, size_t file)
{
	pthread_mutex_lock(&f->lock);
	finish(f, reader, file);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_end(struct feed *f, size_t reader)
{
	pthread_mutex_lock(&f->lock);
	f->readers[reader].ended = true;
	close_files(f, 0, f->tree->files.count);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}
