/*
 * An answer for load balancers and Prometheus: one small request at a time, over plain HTTP/1.1,
 * each connection for at most 2 seconds and one answer (RFC 9112). Prefixes: node_probe_
 */
#ifndef FERRY_NODE_PROBE_H
#define FERRY_NODE_PROBE_H

#include "util/buf.h"
#include "util/cancel.h"
#include "util/err.h"
#include "util/report.h"

#define NODE_PROBE_HEAD (4 * KIB)  /* of a request */
#define NODE_PROBE_PATH 64         /* longer paths are not found */
#define NODE_PROBE_BODY (16 * MIB) /* of an answer */

struct node_probe_request {
	char path[NODE_PROBE_PATH + 1]; /* without a query */
	bool head;                      /* HEAD: no body is sent */
};
/* The status to refuse it with, 0: none. 400: no request; 405: neither GET nor HEAD. data is the
 * head, up to its empty line. */
unsigned node_probe_parse(const char *data, size_t len, struct node_probe_request *out);

struct node_probe_answer {
	unsigned status; /* 200 */
	const char *type;
	struct buf body;
};
/* Answers a path; negative ends the server. */
typedef int node_probe_fn(void *ctx, const char *path, struct node_probe_answer *out,
			  struct err *e);

/* Listens at HOST:PORT or unix:PATH, or at what systemd hands over, until it is cancelled, or fn
 * fails. Says where on the report. ERR_USAGE for an address that is none. */
WARN_UNUSED int node_probe_serve(const char *listen, node_probe_fn *fn, void *ctx,
				 struct report *report, const struct cancel *cancel, struct err *e);

#endif
