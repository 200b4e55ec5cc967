/*
 * edge: what all parts of the server share.
 *
 * Its members do not change while it serves, but those that edge_views_put() replaces and those
 * that are atomic. Each has its own locks.
 *
 * Prefixes: edge_.
 */
#ifndef FERRY_SERVE_EDGE_H
#define FERRY_SERVE_EDGE_H

#include "auth/auth.h"
#include "limit/limit.h"
#include "serve/cache/cache.h"
#include "serve/face/face.h"
#include "serve/log.h"
#include "serve/worker.h"
#include "settings/serve.h"
#include "util/report.h"

#include <pthread.h>
#include <stdatomic.h>

/* For /metrics and /v1/stats: totals since the start, but `connections` and `requesting`, which are
 * now. */
struct edge_counts {
	atomic_uint connections, requesting;
	atomic_ullong accepted, requests, bytes; /* bytes: of bodies, that were sent */
	atomic_ullong status[6];                 /* [2]: 200 to 299; [0]: the caller left first */
	atomic_ullong cut;                       /* answers that ended short */
	atomic_ullong refused, limited;          /* 401 and 403; 429 */
	/* Time to first byte, of answers with an object: how many took at most so long. */
	atomic_ullong first_byte[8], first_byte_count, first_byte_us;
};
/* The bounds of first_byte, in seconds; the last is infinite. */
extern const double edge_first_byte_s[8];

/* The repositories, as they were when it was taken. */
struct edge_views {
	atomic_uint users;
	struct view **at; /* of which each is one user */
	struct view **open_at;
	struct face_views views;
	struct face_views open; /* of them, those for callers without credentials */
};

struct peers;
struct events;

struct edge {
	const struct settings_serve *set; /* borrowed, like the following */
	const struct clock *clock;
	const struct cancel *cancel;
	struct report *report;  /* that of `events` */
	struct events *events;  /* owned, like the following; log may be NULL */
	struct views *releases; /* of `followed` repositories */
	struct cache *cache;
	struct peers *peers;
	struct auth *auth;
	struct limit *limit;
	struct worker_pool *workers;
	struct serve_log *log;
	struct edge_counts counts;
	int64_t started_s;
	atomic_bool closing;  /* connections are closed behind their answer */
	size_t followed;      /* how many repositories are served once their release is known */
	pthread_mutex_t lock; /* of views */
	struct edge_views *views;
};

/* An empty one; the members are set by the caller. */
struct edge *edge_new(void);
/* With all that it owns. NULL is ignored. */
void edge_free(struct edge *e);

/* From any thread; never NULL. */
struct edge_views *edge_views_take(struct edge *e);
void edge_views_release(struct edge_views *v); /* NULL is ignored */
/* Those that exist for the caller. Borrowed. */
const struct face_views *edge_views_for(const struct edge *e, const struct edge_views *v,
					const struct auth_who *who);
/* May it be sent requests? As soon as the release of one repository is known, and until it stops.
 * The one meaning of the word: /healthz and sd_notify(3) say the same. */
bool edge_is_ready(struct edge *e);
/* Is the release of every repository known? Until then, what is not found may yet come. */
bool edge_is_complete(struct edge *e);
/* Puts the view in the place of that of the same repository, or adds it. Takes the reference. */
void edge_views_put(struct edge *e, struct view *v);

void edge_count_first_byte(struct edge *e, uint64_t us);

#endif
