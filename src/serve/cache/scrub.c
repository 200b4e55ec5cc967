/* The cache's own thread: reads everything again, slowly, and remembers what is known. */
#include "serve/cache/cache_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"

#include <fcntl.h>
#include <string.h>

#define TICK_S 10
#define REMEMBER_S 60
#define BLOCK MIB
/* An object is due after this part of the time, and all of them can be read in the rest of it. */
#define DUE_PART 0.75
#define READ_PART 0.2
#define AGAIN_S 600                    /* until a file that could not be read is tried again */
#define LEAST_RATE ((double)(4 * MIB)) /* bytes a second */

/* ---- pauses ---- */

/* False: it is time to end. */
static bool pause_ms(struct cache *c, uint64_t ms)
{
	uint64_t now_ms = clock_now_ms(NULL), end_ms = now_ms + ms;
	pthread_mutex_lock(&c->lock);
	for (; !c->ending && now_ms < end_ms; now_ms = clock_now_ms(NULL))
		os_cond_wait(&c->wakes, &c->lock, (unsigned)(end_ms - now_ms));
	bool goes_on = !c->ending;
	pthread_mutex_unlock(&c->lock);
	return goes_on && cancel_signal(&c->stop) == 0;
}

/* ---- one object ---- */

struct reading {
	struct cache *c;
	struct digest sha256;
	struct stamp stamp; /* with which it was verified */
	double rate;
};

/* 0: it is right; 1: it was stopped; else the file is not what it was. */
static int read_all(const struct reading *r, int fd, const char *path, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *sum = sha256_new();
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(BLOCK);
	struct digest got;
	for (uint64_t at = 0; at < r->stamp.size; at += BLOCK) {
		size_t n = (size_t)MIN(BLOCK, r->stamp.size - at);
		int rc = file_pread(fd, data, n, at, path, e);
		if (rc < 0)
			return rc;
		sha256_add(sum, data, n);
		pthread_mutex_lock(&r->c->lock);
		r->c->counts.scrubbed_bytes += n;
		pthread_mutex_unlock(&r->c->lock);
		if (!pause_ms(r->c, (uint64_t)((double)n / r->rate * 1000)))
			return 1;
	}
	sha256_final(sum, &got);
	return digest_equal(&got, &r->sha256) ? 0
					      : err_set(e, ERR_INTEGRITY, "%s is damaged", path);
}

static void note_right(const struct reading *r)
{
	pthread_mutex_lock(&r->c->lock);
	struct object *o = cache_object_find(r->c, &r->sha256);
	if (o && o->right && cache_stamp_equal(&o->stamp, &r->stamp)) {
		o->checked_s = clock_wall_s(r->c->o.clock);
		r->c->changed = true;
	}
	pthread_mutex_unlock(&r->c->lock);
}

/* What is wrong is hashed once more by the store, which sets it aside. */
static void check(const struct reading *r)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(&r->c->store, &r->sha256);
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct err why = ERR_INIT;
	struct stamp s;
	bool same = fd >= 0 && cache_stamp_of(fd, &s) && cache_stamp_equal(&s, &r->stamp);
	int rc = same ? read_all(r, fd, path, &why) : -ERR_INTEGRITY;
	if (rc == 0)
		note_right(r);
	if (rc >= 0)
		return;
	cache_object_suspect(r->c, &r->sha256);
	(void)cache_object_verify(r->c, &r->sha256);
}

/* ---- which is next ---- */

/* A check in the future: the clock was set back since, and nobody knows how long ago it was. */
static int64_t last_check_s(const struct object *o, int64_t now_s)
{
	return o->checked_s <= now_s ? o->checked_s : 0;
}

/* With the lock: the one that was checked longest ago, or NULL. */
static struct object *longest_ago(struct cache *c, int64_t now_s)
{
	struct object *found = NULL;
	for (struct order_item *i = c->objects.oldest; i; i = i->newer) {
		struct object *o = (struct object *)i;
		if (!o->busy && (!found || last_check_s(o, now_s) < last_check_s(found, now_s)))
			found = o;
	}
	return found;
}

static bool find_due(struct cache *c, struct reading *out, bool *right)
{
	double period_s = (double)c->o.scrub_s;
	int64_t now_s = clock_wall_s(c->o.clock);
	pthread_mutex_lock(&c->lock);
	const struct object *o = c->o.scrub_s ? longest_ago(c, now_s) : NULL;
	double age_s = o ? (double)(now_s - last_check_s(o, now_s)) : 0;
	bool due = o && age_s >= (o->right ? period_s * DUE_PART : AGAIN_S);
	if (due) {
		double all = (double)(c->bytes + c->needed_bytes);
		*out = (struct reading){
			.c = c,
			.sha256 = o->item.sha256,
			.stamp = o->stamp,
			.rate = MAX(all / (period_s * READ_PART), LEAST_RATE),
		};
		*right = o->right;
	}
	pthread_mutex_unlock(&c->lock);
	return due;
}

void cache_scrub(struct cache *c)
{
	struct reading r;
	bool right;
	while (find_due(c, &r, &right)) {
		if (right)
			check(&r);
		else
			(void)cache_object_verify(c, &r.sha256);
		if (!pause_ms(c, 0))
			return;
	}
}

void *cache_keep(void *cache)
{
	struct cache *c = cache;
	uint64_t remembered_ms = clock_now_ms(NULL);
	while (pause_ms(c, TICK_S * 1000)) {
		if (clock_now_ms(NULL) - remembered_ms >= REMEMBER_S * 1000) {
			cache_note_needs(c);
			cache_remember(c);
			remembered_ms = clock_now_ms(NULL);
		}
		cache_protect(c);
		cache_scrub(c);
	}
	return NULL;
}
