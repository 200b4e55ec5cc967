/* Leases (fcntl(2)) on the files that are sent by sendfile(): the kernel reads them while it sends,
 * so nobody may write to them meanwhile. */
#include "serve/cache/cache_internal.h"

#include "util/os.h"

#include <signal.h>
#include <time.h>

#define LOOK_S 1 /* it looks this often even if no signal comes */

/* ---- with the lock ---- */

static void take_out(struct cache_blob *b)
{
	*b->at_leased = b->next_leased;
	if (b->next_leased)
		b->next_leased->at_leased = b->at_leased;
	atomic_store(&b->leased, false);
}

/* Its transfers are cut off, and the writer may go on. The next reader opens the file anew. */
static void yield(struct cache *c, struct cache_blob *b)
{
	atomic_store(&b->changed, true);
	take_out(b);
	if (b->object)
		b->object->whole = NULL;
	b->object = NULL;
	c->guard.cut(c->guard.ctx, b);
	os_lease_give(b->fd);
}

/* ---- without it ---- */

static void look(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	struct cache_blob *next;
	for (struct cache_blob *b = c->guard.blobs; b; b = next) {
		next = b->next_leased;
		if (os_lease_is_wanted(b->fd))
			yield(c, b);
	}
	pthread_mutex_unlock(&c->lock);
}

static void *watch(void *ctx)
{
	struct cache *c = ctx;
	const struct timespec pause = { .tv_sec = LOOK_S };
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	atomic_store(&c->guard.id, os_thread_id());
	while (!atomic_load(&c->guard.ends)) {
		(void)sigtimedwait(&set, NULL, &pause);
		look(c);
	}
	return NULL;
}

int cache_guard(struct cache *c, void (*cut)(void *ctx, const struct cache_blob *b), void *ctx,
		struct err *e)
{
	c->guard.cut = cut;
	c->guard.ctx = ctx;
	atomic_store(&c->guard.id, -1);
	int sys = pthread_create(&c->guard.thread, NULL, watch, c);
	c->guard.runs = sys == 0;
	return sys ? err_sys(e, sys, "a thread for the files of the cache") : 0;
}

void cache_unguard(struct cache *c)
{
	if (!c->guard.runs)
		return;
	atomic_store(&c->guard.ends, true);
	pthread_kill(c->guard.thread, SIGIO);
	pthread_join(c->guard.thread, NULL);
	c->guard.runs = false;
}

void cache_guard_blob(struct cache_blob *b)
{
	struct cache *c = b->cache;
	long id = atomic_load(&c->guard.id);
	struct stamp now;
	if (id <= 0 || !os_lease_take(b->fd, id))
		return;
	/* Somebody wrote to it before the lease was taken. */
	if (!cache_stamp_of(b->fd, &now) || !cache_stamp_equal(&now, &b->stamp)) {
		os_lease_give(b->fd);
		return;
	}
	pthread_mutex_lock(&c->lock);
	b->next_leased = c->guard.blobs;
	b->at_leased = &c->guard.blobs;
	if (b->next_leased)
		b->next_leased->at_leased = &b->next_leased;
	c->guard.blobs = b;
	atomic_store(&b->leased, true);
	pthread_mutex_unlock(&c->lock);
}

void cache_guard_forget(struct cache_blob *b)
{
	pthread_mutex_lock(&b->cache->lock);
	if (atomic_load(&b->leased)) {
		take_out(b);
		os_lease_give(b->fd);
	}
	pthread_mutex_unlock(&b->cache->lock);
}
