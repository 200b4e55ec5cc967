/* Shared by the files of operate; not for others. */
#ifndef FERRY_SERVE_OPERATE_INTERNAL_H
#define FERRY_SERVE_OPERATE_INTERNAL_H

#include "serve/edge.h"

/* All that the parts of an edge count, taken at one time. */
struct operate_numbers {
	const struct edge *edge;
	struct cache_stats cache;
	struct auth_stats auth;
	struct limit_stats limit;
	uint64_t log_lost;
	size_t waiting; /* jobs for a worker */
};
void operate_collect(struct edge *e, struct operate_numbers *out);

/* Of `status` of struct edge_counts: "2xx"; "left" for those who left first. */
extern const char *const operate_classes[6];

#endif
