/*
 * share: one object that several edges fetch at the same time, so that each piece comes from the
 * mirrors about once, and to the others from the edge that has it.
 *
 * Nobody leads. Each edge asks its peers a few times a second what they have and what is on its way
 * to them, and decides by itself who fetches a piece: of all edges that are at it, the one with the
 * highest hash of its number, the object and the piece (rendezvous hashing: all of them come to the
 * same result, and when one leaves, only its pieces move). A piece that a reader waits for does not
 * wait for that: the next edge in the order of the hashes takes it after SHARE_TURN_MS, unless it
 * is on its way somewhere.
 *
 * What always holds here:
 *  - an edge that is cut off, dies, or stands still for SHARE_STILL_MS only costs time;
 *  - when nothing comes for SHARE_STILL_MS, the mirrors are asked for everything.
 */
#ifndef FERRY_SERVE_CACHE_SHARE_H
#define FERRY_SERVE_CACHE_SHARE_H

#include "hash/grid.h"
#include "serve/cache/peers.h"

#define SHARE_LEAST (64 * KIB) /* smaller objects come from the mirrors */
#define SHARE_ASK_MS 100
#define SHARE_TURN_MS 500
#define SHARE_STILL_MS 30000

struct share_what {
	struct peers *peers;
	struct digest sha256;
	struct grid grid;
	const struct source_list *sources; /* as from peers_add_sources(); borrowed */
	const struct clock *clock;
};
struct share;
/* Asks all peers once, which waits for a second at most, and goes on to ask in a thread of its own.
 * NULL: the object is too small, or there is no peer. */
struct share *share_begin(const struct share_what *w);
void share_end(struct share *s);

/* A piece has come. */
void share_landed(struct share *s);
/* May this source be asked for the piece now? wanted: a reader waits for it. For engine_job.may:
 * the sources are locked. s may be NULL. */
bool share_may(struct share *s, const struct source *from, uint32_t piece, bool wanted);

/* The order of an edge among those that could fetch a piece: the largest fetches it. */
uint64_t share_weight(uint64_t edge, const struct digest *sha256, uint32_t piece);

#endif
