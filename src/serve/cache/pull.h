/*
 * pull: objects on their way from the mirrors into the store, each of them once, whatever the
 * number of readers, who read pieces as soon as those are verified.
 *
 * What always holds here:
 *  - a byte is handed out only after its piece was verified against the signed manifest and is on
 *    the disk; of a file whose pieces are not listed, only after all of it was;
 *  - there is one run of the engine (fetch/engine.h) for an object. Pieces that readers wait for
 *    come first, then the file in order, to its end: also when its readers have left meanwhile;
 *  - objects that have readers are fetched before those that have none;
 *  - what was verified is kept, whatever happens: the next pull of the object, in this process or
 *    in another one (`ferry fetch`), goes on with it;
 *  - a source that sent wrong bytes is not asked by any pull for PULL_BAN_S; if no other is left,
 *    for PULL_BAN_LEAST_S, which doubles with each time that it does so again.
 *
 * The bytes of an object come from the release's mirrors, the endpoints of its repository, and from
 * peers. All functions may be called from any thread. Only those that say so wait for the network;
 * the others take locks for moments.
 *
 * Prefixes: pulls_, pull_.
 */
#ifndef FERRY_SERVE_CACHE_PULL_H
#define FERRY_SERVE_CACHE_PULL_H

#include "serve/cache/cache.h"
#include "serve/cache/peers.h"
#include "settings/fetch.h"

#define PULL_BAN_S 3600
#define PULL_BAN_LEAST_S 60
#define PULL_AT_A_TIME 4

struct pulls;
struct pull;

struct pulls_options {
	const struct store *store; /* borrowed, as all below */
	const struct mirror_ops *const *kinds;
	const struct settings_repositories *repositories; /* for their endpoints */
	const struct settings_fetch *fetch;               /* how mirrors are reached */
	unsigned pulls;                                   /* objects at a time; 0: PULL_AT_A_TIME */
	const struct clock *clock;
	const struct random *random;
	const struct cancel *cancel;
	struct report *report;
	struct peers *peers; /* NULL: there are none */

	/*
	 * What the cache does for pulls; called from their threads. Each may be NULL.
	 *
	 * room: makes room for so many bytes, before an object is begun. Its error ends the pull.
	 * small: reads all bytes of a manifest, verified; NULL: pulls_read_small() does.
	 * ended: the object is in the store (why->class 0), before any reader is told; or its pull
	 * failed.
	 */
	int (*room)(void *ctx, const struct digest *sha256, uint64_t bytes, struct err *e);
	int (*small)(void *ctx, struct view *v, const struct view_file *f, struct buf *out,
		     struct err *e);
	void (*ended)(void *ctx, const struct digest *sha256, uint64_t size, const struct err *why);
	void *ctx;
};
WARN_UNUSED int pulls_new(const struct pulls_options *o, struct pulls **out, struct err *e);
/* Stops, then frees. Every pull must be closed before. */
void pulls_free(struct pulls *p);
DEFINE_CLEANUP(struct pulls, pulls_free);
/* Ends all that is on its way; verified pieces stay. Readers that have pulls open get
 * ERR_CANCELLED. */
void pulls_stop(struct pulls *p);

enum pull_urgency {
	PULL_PRELOAD, /* nobody waits: after those with readers. After a network error it is tried
			 again a minute or more later */
	PULL_READER,  /* a reader waits. After a network error it is tried again a second later, as
			 long as a reader waits and some of it has arrived */
};
/* Begins to fetch an object, or joins a pull that does. An object that failed a moment ago is not
 * begun again at once: its readers get that error. Does not wait, and does not look into the
 * store: a blob that is there already is found later, and read like one that has arrived. */
struct pull *pull_open(struct pulls *p, struct view *v, const struct view_file *f,
		       enum pull_urgency urgency);
/* Joins the pull of an object that is on its way, or that another reader still has open. NULL:
 * there is none. */
struct pull *pull_find(struct pulls *p, const struct digest *sha256);
void pull_close(struct pull *p);

uint64_t pull_size(const struct pull *p);
/* Is it in the store? */
bool pull_is_whole(const struct pull *p);
/* As the functions of cache_blob (cache.h). */
WARN_UNUSED int64_t pull_ready(struct pull *p, uint64_t offset, uint64_t length, struct err *e);
WARN_UNUSED int64_t pull_read(struct pull *p, uint64_t offset, void *data, uint64_t length,
			      struct err *e);
void pull_wait(struct pull *p, struct cache_wait *w);
void pull_forget(struct pull *p, struct cache_wait *w);
WARN_UNUSED int pull_map(struct pull *p, struct buf *out, struct err *e);
/* The same for the pieces that are on their way. */
WARN_UNUSED int pull_flying(struct pull *p, struct buf *out, struct err *e);

/* All of a small object, from the first source that has the right bytes. Waits for the network.
 * Replaces out, which has no limit but the size. */
WARN_UNUSED int pulls_read_small(struct pulls *p, struct view *v, const struct view_file *f,
				 struct buf *out, struct err *e);

struct pulls_stats {
	unsigned pulling, queued;
	uint64_t fetched_bytes, peer_bytes; /* verified: of mirrors, of peers */
	uint64_t wasted_bytes;              /* received and not used */
	uint64_t wrong_pieces;              /* that a mirror or a peer sent */
	uint64_t resumed_bytes;             /* of earlier runs */
	uint64_t done, failed;              /* objects */
};
void pulls_stats(struct pulls *p, struct pulls_stats *out);

#endif
