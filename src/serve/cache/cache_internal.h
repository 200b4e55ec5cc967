/* Shared by cache.c, open.c, objects.c, evict.c, remember.c, scrub.c, small.c, verity.c and
 * guard.c; not for others. */
#ifndef FERRY_SERVE_CACHE_INTERNAL_H
#define FERRY_SERVE_CACHE_INTERNAL_H

#include "serve/cache/cache.h"
#include "serve/cache/order.h"
#include "serve/cache/pull.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a file was like when it was verified. While it is the same, nobody has written to it: a
 * change of the content, the size or the times moves the time of the last change, which nobody can
 * set. */
struct stamp {
	uint64_t size, modified_ns, changed_ns, inode;
};
/* Both are false unless it is a regular file; the path may not be a link either. */
bool cache_stamp_of(int fd, struct stamp *out);
bool cache_stamp_at(const char *path, struct stamp *out);
bool cache_stamp_equal(const struct stamp *a, const struct stamp *b);
/* Has the open file no name any more? */
bool cache_is_nameless(int fd);

/* A file below blobs/. */
struct object {
	struct order_item item; /* first, so that one is the other */
	struct stamp stamp;
	bool right;     /* it was verified, and had this stamp; false: it is verified before
			   anybody reads it */
	bool needed;    /* a model of the store needs it */
	bool busy;      /* being hashed */
	bool protected; /* by fs-verity, or that was tried */
	int64_t used_s, checked_s;
	struct cache_blob *whole; /* that its readers share, or NULL */
};

/* Room that was promised to a pull. */
struct promise {
	struct digest sha256;
	uint64_t bytes;
	uint64_t before; /* bytes of it that were on the disk then */
};

struct cache {
	struct cache_options o;
	struct store store;
	struct pulls *pulls; /* NULL: nothing is fetched */
	int lock_fd;
	pthread_mutex_t lock; /* held for moments: of everything below */
	struct order objects;
	uint64_t bytes, needed_bytes;
	size_t needed_count;
	struct promise *promises;
	size_t promise_count, promise_cap;
	uint64_t promised;
	struct cache_stats counts;   /* only what is counted here */
	bool changed;                /* since it was remembered */
	bool no_verity;              /* the file system has no fs-verity */
	pthread_mutex_t making_room; /* one at a time; before `lock` */

	struct cache_guard {
		pthread_t thread;
		bool runs;
		atomic_bool ends;
		atomic_long id; /* of the thread; 0: nothing is guarded */
		void (*cut)(void *ctx, const struct cache_blob *b);
		void *ctx;
		struct cache_blob *blobs; /* with a lease */
	} guard;

	pthread_t keeper;
	bool has_keeper, ending;
	pthread_cond_t wakes;
	struct cancel stop;
};

struct cache_blob {
	struct cache *cache;
	unsigned refs; /* under the lock, if it is shared */
	struct digest sha256;
	uint64_t size;
	struct object *object; /* under the lock; NULL: it is no longer known */
	int fd;                /* of the whole file, or -1 */
	struct stamp stamp;
	struct pull *pull;        /* or NULL; then it has one reader */
	struct cache_blob *whole; /* what the pull has made, once it has ended */
	bool was_there;
	atomic_bool changed;
	atomic_bool leased;
	struct cache_blob *next_leased, **at_leased; /* under the lock */
};

/* ---- objects.c; with the lock, unless it says otherwise ---- */

struct object *cache_object_find(struct cache *c, const struct digest *d); /* or NULL */
/* Sets what is known of it; adds it if it is new, as the newest. */
struct object *cache_object_put(struct cache *c, const struct digest *d, const struct stamp *s,
				bool right);
void cache_object_forget(struct cache *c, struct object *o);
void cache_object_need(struct cache *c, struct object *o, bool needed);
/* Without the lock: a file that is in the store becomes an object, if it is as it was verified.
 * False: there is none. */
bool cache_object_adopt(struct cache *c, const struct digest *d);
/* Without the lock: hashes it, and sets a wrong one aside. True: it is right now. */
bool cache_object_verify(struct cache *c, const struct digest *d);
/* Without the lock: it was fetched, and verified, a moment ago. */
void cache_object_arrived(struct cache *c, const struct digest *d);
/* Without the lock: all that the store has. */
void cache_objects_load(struct cache *c);
/* Without the lock: its file is not what was verified. */
void cache_object_suspect(struct cache *c, const struct digest *d);

/* ---- evict.c, without the lock ---- */

/* The callback of pulls_options. */
WARN_UNUSED int cache_make_room(void *ctx, const struct digest *sha256, uint64_t bytes,
				struct err *e);
/* The room is taken, or not needed any more. */
void cache_room_taken(struct cache *c, const struct digest *sha256);
/* What came into the store by another way, or was begun earlier, may be too much. */
void cache_keep_within(struct cache *c);
/* Which objects models of the store need. */
void cache_note_needs(struct cache *c);

/* ---- remember.c, without the lock ---- */

/* Only of objects whose file is as it was. */
void cache_recall(struct cache *c);
void cache_remember(struct cache *c);

/* ---- scrub.c ---- */

void *cache_keep(void *cache);
/* Checks what is due. */
void cache_scrub(struct cache *c);

/* ---- guard.c, without the lock ---- */

/* Of a new blob with a file, before anybody else has it: tries to get a lease. */
void cache_guard_blob(struct cache_blob *b);
/* Before its file is closed. */
void cache_guard_forget(struct cache_blob *b);

/* ---- verity.c, without the lock ---- */

/* Files that nobody reads at the moment get fs-verity, where the file system has it. */
void cache_protect(struct cache *c);

/* ---- small.c; a callback of pulls_options ---- */

/* All bytes of a small object (a card, a manifest). Waits for the network. */
WARN_UNUSED int cache_small(void *ctx, struct view *v, const struct view_file *f, struct buf *out,
			    struct err *e);

#endif
