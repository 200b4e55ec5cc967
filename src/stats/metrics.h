/*
 * The statistics for Prometheus. Labels are names of mirrors, models and variants, and small sets:
 * never a text of a log.
 *
 * Prefix: stats_metrics.
 */
#ifndef FERRY_STATS_METRICS_H
#define FERRY_STATS_METRICS_H

#include "db/db.h"
#include "util/metrics.h"

/* Models with the most downloads have labels of their own; all others together are "other". */
#define STATS_METRICS_MODELS 200

/* All that is in the database, appended. */
WARN_UNUSED int stats_metrics_make(struct db *db, struct buf *out, struct err *e);

#endif
