/*
 * serve/cache: what an edge has.
 *
 *   view    the verified release of a repository
 *   cache   the objects of the store, and those on their way: opened, read, kept within bounds
 *   pull    one object on its way from the mirrors, whatever the number of readers
 *   peers   other edges, and which pieces they have
 *   scrub   reads everything again, slowly
 *
 * What always holds here:
 *  - a byte is handed out only after its piece, or its file, was verified against a signed list;
 *  - an object whose file changed since it was verified (size, times, inode) is not handed out: it
 *    is verified again, or fetched again;
 *  - an object is read from the mirrors once, whatever the number of readers;
 *  - opening and reading what is there never waits for the network, for Redis or for a lock that
 *    is held meanwhile.
 */
#ifndef FERRY_SERVE_CACHE_CACHE_H
#define FERRY_SERVE_CACHE_CACHE_H

#include "serve/cache/view.h"
#include "store/store.h"

struct cache;

struct settings_fetch;
struct peers;

struct cache_options {
	const char *home;   /* of the store */
	uint64_t size;      /* bytes of objects that only the edge needs; 0: no limit */
	uint64_t keep_free; /* bytes that stay free on the file system */
	uint64_t scrub_s;   /* every object is read again within this time; 0: never */
	unsigned pulls;     /* objects that are fetched at a time; 0: PULL_AT_A_TIME */
	/* Of pull.h, borrowed: where and how objects are fetched. kinds NULL: they are not, and
	 * only what is there can be opened. */
	const struct mirror_ops *const *kinds;
	const struct settings_repositories *repositories;
	const struct settings_fetch *fetch;
	struct peers *peers;         /* other edges; NULL: there are none */
	const struct random *random; /* NULL: the real one */
	const struct clock *clock;
	const struct cancel *cancel;
	struct report *report;
};
WARN_UNUSED int cache_new(const struct cache_options *o, struct cache **out, struct err *e);
/* Ends its threads. Every blob must be closed. */
void cache_free(struct cache *c);

/* An object: all of it is there, or it is on its way. Shared by its readers. */
struct cache_blob;

enum cache_how {
	CACHE_FETCH, /* what is missing is fetched */
	CACHE_HAVE,  /* only what is there: for peers, and HEAD */
};
/*
 * Opens an object of the view. Does not wait. ERR_NOT_FOUND: CACHE_HAVE, and nothing of it is
 * there; ERR_SYSTEM: the disk has no room for it.
 */
WARN_UNUSED int cache_open(struct cache *c, struct view *v, const struct view_file *f,
			   enum cache_how how, struct cache_blob **out, struct err *e);
void cache_close(struct cache_blob *b);

uint64_t cache_blob_size(const struct cache_blob *b);
bool cache_blob_was_there(const struct cache_blob *b); /* a hit: whole when it was opened */
/* The file, if all of it is there and has not changed since it was verified, for sendfile(); else
 * -1. Borrowed until cache_close(). Asks the file system (fstat) each time. Since cache_guard(),
 * only a file that nobody can change while it is sent. */
int cache_blob_fd(struct cache_blob *b);

/*
 * From now on, whoever wants to write to a file of cache_blob_fd() has to wait (by a lease of the
 * file) until `cut` was called: it ends, at once, what is being sent from the blob. A file whose
 * file system has no leases, or that somebody has open for writing, is read by cache_blob_read(),
 * which compares each part. cut is called from a thread of its own, and calls nothing of the cache.
 */
WARN_UNUSED int cache_guard(struct cache *c, void (*cut)(void *ctx, const struct cache_blob *b),
			    void *ctx, struct err *e);
/* cut is not called any more. */
void cache_unguard(struct cache *c);

/* How many verified bytes can be read at `offset` now: at most `length`. 0: none yet; negative:
 * *e is why they never come. */
WARN_UNUSED int64_t cache_blob_ready(struct cache_blob *b, uint64_t offset, uint64_t length,
				     struct err *e);
/* Reads them, up to the end of what is ready. Negative: they cannot be read, or have changed. */
WARN_UNUSED int64_t cache_blob_read(struct cache_blob *b, uint64_t offset, void *data,
				    uint64_t length, struct err *e);

/* Somebody waits for the byte at `offset`, and for what follows up to `end`: its piece is fetched
 * next. `wake` is called once, from any thread, when cache_blob_ready() has another answer than 0;
 * at once, if it has one already. It does not close the blob itself. */
struct cache_wait {
	struct cache_wait *next; /* the cache's */
	uint64_t offset, end;
	void (*wake)(void *ctx);
	void *ctx;
};
void cache_blob_wait(struct cache_blob *b, struct cache_wait *w);
/* After this, wake is not called any more. Safe if it was called already. */
void cache_blob_forget(struct cache_blob *b, struct cache_wait *w);

/* Which pieces are there: one bit each, the first in the highest bit. For peers. */
WARN_UNUSED int cache_blob_map(struct cache_blob *b, struct buf *out, struct err *e);
/* The same of those that are on their way. */
WARN_UNUSED int cache_blob_flying(struct cache_blob *b, struct buf *out, struct err *e);

/* Fetches it without a reader, behind those that have one. */
WARN_UNUSED int cache_preload(struct cache *c, struct view *v, const struct view_file *f,
			      struct err *e);
/* Removes it from the disk, unless a model of the store needs it (ERR_CONFLICT). Readers that have
 * it open keep it. */
WARN_UNUSED int cache_drop(struct cache *c, const struct digest *sha256, struct err *e);

/* For /v1/stats and /metrics. */
struct cache_stats {
	uint64_t objects, bytes, room;      /* that only the edge needs; room 0: no limit */
	uint64_t kept_objects, kept_bytes;  /* that models of the store need */
	uint64_t hits, misses, joined;      /* opened: whole, not there, on their way already */
	uint64_t fetched_bytes, peer_bytes; /* received and verified, from mirrors and from peers */
	uint64_t wasted_bytes;              /* received and not used */
	uint64_t wrong_pieces;              /* that a mirror or a peer sent */
	uint64_t evicted, evicted_bytes;
	uint64_t changed, rotten; /* files that changed under us; that the scrub found */
	uint64_t scrubbed_bytes;
	int64_t scrub_oldest_s; /* when the object checked longest ago was; 0: none */
	unsigned pulling, queued;
	uint64_t disk_free; /* bytes on the file system of the store; 0 also if it does not say */
	uint64_t keep_free; /* that are to stay so */
	unsigned peers_up, peers_down; /* answered when they were asked last, or not */
};
void cache_stats(struct cache *c, struct cache_stats *out);

#endif
