#include "serve/cache/cache_internal.h"

#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- opening what is there ---- */

/* The handle that readers of a whole file share. */
static struct cache_blob *share(struct cache *c, const struct digest *d)
{
	struct cache_blob *b = NULL;
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	if (o && o->right && o->whole) {
		b = o->whole;
		b->refs++;
	}
	pthread_mutex_unlock(&c->lock);
	return b;
}

/* -1: there is none, or it is not what was verified; *there: something is there. */
static int open_file(struct cache *c, const struct digest *d, struct stamp *out, bool *there)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	struct stamp want;
	pthread_mutex_lock(&c->lock);
	const struct object *o = cache_object_find(c, d);
	bool right = o && o->right;
	*there = o != NULL;
	if (o)
		want = o->stamp;
	pthread_mutex_unlock(&c->lock);
	if (!right)
		return -1;
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || !cache_stamp_of(fd, out) || !cache_stamp_equal(out, &want)) {
		/* Without descriptors nothing is known of it. */
		if (fd >= 0 || errno == ENOENT || errno == ELOOP)
			cache_object_suspect(c, d);
		return -1;
	}
	int own = fd;
	fd = -1;
	return own;
}

static struct cache_blob *blob_new(struct cache *c, const struct digest *d, uint64_t size)
{
	struct cache_blob *b = NEW(struct cache_blob);
	b->cache = c;
	b->refs = 1;
	b->sha256 = *d;
	b->size = size;
	b->fd = -1;
	return b;
}

static void blob_free(struct cache_blob *b)
{
	file_close(&b->fd);
	if (b->pull)
		pull_close(b->pull);
	free(b);
}

/* Another thread may have opened it meanwhile: then that handle is shared. */
static struct cache_blob *put_shared(struct cache *c, struct cache_blob *b)
{
	struct cache_blob *other = NULL;
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, &b->sha256);
	if (o && o->right && o->whole) {
		other = o->whole;
		other->refs++;
	} else if (o && o->right) {
		o->whole = b;
		b->object = o;
	}
	pthread_mutex_unlock(&c->lock);
	if (!other)
		return b;
	blob_free(b);
	return other;
}

static struct cache_blob *open_new(struct cache *c, const struct digest *d, bool *there)
{
	struct stamp stamp;
	int fd = open_file(c, d, &stamp, there);
	if (fd < 0)
		return NULL;
	struct cache_blob *b = blob_new(c, d, stamp.size);
	b->fd = fd;
	b->stamp = stamp;
	b->was_there = true;
	return put_shared(c, b);
}

/* Of a shared handle, too: has its file changed since it was verified? */
static bool is_as_verified(struct cache_blob *b)
{
	struct stamp now = { 0 };
	if (atomic_load(&b->changed))
		return false;
	if (cache_stamp_of(b->fd, &now) && cache_stamp_equal(&now, &b->stamp))
		return true;
	/* An evicted file has lost its name, which also is a change of it: its bytes are what they
	 * were, and it is read to the end. */
	if (now.size == b->stamp.size && now.modified_ns == b->stamp.modified_ns &&
	    now.inode == b->stamp.inode && cache_is_nameless(b->fd))
		return true;
	atomic_store(&b->changed, true);
	cache_object_suspect(b->cache, &b->sha256);
	return false;
}

static struct cache_blob *open_whole(struct cache *c, const struct digest *d)
{
	bool there = false;
	struct cache_blob *b = share(c, d);
	if (!b)
		b = open_new(c, d, &there);
	/* Another program may have put it into the store. */
	if (!b && !there && cache_object_adopt(c, d))
		b = open_new(c, d, &there);
	if (b && !is_as_verified(b)) {
		cache_close(b);
		return NULL;
	}
	return b;
}

static void note_use(struct cache *c, const struct cache_blob *b)
{
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, &b->sha256);
	if (o) {
		o->used_s = clock_wall_s(c->o.clock);
		order_use(&c->objects, &o->item);
		c->changed = true;
	}
	c->counts.hits++;
	pthread_mutex_unlock(&c->lock);
}

/* ---- opening what is not there ---- */

static int not_there(const struct view_file *f, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s is not in the cache", f->file->key);
}

static int open_pull(struct cache *c, struct view *v, const struct view_file *f, enum cache_how how,
		     struct cache_blob **out, struct err *e)
{
	const struct digest *d = &f->file->sha256;
	struct pull *known = c->pulls ? pull_find(c->pulls, d) : NULL;
	bool joined = known != NULL;
	if (how == CACHE_FETCH && c->pulls) {
		struct pull *p = pull_open(c->pulls, v, f, PULL_READER);
		if (known)
			pull_close(known);
		known = p;
	}
	if (!known)
		return not_there(f, e);
	struct cache_blob *b = blob_new(c, d, f->file->size);
	b->pull = known;
	pthread_mutex_lock(&c->lock);
	c->counts.joined += how == CACHE_FETCH && joined;
	c->counts.misses += how == CACHE_FETCH && !joined;
	pthread_mutex_unlock(&c->lock);
	*out = b;
	return 0;
}

int cache_open(struct cache *c, struct view *v, const struct view_file *f, enum cache_how how,
	       struct cache_blob **out, struct err *e)
{
	if (f->withdrawn)
		return err_set(e, ERR_NOT_FOUND, "%s was withdrawn by the publisher", f->file->key);
	struct cache_blob *b = open_whole(c, &f->file->sha256);
	if (!b)
		return open_pull(c, v, f, how, out, e);
	if (how == CACHE_FETCH)
		note_use(c, b);
	*out = b;
	return 0;
}

void cache_close(struct cache_blob *b)
{
	if (!b)
		return;
	struct cache *c = b->cache;
	pthread_mutex_lock(&c->lock);
	bool last = --b->refs == 0;
	if (last && b->object)
		b->object->whole = NULL;
	pthread_mutex_unlock(&c->lock);
	if (last)
		blob_free(b);
}

/* ---- reading ---- */

uint64_t cache_blob_size(const struct cache_blob *b)
{
	return b->size;
}

bool cache_blob_was_there(const struct cache_blob *b)
{
	return b->was_there;
}

int cache_blob_fd(struct cache_blob *b)
{
	return b->fd >= 0 && is_as_verified(b) ? b->fd : -1;
}

static int has_changed(const struct cache_blob *b, struct err *e)
{
	char hex[DIGEST_HEX];
	return err_set(e, ERR_INTEGRITY, "%s: the file changed while it was read",
		       digest_hex(hex, &b->sha256));
}

int64_t cache_blob_ready(struct cache_blob *b, uint64_t offset, uint64_t length, struct err *e)
{
	if (b->pull)
		return pull_ready(b->pull, offset, length, e);
	if (atomic_load(&b->changed))
		return has_changed(b, e);
	return offset < b->size ? (int64_t)MIN(length, b->size - offset) : 0;
}

/* The file is looked at after it was read: what was written to it before that has moved its
 * times. */
int64_t cache_blob_read(struct cache_blob *b, uint64_t offset, void *data, uint64_t length,
			struct err *e)
{
	if (b->pull)
		return pull_read(b->pull, offset, data, length, e);
	uint64_t n = offset < b->size ? MIN(length, b->size - offset) : 0;
	int rc = file_pread(b->fd, data, (size_t)n, offset, "a file of the cache", e);
	if (rc < 0) {
		atomic_store(&b->changed, true);
		cache_object_suspect(b->cache, &b->sha256);
		return rc;
	}
	return is_as_verified(b) ? (int64_t)n : has_changed(b, e);
}

void cache_blob_wait(struct cache_blob *b, struct cache_wait *w)
{
	if (b->pull)
		pull_wait(b->pull, w);
	else
		w->wake(w->ctx);
}

void cache_blob_forget(struct cache_blob *b, struct cache_wait *w)
{
	if (b->pull)
		pull_forget(b->pull, w);
}

int cache_blob_map(struct cache_blob *b, struct buf *out, struct err *e)
{
	struct grid g;
	if (b->pull)
		return pull_map(b->pull, out, e);
	int rc = grid_for(b->size, &g, e);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < g.count; i += 8)
		buf_addc(out, (char)(0xff << (g.count - i < 8 ? 8 - (g.count - i) : 0)));
	return buf_ok(out, "the map of pieces", e);
}

/* ---- operators ---- */

int cache_preload(struct cache *c, struct view *v, const struct view_file *f, struct err *e)
{
	if (f->withdrawn)
		return err_set(e, ERR_NOT_FOUND, "%s was withdrawn by the publisher", f->file->key);
	struct cache_blob *b = open_whole(c, &f->file->sha256);
	if (b)
		cache_close(b);
	else if (c->pulls)
		pull_close(pull_open(c->pulls, v, f, PULL_PRELOAD));
	else
		return not_there(f, e);
	return 0;
}

int cache_drop(struct cache *c, const struct digest *sha256, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, sha256);
	char hex[DIGEST_HEX];
	cache_note_needs(c);
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, sha256);
	bool needed = o && o->needed, there = o != NULL;
	if (o && !needed)
		cache_object_forget(c, o);
	pthread_mutex_unlock(&c->lock);
	if (!there)
		return err_set(e, ERR_NOT_FOUND, "%s is not in the cache", digest_hex(hex, sha256));
	if (needed)
		return err_set(e, ERR_CONFLICT, "a model of the store needs %s",
			       digest_hex(hex, sha256));
	blob_forget(&c->store, sha256);
	return file_remove(path, e);
}

void cache_stats(struct cache *c, struct cache_stats *out)
{
	struct pulls_stats p = { 0 };
	if (c->pulls)
		pulls_stats(c->pulls, &p);
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
	out->fetched_bytes = p.fetched_bytes;
	out->peer_bytes = p.peer_bytes;
	out->wasted_bytes = p.wasted_bytes;
	out->wrong_pieces = p.wrong_pieces;
	out->pulling = p.pulling;
	out->queued = p.queued;
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
	return rc < 0 ? rc : file_lock(path, 0, c->o.cancel, &c->lock_fd, e);
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
	pthread_cond_init(&c->wakes, NULL);
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
