/*
 * fleet: one object that several edges fetch at the same time, so that each piece comes from the
 * mirrors about once, and to the others from the edge that has it.
 *
 * Nobody leads. Each edge asks its peers a few times a second what they have and what is on its way
 * to them, and decides by itself who fetches a piece from a mirror: of all edges that are fetching
 * the object, the one with the highest hash of its number, the object and the piece (rendezvous
 * hashing: all edges come to the same result, and when one leaves, only its pieces move). A piece
 * that a reader waits for does not wait long for that edge: if nobody has begun to fetch it, the
 * next edge in the order of the hashes does after FLEET_TURN_MS.
 *
 * The edges may share the line to the mirrors. While nobody has a piece, an edge whose readers wait
 * for one that another edge fetches leaves the line to that, for FLEET_FIRST_MS at most. Later, no
 * edge runs far ahead of the first piece that nobody has: that one would only come later, and the
 * readers with it.
 *
 * What always holds here:
 *  - an edge that is cut off, dies, or stands still for FLEET_STILL_MS only costs time; one that
 *    does not answer for less than FLEET_SILENT_MS is busy, and what it said last is believed;
 *  - when nothing comes for FLEET_STILL_MS, the mirrors are asked for everything.
 */
#ifndef FERRY_SERVE_CACHE_FLEET_H
#define FERRY_SERVE_CACHE_FLEET_H

#include "hash/grid.h"
#include "serve/cache/peers.h"

#define FLEET_LEAST (64 * KIB) /* smaller objects come from the mirrors */
#define FLEET_ASK_MS 100
#define FLEET_ASK_SOON_MS 12 /* for each peer, while a reader waits for a piece of one of them */
#define FLEET_TURN_MS 500
#define FLEET_FIRST_MS 2000
#define FLEET_AHEAD 2     /* pieces for each edge, beyond the first one that nobody has, */
#define FLEET_GAP_MS 5000 /* as long as that one comes within this time */
#define FLEET_STILL_MS 30000
#define FLEET_SILENT_MS 10000

struct fleet_what {
	struct peers *peers;
	struct digest sha256;
	struct grid grid;
	const struct source_list *sources; /* as from peers_add_sources(); borrowed */
	const struct clock *clock;
};
struct fleet;
/* Asks all peers once, which waits for a second at most, and goes on to ask in a thread of its own.
 * NULL: the object is too small, or there is no peer. */
struct fleet *fleet_begin(const struct fleet_what *w);
void fleet_end(struct fleet *s);

/* A piece has arrived. */
void fleet_landed(struct fleet *s, uint32_t piece);
/* May this source be asked for the piece now? wanted: a reader waits for it. For engine_job.may:
 * the sources are locked. s may be NULL. */
bool fleet_may(struct fleet *s, const struct source *from, uint32_t piece, bool wanted);

/* The hash that orders the edges which could fetch a piece: the one with the largest does. */
uint64_t fleet_weight(uint64_t edge, const struct digest *sha256, uint32_t piece);

#endif
