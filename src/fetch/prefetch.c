#include "fetch/prefetch.h"

#include "catalog/pack.h"
#include "fetch/remote_internal.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/threads.h"

#include <stdatomic.h>
#include <string.h>

/* That a thread may have in memory. A larger manifest is of a file so large that it does not
 * matter. */
#define LARGEST MIB
#define LARGEST_PACK (4 * MIB)
#define THREADS 8

/* An object to ask for: a target, or a pack with several of them. */
struct object {
	char *key;
	struct wanted *first;
	struct err why; /* class 0: it was received, and all of it was right */
	uint64_t bytes;
	bool lied;
};

struct wanted {
	char *key, *cached;
	uint64_t length;
	struct digest sha256;
	struct wanted *next; /* in the same pack */
};

struct prefetch {
	struct remote *remote;
	struct source *source;
	bool packs;
	uint64_t deadline_ms;
	struct object *objects;
	struct wanted *wanted;
	size_t object_count, wanted_count;
	atomic_bool stop;
};

static void prefetch_release(struct prefetch *p)
{
	for (size_t i = 0; i < p->object_count; i++)
		free(p->objects[i].key);
	for (size_t i = 0; i < p->wanted_count; i++) {
		free(p->wanted[i].key);
		free(p->wanted[i].cached);
	}
	free(p->objects);
	free(p->wanted);
}

/* -- what to ask for --------------------------------------------------------------------------- */

static bool is_usable(const struct source_list *l, const struct source *s)
{
	return s->mirror && !s->banned && !source_has_faults(s) && !source_is_pausing(l, s) &&
	       !s->mirror->ops->others_files;
}

/* As source_get_small() would: endpoints first. Only one that is open, because opening is not for
 * several threads. */
static struct source *choose(const struct source_list *l)
{
	struct source *first = NULL;
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		if (is_usable(l, s) && s->endpoint)
			return s;
		if (is_usable(l, s) && !first)
			first = s;
	}
	return first;
}

static bool is_wanted(const struct prefetch *p, const struct digest *sha256)
{
	for (size_t i = 0; i < p->wanted_count; i++)
		if (digest_equal(&p->wanted[i].sha256, sha256))
			return true;
	return false;
}

/* The key of the object that has it; the caller frees. */
static char *object_key(struct prefetch *p, const char *path, const char *key)
{
	char *pack = p->packs ? remote_pack_key(p->remote, path) : NULL;
	return pack ? pack : mem_strdup(key);
}

static struct object *object_of(struct prefetch *p, const char *key)
{
	for (size_t i = 0; p->packs && i < p->object_count; i++)
		if (strcmp(p->objects[i].key, key) == 0)
			return &p->objects[i];
	struct object *o = &p->objects[p->object_count++];
	*o = (struct object){ .key = mem_strdup(key) };
	return o;
}

static void add(struct prefetch *p, const char *path)
{
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	struct err ignored = ERR_INIT;
	if (remote_find(p->remote, path, NULL, &t, &ignored) < 0 || t.length > LARGEST ||
	    is_wanted(p, &t.sha256))
		return;
	CLEANUP(mem_free_ptr) char *cached = remote_cache_path(p->remote, &t.sha256);
	uint64_t size;
	if (file_size(cached, &size, &ignored) == 0 && size == t.length)
		return;
	CLEANUP(mem_free_ptr) char *key = remote_target_key(p->remote, path, &t);
	CLEANUP(mem_free_ptr) char *where = object_key(p, path, key);
	struct object *o = object_of(p, where);
	struct wanted *w = &p->wanted[p->wanted_count++];
	*w = (struct wanted){ STEAL(key), STEAL(cached), t.length, t.sha256, o->first };
	o->first = w;
}

/* -- getting it, on several threads ------------------------------------------------------------ */

static int keep(struct object *o, const struct wanted *w, const struct buf *bytes, struct err *e)
{
	struct digest got;
	sha256_of(buf_str(bytes), bytes->len, &got);
	o->lied = bytes->len != w->length || !digest_equal(&got, &w->sha256);
	return o->lied ? err_set(e, ERR_INTEGRITY, "%s: its SHA-256 differs from the signed one",
				 w->key)
		       : remote_cache_keep(w->cached, bytes, e);
}

static int unpack(struct object *o, const struct buf *pack, struct err *e)
{
	int rc = 0;
	for (const struct wanted *w = o->first; rc == 0 && w; w = w->next) {
		CLEANUP(buf_release) struct buf bytes = BUF_INIT(LARGEST);
		struct pack_file f;
		rc = pack_find(pack, w->key, &f, e);
		if (rc < 0)
			return rc;
		buf_add(&bytes, f.data, f.len);
		rc = buf_ok(&bytes, w->key, e);
		if (rc == 0)
			rc = keep(o, w, &bytes, e);
	}
	return rc;
}

static void get_one(void *ctx, size_t i)
{
	struct prefetch *p = ctx;
	struct object *o = &p->objects[i];
	bool pack = strcmp(o->key, o->first->key) != 0;
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(pack ? LARGEST_PACK : o->first->length);
	if (atomic_load(&p->stop))
		return;
	int rc = mirror_get_small(p->source->mirror, o->key, p->deadline_ms, &bytes, &o->why);
	o->bytes = rc == 0 ? bytes.len : 0;
	if (rc == 0)
		rc = pack ? unpack(o, &bytes, &o->why) : keep(o, o->first, &bytes, &o->why);
	if (rc < 0)
		atomic_store(&p->stop, true);
}

/* Once, on the caller's thread. What a local disk cannot do is reported by who needs it, and so is
 * what the source does not have. */
static void fold(struct prefetch *p)
{
	struct source *s = p->source;
	bool failed = false;
	for (size_t i = 0; i < p->object_count; i++) {
		const struct object *o = &p->objects[i];
		s->bytes += o->why.class ? 0 : o->bytes;
		if (o->lied && !s->banned)
			source_lied(s, &o->why);
		else if (!failed && (err_is(&o->why, ERR_NETWORK) || err_is(&o->why, ERR_AUTH)))
			source_failed(&p->remote->sources, s, &o->why, 0);
		failed |= o->why.class != 0;
	}
}

static void run(struct prefetch *p)
{
	const struct source_list *l = &p->remote->sources;
	p->deadline_ms = source_list_deadline(l, true, LARGEST, 0);
	threads_run(THREADS, p->object_count, get_one, p);
	fold(p);
}

void prefetch_targets(struct remote *r, const struct str_list *paths)
{
	CLEANUP(prefetch_release) struct prefetch p = { .remote = r };
	p.source = r->offline ? NULL : choose(&r->sources);
	if (!p.source || paths->count < 2)
		return;
	p.packs = p.source->mirror->ops->packs;
	p.objects = mem_alloc(paths->count * sizeof *p.objects);
	p.wanted = mem_alloc(paths->count * sizeof *p.wanted);
	for (size_t i = 0; i < paths->count; i++)
		add(&p, paths->at[i]);
	if (p.object_count > 1)
		run(&p);
}
