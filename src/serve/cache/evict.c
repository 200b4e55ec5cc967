/* Making room: what was not used for the longest time goes first. */
#include "serve/cache/cache_internal.h"

#include "store/blob.h"
#include "store/needs.h"
#include "util/file.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* When something has to go, a little more goes: so not every new object has to make room. */
#define SPARE_PART 128
#define SPARE_MOST (256 * MIB)

/* ---- promises ---- */

static struct promise *find_promise(struct cache *c, const struct digest *d)
{
	for (size_t i = 0; i < c->promise_count; i++)
		if (digest_equal(&c->promises[i].sha256, d))
			return &c->promises[i];
	return NULL;
}

static void take_back(struct cache *c, const struct digest *d)
{
	struct promise *p = find_promise(c, d);
	if (!p)
		return;
	c->promised -= p->bytes;
	*p = c->promises[--c->promise_count];
}

static void promise(struct cache *c, const struct digest *d, uint64_t bytes, uint64_t before)
{
	c->promises = mem_grow(c->promises, c->promise_count, &c->promise_cap, sizeof *c->promises);
	c->promises[c->promise_count++] = (struct promise){ *d, bytes, before };
	c->promised += bytes;
}

void cache_room_taken(struct cache *c, const struct digest *sha256)
{
	pthread_mutex_lock(&c->lock);
	take_back(c, sha256);
	pthread_mutex_unlock(&c->lock);
}

/* ---- needs ---- */

static int compare_needs(const void *a, const void *b)
{
	const struct store_need *x = a, *y = b;
	return memcmp(&x->sha256, &y->sha256, sizeof x->sha256);
}

static bool needs_has(const struct store_needs *all, const struct digest *d)
{
	struct store_need want = { .sha256 = *d };
	return all->count && bsearch(&want, all->at, all->count, sizeof want, compare_needs);
}

static int read_needs(struct cache *c, struct store_needs *out, struct err *e)
{
	int rc = store_needs_list(&c->store, out, e);
	if (rc == 0 && out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_needs);
	return rc;
}

static void mark_needs(struct cache *c, const struct store_needs *all)
{
	for (struct order_item *i = c->objects.newest; i; i = i->older)
		cache_object_need(c, (struct object *)i, needs_has(all, &i->sha256));
}

void cache_note_needs(struct cache *c)
{
	CLEANUP(store_needs_release) struct store_needs all = { 0 };
	struct err ignored = ERR_INIT;
	if (read_needs(c, &all, &ignored) < 0)
		return;
	pthread_mutex_lock(&c->lock);
	mark_needs(c, &all);
	pthread_mutex_unlock(&c->lock);
}

/* ---- what has to go ---- */

/* How many bytes the cache would be over its size, with so many more. */
static uint64_t over_size(const struct cache *c, uint64_t more)
{
	uint64_t want = c->bytes + c->promised + more;
	return c->o.size && want > c->o.size ? want - c->o.size : 0;
}

/* The same for keep-free. coming: bytes that were promised to other pulls and are not on the disk
 * yet. */
static uint64_t over_disk(const struct cache *c, uint64_t more, uint64_t coming,
			  uint64_t free_bytes)
{
	uint64_t want = coming + more + c->o.keep_free;
	return free_bytes != UINT64_MAX && want > free_bytes ? want - free_bytes : 0;
}

struct victims {
	struct digest *at;
	size_t count, cap;
	uint64_t bytes;
};

static void victims_release(struct victims *v)
{
	free(v->at);
}

/* Forgets the objects that it chooses. The first round leaves those with readers, whose bytes stay
 * on the disk until they are closed. */
static void choose(struct cache *c, uint64_t bytes, bool with_readers, struct victims *out)
{
	struct order_item *next;
	for (struct order_item *i = c->objects.oldest; i && out->bytes < bytes; i = next) {
		struct object *o = (struct object *)i;
		next = i->newer;
		if (o->needed || o->busy || find_promise(c, &i->sha256) ||
		    (!with_readers && o->whole))
			continue;
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = i->sha256;
		out->bytes += o->stamp.size;
		c->counts.evicted++;
		c->counts.evicted_bytes += o->stamp.size;
		cache_object_forget(c, o);
	}
}

static void remove_files(struct cache *c, const struct victims *v)
{
	struct err ignored = ERR_INIT;
	for (size_t i = 0; i < v->count; i++) {
		CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, &v->at[i]);
		(void)!file_remove(path, &ignored);
		blob_forget(&c->store, &v->at[i]);
	}
}

/* The records are read first: a fetch that begins later finds that a file of its is gone, and says
 * so. */
static void evict(struct cache *c, uint64_t bytes)
{
	CLEANUP(victims_release) struct victims v = { 0 };
	CLEANUP(store_needs_release) struct store_needs all = { 0 };
	struct err why = ERR_INIT;
	if (read_needs(c, &all, &why) < 0) {
		report_warn(c->o.report, "no room is made in the cache: %s", why.text);
		return;
	}
	pthread_mutex_lock(&c->lock);
	mark_needs(c, &all);
	choose(c, bytes, false, &v);
	choose(c, bytes, true, &v);
	pthread_mutex_unlock(&c->lock);
	remove_files(c, &v);
}

/* ---- room ---- */

static int refuse(const struct cache *c, uint64_t bytes, bool by_size, struct err *e)
{
	char text[SIZE_TEXT], limit[SIZE_TEXT];
	format_size(text, bytes);
	if (by_size) {
		err_set(e, ERR_SYSTEM, "the cache has no room for %s: it may have %s", text,
			format_size(limit, c->o.size));
		return err_hint(e, "set a larger size in [serve]");
	}
	err_set(e, ERR_SYSTEM, "the disk has no room for %s: %s are to stay free", text,
		format_size(limit, c->o.keep_free));
	return err_hint(e, "free some space on the disk, or set a smaller keep-free in [serve]");
}

/* Bytes that the disk has of an unfinished file. */
static uint64_t there(const struct cache *c, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *path = store_part_path(&c->store, d);
	struct stat st;
	return lstat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static uint64_t still_coming(struct cache *c)
{
	CLEANUP(mem_free_ptr) struct promise *all = NULL;
	uint64_t sum = 0;
	pthread_mutex_lock(&c->lock);
	size_t count = c->promise_count;
	all = mem_alloc((count + 1) * sizeof *all);
	if (count)
		memcpy(all, c->promises, count * sizeof *all);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < count; i++) {
		uint64_t now = there(c, &all[i].sha256);
		uint64_t came = now > all[i].before ? now - all[i].before : 0;
		sum += all[i].bytes - MIN(came, all[i].bytes);
	}
	return sum;
}

/* Sets how many bytes have to be removed, for the size and for keep-free. */
static void measure(struct cache *c, uint64_t bytes, uint64_t *size, uint64_t *disk)
{
	uint64_t free_bytes = UINT64_MAX, coming = still_coming(c);
	struct err ignored = ERR_INIT;
	if (file_space(c->store.home, &free_bytes, &ignored) < 0)
		free_bytes = UINT64_MAX;
	pthread_mutex_lock(&c->lock);
	*size = over_size(c, bytes);
	*disk = over_disk(c, bytes, coming, free_bytes);
	pthread_mutex_unlock(&c->lock);
}

static int make_room(struct cache *c, const struct digest *d, uint64_t bytes, struct err *e)
{
	uint64_t size, disk, before = there(c, d);
	if (c->o.size && bytes > c->o.size)
		return refuse(c, bytes, true, e);
	cache_room_taken(c, d);
	measure(c, bytes, &size, &disk);
	if (size || disk) {
		uint64_t spare = c->o.size ? MIN(c->o.size / SPARE_PART, SPARE_MOST) : 0;
		evict(c, MAX(size, disk) + spare);
		measure(c, bytes, &size, &disk);
	}
	if (size || disk)
		return refuse(c, bytes, size > 0, e);
	pthread_mutex_lock(&c->lock);
	promise(c, d, bytes, before);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* A file that changed since it was verified is hashed before it is fetched again: it may be right,
 * and pieces of a wrong one may be. */
static bool is_right_after_all(struct cache *c, const struct digest *d)
{
	pthread_mutex_lock(&c->lock);
	const struct object *o = cache_object_find(c, d);
	bool suspect = o && !o->right;
	pthread_mutex_unlock(&c->lock);
	return suspect && cache_object_verify(c, d);
}

int cache_make_room(void *ctx, const struct digest *sha256, uint64_t bytes, struct err *e)
{
	struct cache *c = ctx;
	if (is_right_after_all(c, sha256))
		return 0;
	pthread_mutex_lock(&c->making_room);
	int rc = make_room(c, sha256, bytes, e);
	pthread_mutex_unlock(&c->making_room);
	return rc;
}

void cache_keep_within(struct cache *c)
{
	uint64_t size, disk;
	pthread_mutex_lock(&c->making_room);
	measure(c, 0, &size, &disk);
	if (size || disk)
		evict(c, MAX(size, disk));
	pthread_mutex_unlock(&c->making_room);
}
