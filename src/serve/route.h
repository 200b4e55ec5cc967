/*
 * route: who answers a request: a service of the edge itself (/healthz, /metrics, /v1/…), or the
 * faces (face/face.h). And what a path is: decoded once, and refused if it could mean two things.
 *
 * Prefixes: route_.
 */
#ifndef FERRY_SERVE_ROUTE_H
#define FERRY_SERVE_ROUTE_H

#include "serve/edge.h"

/*
 * The path and the query of a request's target, which is foreign bytes: "/a%20b?c" or
 * "http://host/a%20b?c". False, for 400, if a '%' is not followed by two hex digits, if it decodes
 * to a NUL, another control character or a '/', if a part is "." or "..", or if there is none. The
 * caller frees *path; *query is borrowed from target, or NULL.
 */
WARN_UNUSED bool route_path(const char *target, char **path, const char **query);

struct route_request {
	const char *method, *path, *query; /* as in struct face_request */
	const char *body;                  /* of POST, with a NUL behind it; or NULL */
	size_t body_len;
	const char *last_event; /* Last-Event-ID, or NULL */
	const char *base;
	const struct auth_who *who;
	const struct face_views *views;
};

/* An answer that goes on: server-sent events. */
struct route_stream {
	/* Appends what there is, at most `max` bytes: how many; 0: nothing yet; -1: it ends here.
	 */
	int64_t (*read)(struct route_stream *s, char *data, size_t max);
	/* There is something, or it is over: calls wake(ctx) once, from any thread; at once if so
	 * already. After forget(), it is not called any more. */
	void (*wait)(struct route_stream *s, void (*wake)(void *ctx), void *ctx);
	void (*forget)(struct route_stream *s);
	void (*free)(struct route_stream *s);
};

struct route_service {
	const char *path;    /* "/healthz"; "/v1/cache/" and all below; "/" alone */
	const char *methods; /* "GET HEAD" */
	enum auth_action action;
	bool for_all; /* no credentials are needed */
	bool waits;   /* it is answered by a worker */
	/* Sets *stream instead of a body, if the answer goes on. */
	void (*answer)(struct edge *e, const struct route_request *r, struct face_answer *out,
		       struct route_stream **stream);
};
/* NULL: the faces answer. */
const struct route_service *route_find(const char *path);
bool route_allows(const char *methods, const char *method);

#endif
