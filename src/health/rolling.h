/*
 * rolling: the rolling audit reads the bytes of a mirror's objects again and again, under a budget
 * of bytes a day, compares them with the signed pieces, and knows at any time which share of the
 * bytes was verified, and when.
 *
 * The unit is a piece (hash/grid.h); an object without known pieces is one unit. Metadata and
 * pointers, which each probe reads anyway, and empty objects are no part of it.
 *
 * ORDER. A ring has 2^64 positions. Each piece has one, which a hash keyed by a random key of this
 * mirror computes from the object's path, its SHA-256 and the piece's index: so the order is
 * unpredictable, it does not change when other objects come and go, and nothing has to be stored
 * for it. A cursor goes around the ring. The ring behind it is cut into at most ROLLING_ARCS arcs,
 * each with the time of the run in which the cursor passed it (of several runs: of the first one).
 *
 * WHEN A PIECE WAS VERIFIED is the time of its arc, unless
 *  - its object was first seen later than that: then never. First-seen times are kept for 65,536
 *    groups of objects, by their hash. A group whose sum over its objects changes counts as first
 *    seen in this run, all of it;
 *  - there is a note on this piece (at most ROLLING_NOTES): it was verified out of order, or is
 *    wrong, missing or unreadable, which counts as not verified.
 * Every approximation is on the safe side: a piece may have been verified later than is said, or
 * although "never" is said, but not the reverse. How much is lost by them:
 *  - joined arcs make a time too old by at most 2/(ROLLING_ARCS - 1) of the age of the oldest one
 *    (0.2 %: 5 hours in a lap of 100 days);
 *  - a release that adds or removes a objects of n resets on average a * n / 65,536 others;
 *  - when there are too many notes, those on the oldest pieces verified out of order go first. When
 *    all are on faults, the cursor waits: 8,192 bad pieces are one broken mirror.
 *
 * BUDGET. Two accounts, in bytes; a piece costs its length, but at least ROLLING_REQUEST, because
 * requests are not free. Both grow with the time since the last run, in whatever rhythm it runs:
 * the side account by a quarter of the budget a day, the lap's by the rest and by what the side
 * account has no room for. Each holds at most what it gets in a day (the lap's: the budget) and the
 * cost of one piece more. A piece is read when its account has its cost, or a whole day's amount if
 * that is less: so a piece larger than that has its turn at once, in the first run, too, and the
 * following days pay for it, at most ROLLING_DEBT_DAYS. A new state begins with a day's budget.
 * Hence in any D days, at most D + 1 budgets and one piece are read, and runs in quick succession
 * spend nothing twice.
 *  - The side account reads known faults again, first of all, the least recently read first, and
 *    then the pieces of what people fetch most (score: weight * age). While faults turn out to be
 *    mended, the lap's account pays for reading the others again, too.
 *  - The lap's account moves the cursor.
 * No piece is read again within ROLLING_REST_S, but known faults are.
 *
 * PROMISE. Each byte is read at least once in
 *     N = ceil((T + D + F) / (3/4 B) + 11/6) days
 * where T is the sum of all costs, D the possible debt (largest cost - 3/4 B, if positive), F the
 * costs of the known faults and B the budget, as long as it runs at least once a day and each run
 * has time to spend what it has: a full lap at the lap's rate, the rest, and the rhythm. If the
 * first term is at most 20 hours, N is 2.
 *
 * The state is a blob that the caller stores, below 1 MiB whatever the number of pieces.
 *
 * Prefixes: rolling_.
 */
#ifndef FERRY_HEALTH_ROLLING_H
#define FERRY_HEALTH_ROLLING_H

#include "health/health.h"
#include "util/clock.h"

#define ROLLING_MAX_BYTES MIB /* of an encoded state */
#define ROLLING_ARCS 1024
#define ROLLING_NOTES 8192
#define ROLLING_REQUEST (256 * KIB)
#define ROLLING_REST_S (20 * 3600)
#define ROLLING_DEBT_DAYS 30

/* The state of one mirror. */
struct rolling;
struct rolling *rolling_new(const struct random *random, int64_t now_s); /* NULL: the real one */
void rolling_free(struct rolling *r);
DEFINE_CLEANUP(struct rolling, rolling_free);
/* ERR_INTEGRITY for bytes that rolling_encode() has not made: the caller then says so, and begins
 * with rolling_new(). */
WARN_UNUSED int rolling_parse(const void *data, size_t len, struct rolling **out, struct err *e);
/* Appends at most ROLLING_MAX_BYTES. */
void rolling_encode(const struct rolling *r, struct buf *out);

/* What people fetch most. */
struct rolling_hot {
	struct digest sha256;
	uint64_t weight; /* e.g. downloads; at most 2^31 count */
};

struct rolling_options {
	uint64_t budget;  /* bytes a day, at least 1 MiB; 0: nothing is read */
	int64_t window_s; /* of coverage: "in the last 30 days" */
	const struct rolling_hot *hot;
	size_t hot_count;
	uint64_t deadline_us;        /* of clock_now_us(clock); 0: none */
	const struct clock *clock;   /* NULL: the real one */
	const struct cancel *cancel; /* or NULL; may be a token that the deadline sets, too */
};

/* Since the state began; they only grow. */
struct rolling_totals {
	uint64_t right, wrong, missing, unread; /* pieces, each time one was read */
	uint64_t bytes;                         /* that were read */
};

/* The pieces of the objects that the mirror should have now. */
struct rolling_coverage {
	uint64_t pieces, bytes;
	uint64_t verified; /* bytes, within the window */
	uint64_t never;    /* bytes not verified since they were first seen, faults left out */
	uint64_t overdue;  /* bytes not verified within the window, but first seen before it; faults
			      left out */
	int64_t oldest_s;  /* the oldest check; of what was never verified: when it was first seen.
			      0: there is no piece, or all have faults */
};

enum rolling_fault { ROLLING_WRONG, ROLLING_MISSING, ROLLING_UNREAD, ROLLING_FAULTS };

struct rolling_report {
	struct rolling_totals totals;
	struct rolling_coverage coverage;
	uint64_t faults[ROLLING_FAULTS]; /* pieces with a known fault now */
	uint64_t unread_long;            /* of the unread: at least 3 times in a row */
	/* The first fault by key and index of the gravest kind; key NULL: there is none. */
	struct {
		char *key; /* owned */
		enum rolling_fault kind;
		uint32_t piece;
		uint64_t offset, length; /* bytes */
		int64_t since_s;
		bool whole; /* it is the whole object */
	} first;
	char *error;           /* owned; why a piece could not be read in this run; or NULL */
	int64_t began_s;       /* the state */
	uint64_t pieces;       /* read in this run */
	uint64_t bytes;        /* the same */
	uint64_t reading_us;   /* time that it took; with bytes, the speed */
	uint64_t mended;       /* faults that were gone in this run */
	uint64_t promise_days; /* 0: none, because there is no budget */
	bool others_files;     /* of others, who may replace them: no damage (mirror_ops) */
};
void rolling_report_release(struct rolling_report *r);

/*
 * One run: takes note of the objects of t that the mirror should have, reads what the budget allows
 * until the deadline, and fills *out, also when it fails. Faults of the mirror are results: the run
 * ends after 3 pieces in a row that could not be read. Negative: ERR_CANCELLED, or a local problem
 * (ERR_SYSTEM); the state is valid and worth storing all the same.
 * Several mirrors may be read at once, each by one thread with a state of its own; t is shared.
 */
WARN_UNUSED int rolling_run(struct rolling *r, struct mirror *m, const struct tree *t,
			    const struct rolling_options *o, struct rolling_report *out,
			    struct err *e);

/*
 * Adds the findings: HEALTH_INTEGRITY (critical: wrong or missing bytes; a warning if they are
 * others' files, or if pieces could not be read for 3 times; unknown before the first piece was
 * read) and HEALTH_COVERAGE (a warning if more than 100 - warn_percent of the bytes are overdue, so
 * that neither a new mirror nor a large release is a fault). None without a budget.
 */
void rolling_find(const struct rolling_report *r, const struct rolling_options *o,
		  unsigned warn_percent, struct health_findings *out);

#endif
