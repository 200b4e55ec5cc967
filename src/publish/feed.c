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
	enum { LOADING, READY, FAILED } state;
	struct slot *next;
};

struct feed_file {
	struct tree_object object;
	bool open, opening;
	bool *was_read; /* of pieces; allocated with the first one */
	bool *wanted;   /* by each reader */
};

struct reader {
	bool ended, behind;
	size_t file;
	uint32_t next;                /* piece; NO_MORE: it has finished the file */
	struct mirror_upload *upload; /* of this file; NULL: not known yet */
};

struct feed {
	const struct tree *tree;
	uint64_t memory, patience_ms;
	size_t reader_count;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	struct feed_file *files;
	struct reader *readers;
	struct slot *slots;
	uint64_t used;
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
		free(s->piece.data);
		free(s);
	}
	for (size_t i = 0; i < f->tree->files.count; i++) {
		file_release(&f->files[i]);
		free(f->files[i].was_read);
		free(f->files[i].wanted);
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

void feed_want(struct feed *f, size_t reader, size_t file)
{
	if (!f->files[file].wanted)
		f->files[file].wanted = mem_alloc(f->reader_count);
	f->files[file].wanted[reader] = true;
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

static bool wants_file(const struct feed *f, size_t reader, size_t file)
{
	const struct reader *r = &f->readers[reader];
	return !r->ended && f->files[file].wanted && f->files[file].wanted[reader] &&
	       (r->file < file || (r->file == file && r->next != NO_MORE));
}

static bool wants_piece(const struct feed *f, size_t reader, const struct slot *s)
{
	const struct reader *r = &f->readers[reader];
	if (r->behind || !wants_file(f, reader, s->file))
		return false;
	if (r->file < s->file)
		return true;
	return r->next <= s->piece.index &&
	       (!r->upload || !mirror_upload_has(r->upload, s->piece.index));
}

static bool is_wanted(const struct feed *f, const struct slot *s)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (wants_piece(f, i, s))
			return true;
	return false;
}

static bool before(const struct reader *a, const struct reader *b)
{
	return a->file != b->file ? a->file < b->file : a->next < b->next;
}

/* Do all other readers wait for this one? */
static bool is_hindmost(const struct feed *f, size_t reader)
{
	for (size_t i = 0; i < f->reader_count; i++)
		if (!f->readers[i].behind && !f->readers[i].ended &&
		    before(&f->readers[i], &f->readers[reader]))
			return false;
	return true;
}

/* Leaves behind the readers that are farthest back, if they hold this one up. */
static void leave_behind(struct feed *f, size_t reader)
{
	const struct reader *last = &f->readers[reader];
	for (size_t i = 0; i < f->reader_count; i++) {
		const struct reader *r = &f->readers[i];
		if (!r->ended && !r->behind && before(r, last))
			last = r;
	}
	if (last == &f->readers[reader])
		return;
	/* A copy: what follows must not depend on what it changes. */
	struct reader place = *last;
	for (size_t i = 0; i < f->reader_count; i++)
		if (!f->readers[i].ended && !before(&place, &f->readers[i]))
			f->readers[i].behind = true;
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

static void slot_free(struct slot *s)
{
	free(s->piece.data);
	free(s);
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
			slot_free(s);
			return true;
		}
	return false;
}

static bool make_room(struct feed *f, size_t reader, uint64_t len)
{
	uint64_t limit = MAX(f->memory, 2 * cost(len));
	while (f->used + cost(len) > limit)
		if (!drop_unwanted(f))
			return is_hindmost(f, reader);
	return true;
}

static void count_read(struct feed *f, const struct slot *s)
{
	struct feed_file *file = &f->files[s->file];
	if (!file->was_read)
		file->was_read = mem_alloc(file->object.pieces.grid.count);
	f->stats.read_bytes += s->piece.len;
	if (file->was_read[s->piece.index])
		f->stats.reread_bytes += s->piece.len;
	file->was_read[s->piece.index] = true;
}

static struct slot *slot_new(struct feed *f, size_t file, uint32_t piece)
{
	struct slot *s = NEW(struct slot);
	*s = (struct slot){ .file = file, .users = 1, .state = LOADING, .next = f->slots };
	s->piece.index = piece;
	s->piece.len = (size_t)grid_length(&f->files[file].object.pieces.grid, piece);
	f->slots = s;
	f->used += cost(s->piece.len);
	return s;
}

/* A failed slot is no longer in the pool: its last user frees it. */
static void slot_leave(struct slot *s)
{
	s->users--;
	if (s->state == FAILED && !s->users)
		slot_free(s);
}

/* Reads the piece without holding the lock. */
static int slot_load(struct feed *f, struct slot *s, struct err *e)
{
	const struct tree_object *o = &f->files[s->file].object;
	pthread_mutex_unlock(&f->lock);
	int rc = mem_array((void **)&s->piece.data, s->piece.len, 1, 5 * GIB, o->path, e);
	if (rc == 0)
		rc = tree_object_read(o, s->piece.index, s->piece.data, e);
	pthread_mutex_lock(&f->lock);
	s->state = rc < 0 ? FAILED : READY;
	pthread_cond_broadcast(&f->changed);
	if (rc == 0) {
		count_read(f, s);
	} else {
		slot_unlink(f, s);
		slot_leave(s);
	}
	return rc;
}

/* Waits for a piece that another thread reads. False if that failed, or this thread must stop. */
static bool slot_await(struct feed *f, struct slot *s, struct err *e)
{
	uint64_t waited_ms = 0;
	s->users++;
	while (s->state == LOADING && wait_a_while(f, &waited_ms, e) == 0)
		;
	if (s->state == READY && !e->class)
		return true;
	slot_leave(s);
	return false;
}

/* With the lock held. */
static int take(struct feed *f, size_t reader, size_t file, uint32_t piece, struct slot **out,
		struct err *e)
{
	uint64_t len = grid_length(&f->files[file].object.pieces.grid, piece), waited_ms = 0;
	int rc = 0;
	while (rc == 0) {
		struct slot *s = slot_find(f, file, piece);
		bool found = s;
		if (found && slot_await(f, s, e)) {
			*out = s;
			return 0;
		}
		if (e->class)
			return -(int)e->class;
		if (found)
			continue;
		if (make_room(f, reader, len)) {
			*out = slot_new(f, file, piece);
			return slot_load(f, *out, e);
		}
		rc = wait_a_while(f, &waited_ms, e);
		if (waited_ms >= f->patience_ms) {
			leave_behind(f, reader);
			waited_ms = 0;
		}
	}
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
	pthread_cond_broadcast(&f->changed);
	return rc;
}

/* Closes the files that no reader will come to any more. One that is left behind opens its own
 * again. */
static void close_files(struct feed *f, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		bool wanted = f->files[i].opening;
		for (size_t r = 0; r < f->reader_count && !wanted; r++)
			wanted = wants_file(f, r, i) &&
				 (!f->readers[r].behind || f->readers[r].file == i);
		if (!wanted)
			file_release(&f->files[i]);
	}
}

int feed_begin(struct feed *f, size_t reader, size_t file, const struct tree_pieces **pieces,
	       struct err *e)
{
	struct reader *r = &f->readers[reader];
	pthread_mutex_lock(&f->lock);
	size_t left = r->file;
	r->file = file;
	r->next = 0;
	close_files(f, left, file);
	/* It may have caught up. */
	r->behind = r->behind && is_hindmost(f, reader);
	int rc = open_file(f, file, e);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*pieces = &f->files[file].object.pieces;
	return rc;
}

int feed_next(struct feed *f, size_t reader, struct mirror_upload *u, const struct feed_piece **out,
	      struct err *e)
{
	struct reader *r = &f->readers[reader];
	struct slot *s = NULL;
	int rc = 0;
	pthread_mutex_lock(&f->lock);
	const struct grid *g = &f->files[r->file].object.pieces.grid;
	r->upload = u;
	r->behind = r->behind && is_hindmost(f, reader);
	while (r->next < g->count && mirror_upload_has(u, r->next))
		r->next++;
	if (r->next < g->count)
		rc = take(f, reader, r->file, r->next++, &s, e);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (rc == 0)
		*out = s ? &s->piece : NULL;
	return rc;
}

void feed_give_back(struct feed *f, const struct feed_piece *p)
{
	pthread_mutex_lock(&f->lock);
	struct slot *s = f->slots;
	while (&s->piece != p)
		s = s->next;
	slot_leave(s);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_finish(struct feed *f, size_t reader)
{
	struct reader *r = &f->readers[reader];
	pthread_mutex_lock(&f->lock);
	r->next = NO_MORE;
	r->upload = NULL;
	close_files(f, r->file, r->file + 1);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_end(struct feed *f, size_t reader)
{
	struct reader *r = &f->readers[reader];
	pthread_mutex_lock(&f->lock);
	r->ended = true;
	r->upload = NULL;
	close_files(f, r->file, f->tree->files.count);
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}
