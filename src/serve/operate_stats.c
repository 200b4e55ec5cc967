#include "serve/operate.h"
#include "serve/operate_internal.h"

#include "json/json.h"
#include "util/clock.h"

#include <string.h>

#define MAX_ANSWER (1 * MIB)

static void add_requests(const struct operate_numbers *n, json_t *document)
{
	const struct edge_counts *c = &n->edge->counts;
	json_t *at = json_put_object(document, "connections");
	json_put_u64(at, "open", atomic_load(&c->connections));
	json_put_u64(at, "accepted", atomic_load(&c->accepted));
	at = json_put_object(document, "requests");
	json_put_u64(at, "in_progress", atomic_load(&c->requesting));
	json_put_u64(at, "total", atomic_load(&c->requests));
	for (size_t i = 0; i < 6; i++)
		json_put_u64(at, operate_classes[i], atomic_load(&c->status[i]));
	json_put_u64(at, "refused", atomic_load(&c->refused));
	json_put_u64(at, "limited", atomic_load(&c->limited));
	json_put_u64(at, "cut", atomic_load(&c->cut));
	json_put_u64(at, "sent_bytes", atomic_load(&c->bytes));
}

static void add_cache(const struct cache_stats *c, json_t *document)
{
	json_t *at = json_put_object(document, "cache");
	json_put_u64(at, "objects", c->objects);
	json_put_u64(at, "bytes", c->bytes);
	if (c->room)
		json_put_u64(at, "limit_bytes", c->room);
	json_put_u64(at, "store_objects", c->kept_objects);
	json_put_u64(at, "store_bytes", c->kept_bytes);
	json_put_u64(at, "hits", c->hits);
	json_put_u64(at, "misses", c->misses);
	json_put_u64(at, "joined", c->joined);
	json_put_u64(at, "fetched_bytes", c->fetched_bytes);
	json_put_u64(at, "peer_bytes", c->peer_bytes);
	json_put_u64(at, "wasted_bytes", c->wasted_bytes);
	json_put_u64(at, "wrong_pieces", c->wrong_pieces);
	json_put_u64(at, "evicted", c->evicted);
	json_put_u64(at, "evicted_bytes", c->evicted_bytes);
	json_put_u64(at, "changed", c->changed);
	json_put_u64(at, "rotten", c->rotten);
	json_put_u64(at, "scrubbed_bytes", c->scrubbed_bytes);
	if (c->scrub_oldest_s)
		json_put_time(at, "scrub_oldest", c->scrub_oldest_s);
	json_put_u64(at, "disk_free_bytes", c->disk_free);
	json_put_u64(at, "disk_reserve_bytes", c->keep_free);
	json_put_u64(at, "pulling", c->pulling);
	json_put_u64(at, "queued", c->queued);
	at = json_put_object(document, "peers");
	json_put_u64(at, "up", c->peers_up);
	json_put_u64(at, "down", c->peers_down);
}

static void add_callers(const struct operate_numbers *n, json_t *document)
{
	json_t *at = json_put_object(document, "keys");
	json_put_u64(at, "api", n->auth.keys);
	json_put_u64(at, "token", n->auth.set_keys);
	json_put_u64(at, "set_failures", n->auth.set_failures);
	at = json_put_object(document, "limits");
	json_put_u64(at, "clients", n->limit.clients);
	json_put_u64(at, "admitted", n->limit.admitted);
	json_put_u64(at, "refused", n->limit.refused);
	if (!n->limit.shared)
		return;
	json_t *redis = json_put_object(at, "redis");
	json_put_bool(redis, "breaker_open", n->limit.open);
	json_put_u64(redis, "asked", n->limit.asked);
	json_put_u64(redis, "failed", n->limit.failed);
	json_put_u64(redis, "without_redis", n->limit.without_redis);
	if (n->limit.fault[0])
		json_put(redis, "fault", json_string_lossy(n->limit.fault, strlen(n->limit.fault)));
}

static void add_releases(const struct edge *e, json_t *document)
{
	json_t *all = json_put_array(document, "repositories");
	for (size_t i = 0; i < e->followed; i++) {
		struct views_state s;
		json_t *at = json_push_object(all);
		views_state(e->releases, i, &s);
		json_put_string(at, "id", s.repository);
		if (s.there) {
			json_put_u64(at, "release", s.version);
			json_put_time(at, "expires", s.expires_s);
		}
		if (s.asked_s)
			json_put_time(at, "asked", s.asked_s);
		json_put_u64(at, "refreshed", s.refreshed);
		json_put_u64(at, "failed", s.failed);
		if (s.why[0])
			json_put(at, "error", json_string_lossy(s.why, strlen(s.why)));
	}
}

void operate_stats(struct edge *e, const struct route_request *r, struct face_answer *out,
		   struct route_stream **stream)
{
	CLEANUP(json_release) json_t *document = json_object();
	struct operate_numbers n;
	struct err ignored = ERR_INIT;
	(void)r;
	(void)stream;
	operate_collect(e, &n);
	json_put_string(document, "version", FERRY_VERSION);
	json_put_time(document, "started", e->started_s);
	add_requests(&n, document);
	add_cache(&n.cache, document);
	add_callers(&n, document);
	json_put_u64(document, "waiting_jobs", n.waiting);
	json_put_u64(document, "lost_log_lines", n.log_lost);
	add_releases(e, document);
	*out = (struct face_answer){ .status = 200,
				     .type = "application/json",
				     .cache = "no-store",
				     .body = BUF_INIT(MAX_ANSWER) };
	if (json_pretty(document, &out->body, &ignored) < 0)
		out->status = 500;
}
