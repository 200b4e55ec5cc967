/*
 * What servers count themselves: GitHub the downloads of each asset, CloudWatch the requests of a
 * bucket. They are shown beside the downloads of the logs and never added to them: GitHub does not
 * say what it counts as a download, and CloudWatch leaves requests out.
 *
 * Prefix: stats_counters.
 */
#ifndef FERRY_STATS_COUNTERS_H
#define FERRY_STATS_COUNTERS_H

#include "db/db.h"
#include "mirror/mirror.h"

/* Creates the tables that the others need. */
WARN_UNUSED int stats_counters_upgrade(struct db *db, struct err *e);

/* Does this mirror's server count anything? */
bool stats_counters_has(const struct mirror *m);
/* Asks it, and keeps the answer in place of an earlier one, in a transaction of its own. Of
 * traffic, the hours since the last answer are asked for, some of them again because they are
 * complete only later; at first, those of 90 days. */
WARN_UNUSED int stats_counters_import(struct db *db, struct mirror *m, int64_t now_s,
				      struct err *e);

/* By model: GitHub's downloads of all its model files on all mirrors. Borrowed for the call; a
 * negative return stops it. */
typedef int stats_counters_model_fn(void *ctx, const char *model, uint64_t downloads,
				    struct err *e);
WARN_UNUSED int stats_counters_models(struct db *db, stats_counters_model_fn *fn, void *ctx,
				      struct err *e);

/* By mirror: what CloudWatch has counted since since_s. */
struct stats_counters_traffic {
	const char *mirror;
	int64_t first_s, last_s; /* hours */
	uint64_t requests, bytes, failures;
};
typedef int stats_counters_traffic_fn(void *ctx, const struct stats_counters_traffic *t,
				      struct err *e);
WARN_UNUSED int stats_counters_traffic(struct db *db, int64_t since_s,
				       stats_counters_traffic_fn *fn, void *ctx, struct err *e);

#endif
