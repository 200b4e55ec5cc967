/*
 * The tables of the statistics, and how counts are added to them. Functions that write have to be
 * within a transaction.
 *
 *   stats_day      the days, and their salts while they are open (days.h)
 *   stats_mirror   names of mirrors, numbered from 0; the last number is for all further ones
 *   stats_object   model files that a catalog of ours has or had; part 0: the first file of its
 *                  variant, by which downloads of the variant are counted
 *   stats_path     their target paths
 *   stats_open     requests of open days, by day and object (group.h)
 *   stats_request  log lines by day, mirror, outcome and HTTP status
 *   stats_traffic  answers and bytes by day, object and mirror
 *   stats_download sessions by day of their first request, object, country, client and outcome;
 *                  live: of open days, made anew by each import
 *   stats_served   the same by mirror: a session counts for each mirror that took part
 *   stats_line     what became of the lines of logs, in all
 *   stats_mark     what was read of which log (log_source.h)
 *   stats_value    single numbers
 *   stats_total    what counters of metrics have reached: they never go back
 *
 * Day STATS_FOLDED has what was folded because it is older than is kept.
 *
 * Prefixes: stats_tables, stats_add.
 */
#ifndef FERRY_STATS_TABLES_H
#define FERRY_STATS_TABLES_H

#include "db/db.h"
#include "stats/tally.h"

#define STATS_FOLDED (-1)
#define STATS_OPEN_OUTCOME 3 /* of stats_download, beside enum stats_outcome: still open */

/* What a log line was; the values are in the database. */
enum stats_request_outcome { STATS_REQUEST_OK, STATS_REQUEST_FAILED, STATS_REQUEST_OTHER };

WARN_UNUSED int stats_tables_upgrade(struct db *db, struct err *e);

/* Keys: {day, mirror, outcome, status}; {day, object, mirror}; {day, object, mirror, outcome};
 * of downloads {day, object, country (two bytes), client, outcome}. */
WARN_UNUSED int stats_add_requests(struct db *db, const struct stats_tally *t, struct err *e);
WARN_UNUSED int stats_add_traffic(struct db *db, const struct stats_tally *t, struct err *e);
WARN_UNUSED int stats_add_downloads(struct db *db, const struct stats_tally *t, bool live,
				    struct err *e);
WARN_UNUSED int stats_add_served(struct db *db, const struct stats_tally *t, bool live,
				 struct err *e);
WARN_UNUSED int stats_add_line(struct db *db, const char *what, uint64_t count, struct err *e);

/* Single numbers; *value is unchanged if there is none. */
WARN_UNUSED int stats_tables_get(struct db *db, const char *name, int64_t *value, struct err *e);
WARN_UNUSED int stats_tables_put(struct db *db, const char *name, int64_t value, struct err *e);

/* Adds what is older than `before` (a day) up in one row each. */
WARN_UNUSED int stats_tables_fold(struct db *db, int64_t before, struct err *e);

#endif
