/*
 * serve: the edge: a verified mirror near the engines, over HTTP.
 *
 *   door      sockets, connections, and the threads of libmicrohttpd
 *   exchange  one request, from its headers to the last byte of its answer
 *   route     which face answers a path, and what it may be asked for
 *   range     Range, If-Range, and conditional requests (RFC 9110)
 *   worker    what may wait: misses, key sets, Redis, documents
 *   operate   /healthz, /metrics, /v1/…, events
 *   log       the access log
 *   edge      what all of these share
 *
 * What always holds here:
 *  - nothing in the threads of the server waits for a disk that is slow, the network, Redis or a
 *    lock that is held meanwhile: the connection is suspended, and a worker goes on;
 *  - what was not verified is not sent. An answer that cannot be completed ends short: its
 *    connection is closed, and never ended cleanly;
 *  - a model that a caller may not have answers as one that does not exist, also in time;
 *  - no key, token or foreign text gets into a log unescaped, and no secret at all.
 */
#ifndef FERRY_SERVE_SERVE_H
#define FERRY_SERVE_SERVE_H

#include "http/access.h"
#include "serve/socket.h"
#include "settings/fetch.h"
#include "settings/repository.h"
#include "util/report.h"

/* All borrowed until serve_run() returns. */
struct serve_options {
	const struct settings_serve *set;
	/* Those with `metadata` are followed: set->repositories of them, or all. */
	const struct settings_repositories *repositories;
	const struct settings_fetch *fetch;
	struct http_access_list *access;
	const char *home; /* of the store */
	const struct mirror_ops *const *kinds;
	const struct cancel *cancel; /* a graceful stop begins */
	struct report *report;
	/* It serves at these sockets. An error stops it. */
	int (*ready)(void *ctx, const struct serve_sockets *sockets, struct err *e);
	void *ctx;
};

/*
 * Serves until `cancel` is set, or nothing has happened for set->idle_exit_s. Transfers may then go
 * on for set->grace_s. SIGHUP, which is blocked from here on, makes it read the keys and look for
 * new releases now, and open its log again. systemd is told (sd_notify(3)).
 *
 * 0 also after a stop. ERR_USAGE for a repository that is not followed; ERR_CONFLICT when another
 * program listens there.
 */
WARN_UNUSED int serve_run(const struct serve_options *o, struct err *e);

#endif
