/* What a run has found, as metrics for Prometheus. */
#ifndef FERRY_HEALTH_METRICS_H
#define FERRY_HEALTH_METRICS_H

#include "health/run.h"
#include "util/metrics.h"

/* What is known of an [alert.NAME]. */
struct health_metrics_alert {
	const char *name;
	uint64_t failures; /* notifications that could not be sent, ever */
};

/* All metrics of these reports. */
void health_metrics(const struct health_report *reports, size_t count,
		    const struct health_metrics_alert *alerts, size_t alert_count, struct buf *out);

#endif
