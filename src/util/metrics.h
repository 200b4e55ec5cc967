/*
 * Metrics in Prometheus' text format, version 0.0.4, as the textfile collector of node_exporter
 * reads it: https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * Label values are escaped; they have to be from a small set that does not grow with traffic: never
 * an address, a path or another text of a client.
 */
#ifndef FERRY_UTIL_METRICS_H
#define FERRY_UTIL_METRICS_H

#include "util/buf.h"

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM };

/* A metric. Every one that a command can write is in a table of these, so that rules and dashboards
 * can be compared with them. */
struct metric {
	const char *name; /* "ferry_mirror_up"; a counter ends in "_total" */
	enum metrics_type type;
	const char *help; /* a sentence without a full stop */
};

#define METRICS_MAX_BYTES (16 * MIB)

/* "# HELP" and "# TYPE": once for each metric, in front of its values. */
void metrics_begin(struct buf *out, const struct metric *m);
/* One value. labels: name, value, name, value, …, NULL; or NULL. */
void metrics_add(struct buf *out, const struct metric *m, const char *const *labels, double value);
/* All values of a histogram: `counts` of those that are greater than the bound before and at most
 * that of the same index, the last of which is infinite. */
void metrics_histogram(struct buf *out, const struct metric *m, const double *bounds,
		       const uint64_t *counts, size_t count, double sum);
/* Both, for a metric with one value without labels. */
void metrics_single(struct buf *out, const struct metric *m, double value);
/* Writes the file for the collector: whole or not at all, readable for everybody. "-" is not
 * special. ERR_INTEGRITY if it is too large. */
WARN_UNUSED int metrics_write(const char *path, const struct buf *text, struct err *e);

#endif
