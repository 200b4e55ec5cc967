#include "serve/cache/cache_internal.h"

#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- stamps ---- */

static bool stamp_from(const struct stat *st, struct stamp *out)
{
	*out = (struct stamp){
		.size = (uint64_t)st->st_size,
		.modified_ns = os_modified_ns(st),
		.changed_ns = os_changed_ns(st),
		.inode = (uint64_t)st->st_ino,
	};
	return S_ISREG(st->st_mode);
}

bool cache_stamp_of(int fd, struct stamp *out)
{
	struct stat st;
	return fstat(fd, &st) == 0 && stamp_from(&st, out);
}

bool cache_stamp_at(const char *path, struct stamp *out)
{
	struct stat st;
	return lstat(path, &st) == 0 && stamp_from(&st, out);
}

bool cache_stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return a->size == b->size && a->modified_ns == b->modified_ns &&
	       a->changed_ns == b->changed_ns && a->inode == b->inode;
}

bool cache_is_nameless(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* ---- what is known ---- */

struct object *cache_object_find(struct cache *c, const struct digest *d)
{
	return (struct object *)order_find(&c->objects, d);
}

static uint64_t *sum_of(struct cache *c, const struct object *o)
{
	return o->needed ? &c->needed_bytes : &c->bytes;
}

struct object *cache_object_put(struct cache *c, const struct digest *d, const struct stamp *s,
				bool right)
{
	struct object *o = cache_object_find(c, d);
	if (!o) {
		o = NEW(struct object);
		o->item.sha256 = *d;
		o->used_s = clock_wall_s(c->o.clock);
		o->checked_s = right ? o->used_s : 0;
		order_add(&c->objects, &o->item);
	}
	*sum_of(c, o) += s->size - o->stamp.size;
	o->protected = o->protected && o->stamp.inode == s->inode;
	o->stamp = *s;
	o->right = right;
	c->changed = true;
	return o;
}

void cache_object_forget(struct cache *c, struct object *o)
{
	*sum_of(c, o) -= o->stamp.size;
	c->needed_count -= o->needed;
	if (o->whole)
		o->whole->object = NULL;
	order_remove(&c->objects, &o->item);
	free(o);
	c->changed = true;
}

void cache_object_need(struct cache *c, struct object *o, bool needed)
{
	if (o->needed == needed)
		return;
	*sum_of(c, o) -= o->stamp.size;
	o->needed = needed;
	*sum_of(c, o) += o->stamp.size;
	c->needed_count += needed ? 1 : -(size_t)1;
}

/* ---- files of the store ---- */

/* Was it last changed before its mark was written? Then the mark speaks for all of it; else it was
 * linked, touched or written to since, and only its bytes can tell. */
static bool is_older_than_mark(const struct cache *c, const struct digest *d, const struct stamp *s,
			       int64_t *checked_s)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/marks/%s", c->store.home,
						      digest_hex(hex, d));
	struct stat st;
	if (lstat(path, &st) < 0)
		return false;
	*checked_s = st.st_mtime;
	return s->changed_ns <= os_modified_ns(&st);
}

/* By the path: false if there is no such file. */
static bool look(const struct cache *c, const struct digest *d, struct stamp *out, bool *right,
		 int64_t *checked_s)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	if (!cache_stamp_at(path, out))
		return false;
	/* In this order: without a mark, others of the store would believe it, and make one. */
	*right = is_older_than_mark(c, d, out, checked_s) && blob_is_as_verified(&c->store, d);
	return true;
}

bool cache_object_adopt(struct cache *c, const struct digest *d)
{
	struct stamp s;
	bool right;
	int64_t checked_s = 0;
	if (!look(c, d, &s, &right, &checked_s))
		return false;
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	if (!o) {
		o = cache_object_put(c, d, &s, right);
		o->checked_s = right ? checked_s : 0;
	}
	pthread_mutex_unlock(&c->lock);
	return true;
}

static bool begin_verify(struct cache *c, const struct digest *d, struct stamp *before)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	if (!cache_stamp_at(path, before))
		return false;
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_put(c, d, before, false);
	o->busy = true;
	pthread_mutex_unlock(&c->lock);
	return true;
}

/* It counts only if the file stayed as it was while it was read. */
static bool end_verify(struct cache *c, const struct digest *d, const struct stamp *before,
		       bool right)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	struct stamp s;
	bool there = cache_stamp_at(path, &s);
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	right = right && there && cache_stamp_equal(&s, before);
	if (o && !there)
		cache_object_forget(c, o);
	else if (there)
		o = cache_object_put(c, d, &s, right);
	if (o && there) {
		o->busy = false;
		o->checked_s = clock_wall_s(c->o.clock);
	}
	pthread_mutex_unlock(&c->lock);
	return right;
}

/* The disk has lost it, or fs-verity says that it is wrong: such a file cannot be repaired. */
static void discard(const struct cache *c, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	struct err ignored = ERR_INIT;
	blob_forget(&c->store, d);
	(void)!file_remove(path, &ignored);
}

bool cache_object_verify(struct cache *c, const struct digest *d)
{
	struct stamp before;
	struct err why = ERR_INIT;
	if (!begin_verify(c, d, &before))
		return false;
	int rc = store_verify(&c->store, d, &why);
	if (rc < 0 && !err_is(&why, ERR_CANCELLED))
		report_warn(c->o.report, "%s", why.text);
	if (rc == -ERR_SYSTEM && why.sys == EIO)
		discard(c, d);
	if (rc == -ERR_INTEGRITY || why.sys == EIO) {
		pthread_mutex_lock(&c->lock);
		c->counts.rotten++;
		pthread_mutex_unlock(&c->lock);
	}
	return end_verify(c, d, &before, rc == 0);
}

void cache_object_arrived(struct cache *c, const struct digest *d)
{
	struct stamp s;
	bool right;
	int64_t checked_s;
	/* What came into the store by another way may have to be hashed first. */
	if (!look(c, d, &s, &right, &checked_s) || (!right && !cache_object_verify(c, d)))
		return;
	if (right) {
		pthread_mutex_lock(&c->lock);
		struct object *o = cache_object_put(c, d, &s, true);
		o->checked_s = o->used_s = clock_wall_s(c->o.clock);
		order_use(&c->objects, &o->item);
		pthread_mutex_unlock(&c->lock);
	}
}

void cache_object_suspect(struct cache *c, const struct digest *d)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&c->store, d);
	bool there = file_exists(path);
	pthread_mutex_lock(&c->lock);
	struct object *o = cache_object_find(c, d);
	if (o && o->right) {
		o->right = false;
		o->checked_s = 0;
		c->counts.changed += there;
		if (o->whole)
			atomic_store(&o->whole->changed, true);
		if (o->whole)
			o->whole->object = NULL;
		o->whole = NULL;
		if (!there)
			cache_object_forget(c, o);
	}
	pthread_mutex_unlock(&c->lock);
}

void cache_objects_load(struct cache *c)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(c->store.home, "blobs/sha256");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	(void)!file_list_dir(dir, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		struct digest d;
		if (!digest_parse(&d, names.at[i]))
			continue;
		pthread_mutex_lock(&c->lock);
		bool known = cache_object_find(c, &d) != NULL;
		pthread_mutex_unlock(&c->lock);
		if (!known)
			(void)cache_object_adopt(c, &d);
	}
}
