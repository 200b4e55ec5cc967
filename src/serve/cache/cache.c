#include "serve/cache/cache_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <signal.h>

void cache_stats(struct cache *c, struct cache_stats *out)
{
	struct pulls_stats p = { 0 };
	unsigned peers = 0, up = 0;
	if (c->pulls)
		pulls_stats(c->pulls, &p);
	if (c->o.peers)
		peers_count(c->o.peers, &peers, &up);
	pthread_mutex_lock(&c->lock);
	*out = c->counts;
	out->objects = c->objects.count - c->needed_count;
	out->bytes = c->bytes;
	out->room = c->o.size;
	out->kept_objects = c->needed_count;
	out->kept_bytes = c->needed_bytes;
	for (const struct order_item *i = c->objects.newest; i; i = i->older) {
		const struct object *o = (const struct object *)i;
		if (o->right && (!out->scrub_oldest_s || o->checked_s < out->scrub_oldest_s))
			out->scrub_oldest_s = o->checked_s;
	}
	pthread_mutex_unlock(&c->lock);
	struct err ignored = ERR_INIT;
	if (file_space(c->store.home, &out->disk_free, &ignored) < 0)
		out->disk_free = 0;
	out->keep_free = c->o.keep_free;
	out->fetched_bytes = p.fetched_bytes;
	out->peer_bytes = p.peer_bytes;
	out->wasted_bytes = p.wasted_bytes;
	out->wrong_pieces = p.wrong_pieces;
	out->pulling = p.pulling;
	out->queued = p.queued;
	out->peers_up = up;
	out->peers_down = peers - up;
}

/* ---- all of it ---- */

/* From a thread of the pulls, before its readers are told. */
static void ended(void *ctx, const struct digest *sha256, uint64_t size, const struct err *why)
{
	struct cache *c = ctx;
	(void)size;
	if (!why->class)
		cache_object_arrived(c, sha256);
	cache_room_taken(c, sha256);
	cache_keep_within(c);
}

static int begin_pulls(struct cache *c, struct err *e)
{
	const struct pulls_options o = {
		.store = &c->store,
		.kinds = c->o.kinds,
		.repositories = c->o.repositories,
		.fetch = c->o.fetch,
		.pulls = c->o.pulls,
		.clock = c->o.clock,
		.random = c->o.random,
		.cancel = &c->stop,
		.report = c->o.report,
		.peers = c->o.peers,
		.room = cache_make_room,
		.small = cache_small,
		.ended = ended,
		.ctx = c,
	};
	return c->o.kinds ? pulls_new(&o, &c->pulls, e) : 0;
}

/* Two edges would not know what the other one keeps. */
static int lock_store(struct cache *c, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/edge/lock", c->store.home);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_lock(path, 0, c->o.cancel, &c->lock_fd, e);
	if (rc < 0 && e->cause == CAUSE_LOCKED)
		err_hint(e, "another edge uses this store; stop it, or give each edge a store of "
			    "its own with FERRY_HOME");
	return rc;
}

static int begin(struct cache *c, struct err *e)
{
	int rc = store_open(c->o.home, &c->store, e);
	if (rc == 0 && c->store.read_only)
		rc = err_set(e, ERR_SYSTEM, "%s: an edge must be able to write to its store",
			     c->store.home);
	if (rc == 0) {
		c->store.cancel = &c->stop;
		c->store.clock = c->o.clock;
		c->store.report = c->o.report;
		rc = lock_store(c, e);
	}
	if (rc == 0)
		rc = begin_pulls(c, e);
	if (rc < 0)
		return rc;
	cache_recall(c);
	cache_objects_load(c);
	cache_note_needs(c);
	int sys = pthread_create(&c->keeper, NULL, cache_keep, c);
	c->has_keeper = sys == 0;
	return sys ? err_sys(e, sys, "a thread for the cache") : 0;
}

int cache_new(const struct cache_options *o, struct cache **out, struct err *e)
{
	struct cache *c = NEW(struct cache);
	c->o = *o;
	c->lock_fd = -1;
	c->stop.also = o->cancel;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->making_room, NULL);
	os_cond_init(&c->wakes);
	if (begin(c, e) < 0) {
		cache_free(c);
		return -(int)e->class;
	}
	*out = c;
	return 0;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	cache_unguard(c);
	cancel_ask(&c->stop, SIGTERM);
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->wakes);
	pthread_mutex_unlock(&c->lock);
	if (c->has_keeper) {
		pthread_join(c->keeper, NULL);
		pulls_free(c->pulls);
		cache_remember(c);
	} else {
		pulls_free(c->pulls);
	}
	while (c->objects.newest)
		cache_object_forget(c, (struct object *)c->objects.newest);
	order_release(&c->objects);
	free(c->promises);
	pthread_cond_destroy(&c->wakes);
	pthread_mutex_destroy(&c->making_room);
	pthread_mutex_destroy(&c->lock);
	file_close(&c->lock_fd);
	store_close(&c->store);
	free(c);
}
