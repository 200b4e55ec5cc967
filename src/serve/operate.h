/*
 * operate: what those who run an edge ask it.
 *
 *   GET /healthz          may it be sent requests? For everybody, so that it names no repository
 * and no mirror. 503 before there is a release to serve, and while it stops. /healthz?live: 200 as
 * long as the process answers GET /metrics          for Prometheus; scope "metrics" GET /v1/stats
 * the same numbers as JSON (schemas/edge-stats.schema.json); "metrics" GET /v1/events        what
 * happens, as server-sent events (events.h); "admin" POST /v1/preload      {"models":
 * ["[REPOSITORY/]MODEL[:VARIANT][@VERSION]", …]}: fetches them without a reader; "preload". 202;
 * any other status: nothing is begun. 404 also for models that the key does not allow DELETE
 * /v1/cache/HEX  removes an object from the disk; "admin". 204; 409: a model of the store needs it
 *
 * These are answers of struct route_service (route.h). Prefixes: operate_.
 */
#ifndef FERRY_SERVE_OPERATE_H
#define FERRY_SERVE_OPERATE_H

#include "serve/route.h"

#define OPERATE_DROP "/v1/cache/"
#define OPERATE_MAX_MODELS 256 /* of a preload */

void operate_health(struct edge *e, const struct route_request *r, struct face_answer *out,
		    struct route_stream **stream);
void operate_metrics(struct edge *e, const struct route_request *r, struct face_answer *out,
		     struct route_stream **stream);
void operate_stats(struct edge *e, const struct route_request *r, struct face_answer *out,
		   struct route_stream **stream);
void operate_events(struct edge *e, const struct route_request *r, struct face_answer *out,
		    struct route_stream **stream);
void operate_preload(struct edge *e, const struct route_request *r, struct face_answer *out,
		     struct route_stream **stream);
void operate_drop(struct edge *e, const struct route_request *r, struct face_answer *out,
		  struct route_stream **stream);

#endif
