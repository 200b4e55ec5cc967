/*
 * What is asked of the statistics: tables of downloads by something, and the objects that are asked
 * for most.
 *
 * Prefixes: stats_report, stats_hot.
 */
#ifndef FERRY_STATS_REPORT_H
#define FERRY_STATS_REPORT_H

#include "db/db.h"
#include "hash/sha256.h"

enum stats_report_by {
	STATS_BY_MODEL,
	STATS_BY_VARIANT,
	STATS_BY_DAY,
	STATS_BY_WEEK, /* its Monday */
	STATS_BY_COUNTRY,
	STATS_BY_MIRROR, /* a session counts for each mirror that took part */
	STATS_BY_CLIENT,
	STATS_BY_STATUS, /* log lines by HTTP status */
};
#define STATS_REPORT_BY "model variant day week country mirror client status"

struct stats_report_row {
	char *name; /* "unknown" for a country that is not known, "earlier" for folded days */
	/* Sessions; open: the window has not ended, and it is not complete. Of STATS_BY_STATUS 0.
	 */
	uint64_t complete, partial, failed, open;
	uint64_t bytes; /* of sessions; of STATS_BY_MIRROR and STATS_BY_STATUS as sent */
	/* Log lines, of STATS_BY_MIRROR and STATS_BY_STATUS. */
	uint64_t requests, failures;
};
struct stats_report {
	struct stats_report_row *at;
	size_t count, cap;
};
void stats_report_release(struct stats_report *r);

/* Rows of the days since `since` (0: all) and before `until`, ordered by name for days, weeks and
 * status, else by downloads. */
WARN_UNUSED int stats_report_read(struct db *db, enum stats_report_by by, int64_t since,
				  int64_t until, struct stats_report *out, struct err *e);
/* For what is published: rows of fewer than STATS_REPORT_FEW sessions become one, "other", with
 * further ones, the smallest first, if it is still that small; or none. */
#define STATS_REPORT_FEW 5
void stats_report_fold(struct stats_report *r);

/* Of each mirror that logs were imported of, when its newest request was made: calls fn. 0: none
 * was. */
typedef void stats_report_newest_fn(void *ctx, const char *mirror, int64_t newest_s);
WARN_UNUSED int stats_report_newest(struct db *db, stats_report_newest_fn *fn, void *ctx,
				    struct err *e);

/* The objects with the most downloads since that day, at most `max`. */
struct stats_hot {
	struct digest sha256;
	uint64_t downloads;
};
WARN_UNUSED int stats_hot(struct db *db, int64_t since, size_t max, struct stats_hot *out,
			  size_t *count, struct err *e);

#endif
