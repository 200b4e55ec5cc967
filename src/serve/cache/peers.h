/*
 * peers: the other edges of a fleet. Each is asked over HTTP, as an edge asks a mirror:
 *
 *   GET /v1/have/HEX             which pieces of an object it has, and which are on their way there
 *   GET /NAME/targets/…          the pieces (RFC 9110 ranges)
 *
 * both with the header "Ferry-Peer: 1": a peer answers with what it has, and never asks anybody on
 * behalf of a peer, so that no request goes in a circle.
 *
 * What always holds here:
 *  - what a peer says is signed by nobody: a wrong piece is found by the grid, like that of a
 *    mirror, and a wrong map costs a request that fails;
 *  - the key goes to peers that were configured, and never to those that DNS names;
 *  - an edge that is in its own list (by its name in DNS) is recognised, and not asked again.
 */
#ifndef FERRY_SERVE_CACHE_PEERS_H
#define FERRY_SERVE_CACHE_PEERS_H

#include "fetch/source.h"
#include "util/buf.h"

#define PEERS_MAX 32
#define PEERS_SRV_S 60 /* between two questions to DNS */
#define PEERS_MAP (GRID_MAX_PIECES / 8)
#define PEERS_ANSWER_MAX (8 * KIB) /* bytes of what a peer has */

struct peers;
struct peer;

struct peers_options {
	const struct str_list *urls; /* of the configured ones; borrowed while peers_new() runs */
	const char *srv;             /* DNS name whose SRV records name more; NULL: none */
	const char *key;             /* secret; NULL: none */
	const struct http_access_list *access; /* certificates for https; NULL: none */
	const struct mirror_ops *const *kinds; /* borrowed, as the following */
	const struct clock *clock;
	const struct cancel *cancel;
	struct report *report;
};
/* ERR_USAGE for a URL that is none. Asks nobody; with srv, a thread asks DNS from now on. */
WARN_UNUSED int peers_new(const struct peers_options *o, struct peers **out, struct err *e);
void peers_free(struct peers *p);
DEFINE_CLEANUP(struct peers, peers_free);

/* A random number of this edge in this run, by which peers know it. */
uint64_t peers_self(const struct peers *p);
/* Changes with the list. */
unsigned peers_generation(struct peers *p);

/* Appends a source for each peer that there is now, for objects of this repository. Asks nobody. */
void peers_add_sources(struct peers *p, const char *repository, struct source_list *l);
/* The peer behind a source that peers_add_sources() added; NULL: the source is no peer. */
struct peer *peers_of(struct peers *p, const struct source *s);

/* -- what a peer has -------------------------------------------------------------------------- */

struct peers_have {
	uint64_t edge; /* peers_self() of the peer */
	uint32_t count;
	/* One bit for each piece, the first in the highest bit. */
	unsigned char have[PEERS_MAP], flying[PEERS_MAP];
};
/* Reads an answer, which is foreign bytes, about an object of `count` pieces. False: it is
 * malformed, or is about another number of pieces. */
bool peers_have_parse(const void *data, size_t len, uint32_t count, struct peers_have *out);
/* The answer of this edge, from two maps. Replaces out. */
WARN_UNUSED int peers_have_write(uint64_t self, uint32_t count, const struct buf *have,
				 const struct buf *flying, struct buf *out, struct err *e);
bool peers_bit(const unsigned char *map, uint32_t piece);

/* Connections to peers, for one thread. */
struct peers_asker;
struct peers_asker *peers_asker_new(struct peers *p);
void peers_asker_free(struct peers_asker *a);
enum peers_answer {
	PEERS_NONE,   /* the peer has nothing of the object, is this edge itself, gave no valid
			 answer, or could not be reached; it is then not asked for a while */
	PEERS_SILENT, /* it did not answer in time, now or a moment ago: busy, or gone */
	PEERS_ANSWER,
};
/* Asks a peer; waits for a second at most. */
enum peers_answer peers_ask(struct peers_asker *a, struct peer *peer, const struct digest *sha256,
			    uint32_t count, struct peers_have *out);

/* For /metrics: how many are known, and how many answered when they were asked last. */
void peers_count(struct peers *p, unsigned *known, unsigned *up);

#endif
