/* The list of pulls, and the threads that work on it. */
#include "serve/cache/pull_internal.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <stdio.h>
#include <string.h>

#define FAILED_KEPT 64
#define AGAIN_LEAST_MS 1000
#define AGAIN_MOST_MS 60000
#define PRELOAD_TRIES 8
#define PRELOAD_AGAIN_MS 30000
#define STEP_MS 1000 /* between two runs, while readers wait */

/* -- one of them ------------------------------------------------------------------------------- */

static struct pull **bucket(struct pulls *p, const struct digest *d)
{
	return &p->buckets[(d->bytes[0] | d->bytes[1] << 8) % PULL_BUCKETS];
}

/* With the lock; or NULL. */
static struct pull *find(struct pulls *p, const struct digest *d)
{
	for (struct pull *x = *bucket(p, d); x; x = x->next)
		if (digest_equal(&x->sha256, d))
			return x;
	return NULL;
}

static void unlist(struct pull *x)
{
	struct pull **at = bucket(x->pulls, &x->sha256);
	if (!x->listed)
		return;
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	x->listed = false;
}

/* A reader that was woken may close the pull while the thread that woke it still uses it. */
static void await_wakers(struct pull *x)
{
	pthread_mutex_lock(&x->lock);
	while (x->is_waking)
		pthread_cond_wait(&x->woken, &x->lock);
	pthread_mutex_unlock(&x->lock);
}

static void pull_free(struct pull *x)
{
	await_wakers(x);
	int fd = atomic_load(&x->fd);
	file_close(&fd);
	view_unref(x->view);
	pthread_cond_destroy(&x->woken);
	pthread_mutex_destroy(&x->lock);
	free((void *)x->there);
	free((void *)x->flying);
	free(x->pieces);
	free(x->wishes);
	for (size_t i = 0; i < PULL_WHENS; i++)
		free(x->queues[i].at);
	free(x->name);
	free(x);
}

static struct pull *pull_new(struct pulls *p, struct view *v, const struct view_file *f)
{
	struct pull *x = NEW(struct pull);
	struct err ignored = ERR_INIT;
	const char *slash = strrchr(f->file->key, '/');
	x->pulls = p;
	x->view = view_ref(v);
	x->file = *f;
	x->sha256 = f->file->sha256;
	x->name = mem_strdup(slash ? slash + 1 : f->file->key);
	x->partial = (struct partial)PARTIAL_INIT;
	/* A size that no file may have gives no pieces: pull_run() says so. */
	(void)!grid_for(f->file->size, &x->grid, &ignored);
	x->there = mem_alloc(x->grid.count + 1);
	x->flying = mem_alloc(x->grid.count + 1);
	x->wishes = mem_alloc((x->grid.count + 1) * sizeof *x->wishes);
	for (size_t i = 0; i < PULL_WHENS; i++)
		x->queues[i].at = mem_alloc((x->grid.count + 1) * sizeof *x->queues[i].at);
	atomic_init(&x->fd, -1);
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->woken, NULL);
	struct pull **at = bucket(p, &x->sha256);
	x->next = *at;
	*at = x;
	x->listed = true;
	return x;
}

/* With the lock. True: the caller frees it, after giving the lock back. */
static bool drop(struct pull *x)
{
	if (--x->refs)
		return false;
	unlist(x);
	return true;
}

/* -- queues, with the lock -------------------------------------------------------------------- */

static void enqueue(struct pull *x)
{
	struct pulls *p = x->pulls;
	struct pull **end = &p->queues[x->urgency];
	while (*end)
		end = &(*end)->later;
	x->later = NULL;
	*end = x;
	p->queued++;
	pthread_cond_signal(&p->changed);
}

static void dequeue(struct pull *x)
{
	struct pull **at = &x->pulls->queues[x->urgency];
	while (*at != x)
		at = &(*at)->later;
	*at = x->later;
	x->later = NULL;
	x->pulls->queued--;
}

static struct pull *next(struct pulls *p)
{
	uint64_t now_ms = clock_now_ms(p->o.clock);
	for (int urgency = PULL_READER; urgency >= PULL_PRELOAD; urgency--)
		for (struct pull *x = p->queues[urgency]; x; x = x->later) {
			if (x->not_before_ms > now_ms)
				continue;
			dequeue(x);
			return x;
		}
	return NULL;
}

/* -- what failed; with the lock ---------------------------------------------------------------- */

/* Takes from the list those that may be begun again, and the oldest beyond FAILED_KEPT. Returns
 * those that the caller has to free, linked by `later`. */
static struct pull *forget_failed(struct pulls *p, const struct pull *this)
{
	uint64_t now_ms = clock_now_ms(p->o.clock);
	struct pull *gone = NULL, **at = &p->failed;
	for (size_t kept = 0; *at;) {
		struct pull *x = *at;
		if (x != this && x->not_before_ms > now_ms && ++kept <= FAILED_KEPT) {
			at = &x->later;
			continue;
		}
		*at = x->later;
		x->later = NULL;
		unlist(x);
		if (!drop(x))
			continue;
		x->later = gone;
		gone = x;
	}
	return gone;
}

static void free_all(struct pull *gone)
{
	while (gone) {
		struct pull *x = gone;
		gone = x->later;
		pull_free(x);
	}
}

static uint64_t pause_ms(const struct pull *x, const struct err *why)
{
	uint64_t base = err_is_transient(why) ? AGAIN_LEAST_MS : 10 * AGAIN_LEAST_MS;
	/* There was no room: there may be some soon, and trying costs the mirrors nothing. */
	if (why->class == ERR_SYSTEM && !x->landed_ms)
		return AGAIN_LEAST_MS;
	uint64_t ms = MIN(base << MIN(x->tries, 8), AGAIN_MOST_MS);
	return why->class == ERR_CANCELLED ? 0 : MAX(ms, MIN(why->retry_after_s, 3600) * 1000);
}

/* -- threads ----------------------------------------------------------------------------------- */

/* Readers that have got something do not lose it because the network fails for a moment. */
static bool goes_on(struct pull *x, const struct err *why)
{
	const struct clock *clock = x->pulls->o.clock;
	struct err ignored = ERR_INIT;
	pthread_mutex_lock(&x->lock);
	uint64_t landed_ms = x->landed_ms;
	pthread_mutex_unlock(&x->lock);
	return err_is(why, ERR_NETWORK) && landed_ms && pull_is_waited_for(x) &&
	       clock_now_ms(clock) - landed_ms < PULL_PATIENCE_MS &&
	       clock_sleep_ms(clock, STEP_MS, &x->pulls->ending, &ignored) == 0;
}

static int fetch(struct pull *x, struct err *e)
{
	int rc;
	do {
		err_clear(e);
		rc = pull_run(x, e);
	} while (rc < 0 && goes_on(x, e));
	return rc;
}

/* A preload, for which nobody waits, is tried again later. */
static bool is_for_later(struct pull *x, const struct err *why)
{
	return x->urgency == PULL_PRELOAD && err_is(why, ERR_NETWORK) && !x->pulls->stopped &&
	       ++x->tries < PRELOAD_TRIES;
}

/* With the lock. Returns those that the caller has to free, linked by `later`. */
static struct pull *conclude(struct pull *x, int rc)
{
	struct pulls *p = x->pulls;
	if (rc == 0)
		p->stats.done++;
	else
		p->stats.failed++;
	if (rc == 0 || p->stopped) {
		unlist(x);
		return drop(x) ? x : NULL;
	}
	x->later = p->failed;
	p->failed = x;
	return forget_failed(p, NULL);
}

static void work_on(struct pull *x)
{
	struct pulls *p = x->pulls;
	struct err why = ERR_INIT;
	int rc = fetch(x, &why);
	pthread_mutex_lock(&p->lock);
	p->running--;
	if (rc < 0 && is_for_later(x, &why)) {
		atomic_store(&x->state, PULL_QUEUED);
		x->not_before_ms = clock_now_ms(p->o.clock) + (PRELOAD_AGAIN_MS << x->tries);
		enqueue(x);
		pthread_mutex_unlock(&p->lock);
		return;
	}
	x->not_before_ms = clock_now_ms(p->o.clock) + pause_ms(x, &why);
	pthread_mutex_unlock(&p->lock);
	if (p->o.ended)
		p->o.ended(p->o.ctx, &x->sha256, x->grid.size, &why);
	pull_tell_end(x, rc == 0 ? PULL_WHOLE : PULL_FAILED, &why);
	pthread_mutex_lock(&p->lock);
	struct pull *gone = conclude(x, rc);
	pthread_mutex_unlock(&p->lock);
	free_all(gone);
}

static void *work(void *arg)
{
	struct pulls *p = arg;
	pthread_mutex_lock(&p->lock);
	while (!p->stopped) {
		struct pull *x = next(p);
		if (!x) {
			p->idle++;
			os_cond_wait(&p->changed, &p->lock, STEP_MS);
			p->idle--;
			continue;
		}
		p->running++;
		atomic_store(&x->state, PULL_RUNNING);
		pthread_mutex_unlock(&p->lock);
		work_on(x);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock. */
static void grow(struct pulls *p)
{
	if (p->idle >= p->queued || p->thread_count >= p->o.pulls || p->stopped)
		return;
	if (pthread_create(&p->threads[p->thread_count], NULL, work, p) == 0)
		p->thread_count++;
}

/* -- readers ----------------------------------------------------------------------------------- */

/* With the lock. Another reader of a pull that exists. */
static void join(struct pull *x, enum pull_urgency urgency)
{
	bool queued = atomic_load(&x->state) == PULL_QUEUED;
	x->refs++;
	x->preload |= urgency == PULL_PRELOAD;
	if (urgency <= x->urgency)
		return;
	if (queued)
		dequeue(x);
	x->urgency = urgency;
	if (!queued)
		return;
	x->not_before_ms = 0;
	enqueue(x);
}

struct pull *pull_open(struct pulls *p, struct view *v, const struct view_file *f,
		       enum pull_urgency urgency)
{
	struct pull *gone = NULL;
	unsigned tries = 0;
	pthread_mutex_lock(&p->lock);
	struct pull *x = find(p, &f->file->sha256);
	if (x && atomic_load(&x->state) == PULL_FAILED &&
	    x->not_before_ms <= clock_now_ms(p->o.clock)) {
		tries = x->tries + 1;
		gone = forget_failed(p, x);
		x = NULL;
	}
	if (x) {
		join(x, urgency);
	} else {
		x = pull_new(p, v, f);
		x->refs = 2;
		x->tries = tries;
		x->urgency = urgency;
		x->preload = urgency == PULL_PRELOAD;
		enqueue(x);
		grow(p);
	}
	pthread_mutex_unlock(&p->lock);
	free_all(gone);
	return x;
}

struct pull *pull_find(struct pulls *p, const struct digest *sha256)
{
	pthread_mutex_lock(&p->lock);
	struct pull *x = find(p, sha256);
	if (x && atomic_load(&x->state) == PULL_FAILED)
		x = NULL;
	if (x)
		x->refs++;
	pthread_mutex_unlock(&p->lock);
	return x;
}

/* It was not begun yet, and the last reader has left. */
static bool is_not_wanted(const struct pull *x)
{
	return x->refs == 1 && !x->preload && atomic_load(&x->state) == PULL_QUEUED;
}

void pull_close(struct pull *x)
{
	if (!x)
		return;
	struct pulls *p = x->pulls;
	pthread_mutex_lock(&p->lock);
	bool gone = drop(x);
	if (!gone && is_not_wanted(x)) {
		dequeue(x);
		gone = drop(x);
	}
	pthread_mutex_unlock(&p->lock);
	if (gone)
		pull_free(x);
}

/* -- all of them ------------------------------------------------------------------------------- */

int pulls_new(const struct pulls_options *o, struct pulls **out, struct err *e)
{
	if (!o->store || !o->kinds || !o->fetch)
		return err_set(e, ERR_BUG, "pulls without a store or mirrors");
	struct pulls *p = NEW(struct pulls);
	p->o = *o;
	p->o.pulls = MIN(o->pulls ? o->pulls : PULL_AT_A_TIME, PULL_THREADS);
	p->fetch = *o->fetch;
	p->o.fetch = &p->fetch;
	p->ending.also = o->cancel;
	p->rate = (struct rate){ .clock = o->clock, .table = o->fetch->limit_rate };
	p->sources = pull_sources_new(&p->o, &p->ending);
	pthread_mutex_init(&p->lock, NULL);
	os_cond_init(&p->changed);
	*out = p;
	return 0;
}

static void end_queued(struct pulls *p)
{
	struct err why = ERR_INIT;
	err_set(&why, ERR_CANCELLED, "the edge is being stopped");
	for (int urgency = PULL_PRELOAD; urgency <= PULL_READER; urgency++)
		while (p->queues[urgency]) {
			pthread_mutex_lock(&p->lock);
			struct pull *x = p->queues[urgency];
			dequeue(x);
			pthread_mutex_unlock(&p->lock);
			pull_tell_end(x, PULL_FAILED, &why);
			pull_close(x);
		}
}

void pulls_stop(struct pulls *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopped = true;
	unsigned count = p->thread_count;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	cancel_ask(&p->ending, 1);
	for (unsigned i = 0; i < count; i++)
		pthread_join(p->threads[i], NULL);
	p->thread_count = 0;
	end_queued(p);
	pthread_mutex_lock(&p->lock);
	for (struct pull *x = p->failed; x; x = x->later)
		x->not_before_ms = 0;
	struct pull *gone = forget_failed(p, NULL);
	pthread_mutex_unlock(&p->lock);
	free_all(gone);
}

void pulls_free(struct pulls *p)
{
	if (!p)
		return;
	pulls_stop(p);
	pull_sources_free(p->sources);
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void pulls_stats(struct pulls *p, struct pulls_stats *out)
{
	pthread_mutex_lock(&p->lock);
	*out = p->stats;
	out->pulling = p->running;
	out->queued = p->queued;
	pthread_mutex_unlock(&p->lock);
}
