/*
 * costs: what the mirrors of a repository cost in a month: what is stored on them by the tree, what
 * readers took by the statistics, and prices.
 */
#ifndef FERRY_CLI_COSTS_H
#define FERRY_CLI_COSTS_H

#include "cli/publisher.h"
#include "cost/prices.h"

#define COSTS_DAYS 30 /* the period, unless a month is named; and the days of audits in a month */

/* Days since 1970: from the first one to that before `until`. */
struct costs_period {
	int64_t from, until;
};

/* What the numbers of readers are. */
enum costs_basis {
	COSTS_NONE,       /* not known */
	COSTS_STATISTICS, /* counted from logs */
	COSTS_ESTIMATE,   /* from a number of downloads that was given */
};

struct costs_mirror {
	const struct settings_mirror *settings;  /* borrowed */
	const struct settings_cost_price *price; /* borrowed; NULL: none is known */
	struct cost_usage usage;                 /* with the audits */
	uint64_t files;                          /* stored */
	uint64_t audit_bytes;                    /* of usage.egress */
	bool listed;                             /* the mirror said what it holds */
	uint64_t old_bytes;                      /* of usage.stored: superseded versions */
	uint64_t other_bytes;                    /* of usage.stored: what is not of this release,
						    if it was listed */
	uint64_t bound_bytes;                    /* of these: charged even if they are removed */
	/* By the price; 0 without one. */
	struct cost_bill bill;
	uint64_t old_versions, others, audits; /* what they add to the bill */
};

struct costs {
	struct settings_cost settings;
	struct settings_mirrors mirrors;
	struct costs_period period;
	enum costs_basis basis;
	int64_t begin;                      /* of the statistics, a day since 1970; 0: not known */
	uint64_t downloads, download_bytes; /* of the estimate: how many, and of how many bytes
					       each on average */
	struct costs_mirror *at;
	size_t count;
	size_t *order; /* indices of those that readers use, in the order of the catalog */
	size_t order_count;
	struct str_list unknown; /* mirrors in the statistics, but not in ferry.conf */
	struct cost_bill sum;
	uint64_t old_versions, others, audits;
	size_t unpriced;
};
void costs_release(struct costs *c);

struct costs_how {
	struct costs_period period;
	bool estimate;        /* instead of statistics */
	uint64_t downloads;   /* of the estimate, in a month */
	const char *database; /* --database, or NULL */
	int64_t now_s;
	bool list; /* ask the mirrors of the publisher what they hold */
};
/* Of the publisher, which was opened with its tree and, to list, with its mirrors; what cannot be
 * listed is a warning, and counts as the release. Releases nothing on errors: the caller does. */
WARN_UNUSED int costs_read(struct cli *cli, const struct publisher *p, const struct costs_how *how,
			   struct costs *out, struct err *e);

/* What all of them would cost if readers tried the mirrors in the order of these names, separated
 * by commas; those that are not named follow. ERR_USAGE for an unknown name. */
WARN_UNUSED int costs_reordered(const struct costs *c, const char *names, struct cost_bill *sum,
				struct str_list *order, struct err *e);

#endif
