/* Opening objects, and reading them. */
#include "serve/cache/cache_internal.h"

#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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
		/* Any other error, such as too many open files, says nothing about the file. */
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
	cache_close(b->whole);
	if (b->fd >= 0)
		cache_guard_forget(b);
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
	cache_guard_blob(b);
	return put_shared(c, b);
}

/* Its file has not changed since it was verified. Also for a handle that readers share. */
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
	bool guarded = !atomic_load(&b->cache->guard.id) || atomic_load(&b->leased);
	return b->fd >= 0 && guarded && is_as_verified(b) ? b->fd : -1;
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

/* What has arrived is a file like others, and may change like them. */
static int64_t read_whole(struct cache_blob *b, uint64_t offset, void *data, uint64_t length,
			  struct err *e)
{
	if (!b->whole)
		b->whole = open_whole(b->cache, &b->sha256);
	return b->whole ? cache_blob_read(b->whole, offset, data, length, e) : has_changed(b, e);
}

/* The file is looked at after it was read: what was written to it before that has moved its
 * times. */
int64_t cache_blob_read(struct cache_blob *b, uint64_t offset, void *data, uint64_t length,
			struct err *e)
{
	if (b->pull && !pull_is_whole(b->pull))
		return pull_read(b->pull, offset, data, length, e);
	if (b->pull)
		return read_whole(b, offset, data, length, e);
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

/* The bits behind the last piece are 0. */
static int write_map(const struct cache_blob *b, unsigned char bits, struct buf *out, struct err *e)
{
	struct grid g;
	int rc = grid_for(b->size, &g, e);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < g.count; i += 8) {
		unsigned behind = g.count - i < 8 ? 8 - (g.count - i) : 0;
		buf_addc(out, (char)(bits >> behind << behind));
	}
	return buf_ok(out, "the map of pieces", e);
}

int cache_blob_map(struct cache_blob *b, struct buf *out, struct err *e)
{
	return b->pull ? pull_map(b->pull, out, e) : write_map(b, 0xff, out, e);
}

int cache_blob_flying(struct cache_blob *b, struct buf *out, struct err *e)
{
	return b->pull ? pull_flying(b->pull, out, e) : write_map(b, 0, out, e);
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
