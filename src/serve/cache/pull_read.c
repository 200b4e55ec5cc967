/* The readers of a pull: what is there, and who waits for what. */
#include "fetch/engine.h"
#include "serve/cache/pull_internal.h"
#include "util/file.h"
#include "util/os.h"

#include <sys/stat.h>

uint64_t pull_size(const struct pull *p)
{
	return p->file.file->size;
}

bool pull_is_whole(const struct pull *p)
{
	return atomic_load(&p->state) == PULL_WHOLE;
}

static uint32_t piece_at(const struct pull *p, uint64_t offset)
{
	return (uint32_t)(offset / p->grid.piece_length);
}

static bool is_there(const struct pull *p, uint32_t piece)
{
	return atomic_load_explicit(&p->there[piece], memory_order_acquire);
}

/* -- what is there ----------------------------------------------------------------------------- */

/* How many bytes are there from offset on, without a gap; at most length. */
static uint64_t there_from(const struct pull *p, uint64_t offset, uint64_t length)
{
	uint64_t end = MIN(p->grid.size, length > p->grid.size ? p->grid.size : offset + length);
	uint64_t at = offset;
	while (at < end && is_there(p, piece_at(p, at))) {
		uint32_t piece = piece_at(p, at);
		at = MIN(end, grid_offset(&p->grid, piece) + grid_length(&p->grid, piece));
	}
	return at - MIN(offset, at);
}

int64_t pull_ready(struct pull *p, uint64_t offset, uint64_t length, struct err *e)
{
	if (offset >= p->grid.size || !length)
		return 0;
	uint64_t ready = there_from(p, offset, length);
	if (ready || atomic_load(&p->state) != PULL_FAILED)
		return (int64_t)ready;
	pthread_mutex_lock(&p->lock);
	*e = p->why;
	pthread_mutex_unlock(&p->lock);
	return -(int64_t)e->class;
}

/* When all of it is there, nobody writes to it any more. */
static bool is_as_sealed(const struct pull *p)
{
	uint64_t sealed_ns = atomic_load(&p->sealed_ns);
	struct stat st;
	return !sealed_ns ||
	       (fstat(atomic_load(&p->fd), &st) == 0 && os_modified_ns(&st) == sealed_ns);
}

int64_t pull_read(struct pull *p, uint64_t offset, void *data, uint64_t length, struct err *e)
{
	int64_t ready = pull_ready(p, offset, length, e);
	if (ready <= 0)
		return ready;
	int rc = file_pread(atomic_load(&p->fd), data, (size_t)ready, offset, p->name, e);
	if (rc == 0 && !is_as_sealed(p))
		rc = err_set(e, ERR_INTEGRITY, "%s: the file changed while it was read", p->name);
	return rc < 0 ? rc : ready;
}

static int write_map(const struct pull *p, const _Atomic unsigned char *flags, struct buf *out,
		     struct err *e)
{
	buf_clear(out);
	for (uint32_t i = 0; i < p->grid.count; i += 8) {
		unsigned char bits = 0;
		for (uint32_t k = 0; k < 8 && i + k < p->grid.count; k++)
			bits |= atomic_load_explicit(&flags[i + k], memory_order_acquire)
					? 0x80 >> k
					: 0;
		buf_add(out, &bits, 1);
	}
	return buf_ok(out, "the map of pieces", e);
}

int pull_map(struct pull *p, struct buf *out, struct err *e)
{
	return write_map(p, p->there, out, e);
}

int pull_flying(struct pull *p, struct buf *out, struct err *e)
{
	return write_map(p, p->flying, out, e);
}

/* -- waiting; with the lock -------------------------------------------------------------------- */

/* Would pull_ready() return anything but 0? */
static bool has_answer(const struct pull *p, const struct cache_wait *w)
{
	int state = atomic_load(&p->state);
	return state == PULL_WHOLE || state == PULL_FAILED || w->offset >= p->grid.size ||
	       is_there(p, piece_at(p, w->offset));
}

/* The last piece that it wants: it waits for the first, and will want those behind it soon. */
static uint32_t last_wish(const struct pull *p, const struct cache_wait *w)
{
	uint32_t first = piece_at(p, w->offset);
	uint64_t end = MIN(MAX(w->end, w->offset + 1), p->grid.size);
	return MIN(first + PULL_AHEAD - 1, piece_at(p, end - 1));
}

static void add_wish(struct pull *p, uint32_t piece, enum pull_when when)
{
	struct pull_wish *wish = &p->wishes[piece];
	struct pull_queue *q = &p->queues[when];
	wish->readers[when]++;
	if (wish->queued[when] || is_there(p, piece))
		return;
	q->at[q->count++] = piece;
	wish->queued[when] = true;
}

static void wish(struct pull *p, const struct cache_wait *w)
{
	uint32_t first = piece_at(p, w->offset), last = last_wish(p, w);
	add_wish(p, first, PULL_NOW);
	for (uint32_t i = first + 1; i <= last; i++)
		add_wish(p, i, PULL_SOON);
}

static void unwish(struct pull *p, const struct cache_wait *w)
{
	if (w->offset >= p->grid.size)
		return;
	uint32_t first = piece_at(p, w->offset), last = last_wish(p, w);
	p->wishes[first].readers[PULL_NOW]--;
	for (uint32_t i = first + 1; i <= last; i++)
		p->wishes[i].readers[PULL_SOON]--;
}

/* Pieces that are there, or that nobody wants any more, leave the queue. */
static void tidy_queue(struct pull *p, enum pull_when when)
{
	struct pull_queue *q = &p->queues[when];
	size_t kept = 0;
	for (size_t i = 0; i < q->count; i++) {
		struct pull_wish *wish = &p->wishes[q->at[i]];
		wish->queued[when] = wish->readers[when] && !is_there(p, q->at[i]);
		if (wish->queued[when])
			q->at[kept++] = q->at[i];
	}
	q->count = kept;
}

/* Only one thread at a time calls the readers, without the lock. Readers that get an answer
 * meanwhile are left to that thread. */
static void wake_those_with_answers(struct pull *p)
{
	if (p->is_waking)
		return;
	p->is_waking = true;
	p->waker = pthread_self();
	for (struct cache_wait **at = &p->waits; *at;) {
		struct cache_wait *w = *at;
		if (!has_answer(p, w)) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		unwish(p, w);
		p->waking = w;
		pthread_mutex_unlock(&p->lock);
		w->wake(w->ctx);
		pthread_mutex_lock(&p->lock);
		p->waking = NULL;
		pthread_cond_broadcast(&p->woken);
		at = &p->waits;
	}
	p->is_waking = false;
	pthread_cond_broadcast(&p->woken);
}

void pull_wait(struct pull *p, struct cache_wait *w)
{
	pthread_mutex_lock(&p->lock);
	struct cache_wait **end = &p->waits;
	while (*end)
		end = &(*end)->next;
	w->next = NULL;
	if (w->offset < p->grid.size)
		wish(p, w);
	*end = w;
	if (has_answer(p, w))
		wake_those_with_answers(p);
	pthread_mutex_unlock(&p->lock);
}

void pull_forget(struct pull *p, struct cache_wait *w)
{
	pthread_mutex_lock(&p->lock);
	struct cache_wait **at = &p->waits;
	while (*at && *at != w)
		at = &(*at)->next;
	if (*at) {
		*at = w->next;
		unwish(p, w);
	}
	while (p->waking == w && !pthread_equal(p->waker, pthread_self()))
		pthread_cond_wait(&p->woken, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

/* -- from the engine --------------------------------------------------------------------------- */

uint32_t pull_wanted(struct pull *p, size_t n, bool *ahead)
{
	const struct pull_queue *now = &p->queues[PULL_NOW], *soon = &p->queues[PULL_SOON];
	uint32_t piece = ENGINE_NO_PIECE;
	pthread_mutex_lock(&p->lock);
	for (enum pull_when when = 0; n == 0 && when < PULL_WHENS; when++)
		tidy_queue(p, when);
	*ahead = n >= now->count;
	if (!*ahead)
		piece = now->at[n];
	else if (n - now->count < soon->count)
		piece = soon->at[n - now->count];
	pthread_mutex_unlock(&p->lock);
	return piece;
}

bool pull_is_wanted(struct pull *p, uint32_t piece)
{
	pthread_mutex_lock(&p->lock);
	bool is = p->wishes[piece].readers[PULL_NOW];
	pthread_mutex_unlock(&p->lock);
	return is;
}

bool pull_is_waited_for(struct pull *p)
{
	pthread_mutex_lock(&p->lock);
	bool is = p->waits != NULL;
	pthread_mutex_unlock(&p->lock);
	return is;
}

void pull_landed(struct pull *p, uint32_t piece)
{
	atomic_store(&p->flying[piece], false);
	fleet_landed(p->fleet, piece);
	if (!p->by_piece)
		return;
	atomic_store_explicit(&p->there[piece], true, memory_order_release);
	pthread_mutex_lock(&p->lock);
	p->landed_ms = MAX(1, clock_now_ms(p->pulls->o.clock));
	wake_those_with_answers(p);
	pthread_mutex_unlock(&p->lock);
}

void pull_lost(struct pull *p, uint32_t piece)
{
	atomic_store_explicit(&p->there[piece], false, memory_order_release);
}

void pull_tell_end(struct pull *p, enum pull_state state, const struct err *why)
{
	for (uint32_t i = 0; state == PULL_WHOLE && i < p->grid.count; i++)
		atomic_store_explicit(&p->there[i], true, memory_order_release);
	pthread_mutex_lock(&p->lock);
	if (why)
		p->why = *why;
	atomic_store(&p->state, state);
	wake_those_with_answers(p);
	pthread_mutex_unlock(&p->lock);
}
