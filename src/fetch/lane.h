/*
 * lane: one source in a run of the engine: how many connections it gets, and how fast it is.
 *
 * One connection is enough where it is fast; else there are LANE_SMALL. From then on connections
 * double while that makes the source faster by a quarter, and go back when it does not; they are
 * halved when it fails. Speeds are measured, never assumed.
 *
 * Nothing here waits or locks: the engine's lock protects it, but for `got`, which every connection
 * adds to.
 */
#ifndef FERRY_FETCH_LANE_H
#define FERRY_FETCH_LANE_H

#include "fetch/source.h"

#define LANE_SMALL \
	4 /* connections that a source begins with for small files, or has if one is slow */
#define LANE_MOST 16 /* the default of the most that it gets */

struct lane {
	struct source *source;
	unsigned most;   /* connections */
	unsigned target; /* connections that it may have now */
	unsigned active; /* that it has */
	bool whole;      /* it ignores ranges: one connection reads each file from its start */
	bool doubtful;   /* it had faults before the run began */
	bool proving;    /* a piece of it is being verified, or one was right: others wait */
	bool slow;       /* too slow beside the others: it gets no pieces */

	_Atomic uint64_t got; /* bytes received in this run */
	uint64_t got_us;      /* when the rate was updated, */
	uint64_t got_then;    /* and what had been received */
	double rate;          /* bytes/s, of all of its connections; 0: not known */
	double piece_rate;    /* bytes/s with which it completes one piece; 0: not known */
	uint64_t answer_us;   /* to the first byte; 0: not known */
	uint64_t seen;        /* bytes received when lane_look() saw a change last, */
	uint64_t seen_us;     /* and when that was */
	uint64_t tried_us;    /* when it was given a piece although it is slow */

	/* Of the search for the number of connections. */
	bool trying;    /* the number was doubled: is it faster? */
	bool saturated; /* all connections were busy since: */
	uint64_t since_us;
	uint64_t since_got;
	double before;         /* bytes/s with half of them */
	uint64_t hold_us;      /* no other try before */
	uint64_t hold_span_us; /* how long that was put off last */
	uint64_t failed_us;    /* the last failure */
};

/* first: connections at the beginning. most 0: LANE_MOST. */
void lane_init(struct lane *l, struct source *s, unsigned first, unsigned most, uint64_t now_us);
/* Measures; from time to time. */
void lane_tick(struct lane *l, uint64_t now_us);
/* A connection begins or ends: while one is unused, nothing is learned about the best number. */
void lane_begin(struct lane *l, uint64_t now_us);
void lane_end(struct lane *l);
/* A connection failed that began at that time. Several that fail together are one failure: false
 * for all but the first. */
bool lane_failed(struct lane *l, uint64_t began_us, uint64_t now_us);
/* While nothing comes for seconds, it gets another connection, up to LANE_SMALL: one that stands
 * still is not to hold up all others. */
void lane_look(struct lane *l, uint64_t now_us);
/* The first byte of an answer came so long after the request. */
void lane_answered(struct lane *l, uint64_t took_us);
/* A piece of so many bytes arrived after this time. */
void lane_landed(struct lane *l, uint64_t bytes, uint64_t took_us);
/* Seconds that it is going to take for a piece; 0: not known. */
double lane_piece_s(const struct lane *l, uint64_t bytes);

#endif
