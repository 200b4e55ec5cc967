/* What node/standing.h finds, as metrics for Prometheus. Prefixes: node_gauges_ */
#ifndef FERRY_NODE_GAUGES_H
#define FERRY_NODE_GAUGES_H

#include "node/standing.h"
#include "util/metrics.h"

void node_gauges_add(const struct node_standing *s, int64_t now_s, struct buf *out);

#endif
