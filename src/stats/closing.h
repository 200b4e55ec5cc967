/*
 * Days come to an end, and sessions are counted.
 *
 * Prefix: stats_closing.
 */
#ifndef FERRY_STATS_CLOSING_H
#define FERRY_STATS_CLOSING_H

#include "db/db.h"
#include "stats/days.h"
#include "stats/known.h"

struct stats_closing {
	struct db *db;
	const struct stats_known *known;
	struct stats_days *days;
	int64_t now_s;                      /* of the clock */
	uint64_t days_closed, shared, open; /* out */
	int64_t due_s; /* out: when the first of the open sessions ends; INT64_MAX: none is open */
};

/* Closes the days that are over, in their order, each in a transaction of its own: its sessions
 * are counted for good, its requests deleted, its salt destroyed. */
WARN_UNUSED int stats_closing_days(struct stats_closing *c, struct err *e);
/* Counts the sessions of the days that are open anew. Within a transaction. */
WARN_UNUSED int stats_closing_live(struct stats_closing *c, struct err *e);

#endif
