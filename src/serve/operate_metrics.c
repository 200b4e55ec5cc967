#include "serve/operate.h"
#include "serve/operate_internal.h"

#include "util/clock.h"
#include "util/metrics.h"

#include <string.h>

#define GAUGE(n, h) BRACES(.name = (n), .type = METRICS_GAUGE, .help = (h))
#define COUNTER(n, h) BRACES(.name = (n), .type = METRICS_COUNTER, .help = (h))

const char *const operate_classes[6] = { "left", "1xx", "2xx", "3xx", "4xx", "5xx" };

void operate_collect(struct edge *e, struct operate_numbers *out)
{
	*out = (struct operate_numbers){ .edge = e };
	cache_stats(e->cache, &out->cache);
	auth_stats(e->auth, &out->auth);
	limit_stats(e->limit, &out->limit);
	out->log_lost = e->log ? serve_log_lost(e->log) : 0;
	out->waiting = worker_waiting(e->workers);
}

/* ---- one value ---- */

typedef double value_fn(const struct operate_numbers *n);

#define COUNT(name, member) \
	static double name(const struct operate_numbers *n) \
	{ \
		return (double)atomic_load(&n->edge->counts.member); \
	}
#define NUMBER(name, member) \
	static double name(const struct operate_numbers *n) \
	{ \
		return (double)n->member; \
	}
COUNT(connections, connections)
COUNT(requesting, requesting)
COUNT(accepted, accepted)
COUNT(sent, bytes)
COUNT(cut, cut)
COUNT(refused, refused)
COUNT(limited, limited)
NUMBER(started, edge->started_s)
NUMBER(waiting, waiting)
NUMBER(lost, log_lost)
NUMBER(objects, cache.objects)
NUMBER(bytes, cache.bytes)
NUMBER(room, cache.room)
NUMBER(kept_objects, cache.kept_objects)
NUMBER(kept_bytes, cache.kept_bytes)
NUMBER(hits, cache.hits)
NUMBER(misses, cache.misses)
NUMBER(joined, cache.joined)
NUMBER(fetched, cache.fetched_bytes)
NUMBER(from_peers, cache.peer_bytes)
NUMBER(wasted, cache.wasted_bytes)
NUMBER(wrong, cache.wrong_pieces)
NUMBER(evicted, cache.evicted)
NUMBER(evicted_bytes, cache.evicted_bytes)
NUMBER(changed, cache.changed)
NUMBER(rotten, cache.rotten)
NUMBER(scrubbed, cache.scrubbed_bytes)
NUMBER(oldest, cache.scrub_oldest_s)
NUMBER(disk_free, cache.disk_free)
NUMBER(keep_free, cache.keep_free)
NUMBER(scrub_s, edge->set->scrub_s)
NUMBER(pulling, cache.pulling)
NUMBER(queued, cache.queued)
NUMBER(peers_up, cache.peers_up)
NUMBER(peers_down, cache.peers_down)
NUMBER(keys, auth.keys)
NUMBER(set_keys, auth.set_keys)
NUMBER(set_failures, auth.set_failures)
NUMBER(clients, limit.clients)
NUMBER(breaker, limit.open)
NUMBER(asked, limit.asked)
NUMBER(failed, limit.failed)
NUMBER(without_redis, limit.without_redis)

/* ---- all with a fixed number of values ---- */

static const struct row {
	struct metric metric; /* name NULL: one more value of that before */
	const char *label, *is;
	value_fn *value;
} rows[] = {
	{ GAUGE("ferry_serve_start_timestamp_seconds", "When the edge was started"), NULL, NULL,
	  started },
	{ GAUGE("ferry_serve_connections", "Connections that are open"), NULL, NULL, connections },
	{ COUNTER("ferry_serve_connections_total", "Connections that were accepted"), NULL, NULL,
	  accepted },
	{ GAUGE("ferry_serve_requests_in_progress", "Requests that are being answered"), NULL, NULL,
	  requesting },
	{ COUNTER("ferry_serve_sent_bytes_total", "Bytes of bodies that were sent"), NULL, NULL,
	  sent },
	{ COUNTER("ferry_serve_cut_answers_total", "Answers that ended short"), NULL, NULL, cut },
	{ COUNTER("ferry_serve_refused_requests_total",
		  "Requests that were refused: for credentials or scope, or for a limit"),
	  "reason", "credentials", refused },
	{ { 0 }, "reason", "limit", limited },
	{ GAUGE("ferry_serve_waiting_jobs", "Requests that wait for a worker"), NULL, NULL,
	  waiting },
	{ COUNTER("ferry_serve_lost_log_lines_total",
		  "Lines of the access log that were lost because its disk is too slow"),
	  NULL, NULL, lost },
	{ GAUGE("ferry_serve_cache_objects",
		"Objects on the disk: those that only the edge needs, and those of the store"),
	  "of", "edge", objects },
	{ { 0 }, "of", "store", kept_objects },
	{ GAUGE("ferry_serve_cache_bytes", "Bytes of these objects"), "of", "edge", bytes },
	{ { 0 }, "of", "store", kept_bytes },
	{ GAUGE("ferry_serve_cache_limit_bytes",
		"How many bytes only the edge may need; 0: no limit"),
	  NULL, NULL, room },
	{ GAUGE("ferry_serve_disk_free_bytes", "Bytes that the file system of the store has free"),
	  NULL, NULL, disk_free },
	{ GAUGE("ferry_serve_disk_reserve_bytes", "Bytes that are to stay free there (keep-free)"),
	  NULL, NULL, keep_free },
	{ COUNTER("ferry_serve_cache_requests_total",
		  "Objects that were asked for: there already, not there, on their way already"),
	  "result", "hit", hits },
	{ { 0 }, "result", "miss", misses },
	{ { 0 }, "result", "joined", joined },
	{ COUNTER("ferry_serve_fetched_bytes_total", "Verified bytes that were fetched"), "from",
	  "mirror", fetched },
	{ { 0 }, "from", "peer", from_peers },
	{ COUNTER("ferry_serve_wasted_bytes_total", "Bytes that were received and not used"), NULL,
	  NULL, wasted },
	{ COUNTER("ferry_serve_wrong_pieces_total",
		  "Pieces from mirrors and peers that did not verify"),
	  NULL, NULL, wrong },
	{ COUNTER("ferry_serve_evicted_objects_total", "Objects that made room for others"), NULL,
	  NULL, evicted },
	{ COUNTER("ferry_serve_evicted_bytes_total", "Bytes of these objects"), NULL, NULL,
	  evicted_bytes },
	{ COUNTER("ferry_serve_damaged_objects_total",
		  "Objects on the disk that were changed since they were verified, or that rotted"),
	  "how", "changed", changed },
	{ { 0 }, "how", "rotten", rotten },
	{ COUNTER("ferry_serve_scrubbed_bytes_total", "Bytes that were read again and verified"),
	  NULL, NULL, scrubbed },
	{ GAUGE("ferry_serve_scrub_oldest_timestamp_seconds",
		"When the object was verified whose verification is the oldest; 0: there is none"),
	  NULL, NULL, oldest },
	{ GAUGE("ferry_serve_scrub_period_seconds",
		"How long it may take until each object is read again; 0: never"),
	  NULL, NULL, scrub_s },
	{ GAUGE("ferry_serve_pulls", "Objects that are being fetched, and that wait for it"),
	  "state", "running", pulling },
	{ { 0 }, "state", "waiting", queued },
	{ GAUGE("ferry_serve_peers",
		"Other edges of the fleet: up, if they answered when they were asked last"),
	  "state", "up", peers_up },
	{ { 0 }, "state", "down", peers_down },
	{ GAUGE("ferry_serve_keys", "Keys that callers may have: API keys, and those of tokens"),
	  "kind", "api", keys },
	{ { 0 }, "kind", "token", set_keys },
	{ GAUGE("ferry_serve_key_set_failures", "How often in a row the key set could not be read"),
	  NULL, NULL, set_failures },
	{ GAUGE("ferry_serve_limit_clients", "Clients whose requests are counted now"), NULL, NULL,
	  clients },
	{ GAUGE("ferry_serve_redis_breaker_open",
		"1 while Redis does not answer, and this process applies the limits on its own"),
	  NULL, NULL, breaker },
	{ COUNTER("ferry_serve_redis_questions_total", "Questions to Redis"), "result", "asked",
	  asked },
	{ { 0 }, "result", "failed", failed },
	{ COUNTER("ferry_serve_limited_without_redis_total",
		  "Requests that were admitted or refused without Redis, although it is "
		  "configured: by the limits of this process"),
	  NULL, NULL, without_redis },
};

static void add_rows(const struct operate_numbers *n, struct buf *out)
{
	const struct metric *m = NULL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *labels[] = { rows[i].label, rows[i].is, NULL };
		if (rows[i].metric.name) {
			m = &rows[i].metric;
			metrics_begin(out, m);
		}
		metrics_add(out, m, labels, rows[i].value(n));
	}
}

/* ---- with a value for each of something ---- */

static void add_build(struct buf *out)
{
	static const struct metric m = GAUGE("ferry_build_info",
					     "The version of Model Ferry; always 1");
	const char *labels[] = { "version", FERRY_VERSION, NULL };
	metrics_begin(out, &m);
	metrics_add(out, &m, labels, 1);
}

static void add_classes(const struct operate_numbers *n, struct buf *out)
{
	static const struct metric m =
		COUNTER("ferry_serve_requests_total",
			"Requests by the class of their status; left: the caller left first");
	metrics_begin(out, &m);
	for (size_t i = 0; i < ARRAY_LEN(operate_classes); i++) {
		const char *labels[] = { "class", operate_classes[i], NULL };
		metrics_add(out, &m, labels, (double)atomic_load(&n->edge->counts.status[i]));
	}
}

static void add_first_byte(const struct operate_numbers *n, struct buf *out)
{
	static const struct metric m =
		BRACES(.name = "ferry_serve_first_byte_seconds", .type = METRICS_HISTOGRAM,
		       .help = "Time from a request to the first byte of the object that is sent");
	const struct edge_counts *c = &n->edge->counts;
	uint64_t counts[ARRAY_LEN(edge_first_byte_s)];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		counts[i] = atomic_load(&c->first_byte[i]);
	metrics_begin(out, &m);
	metrics_histogram(out, &m, edge_first_byte_s, counts, ARRAY_LEN(counts),
			  (double)atomic_load(&c->first_byte_us) / 1e6);
}

static double state_there(const struct views_state *s)
{
	return s->there;
}

static double state_version(const struct views_state *s)
{
	return (double)s->version;
}

static double state_expires(const struct views_state *s)
{
	return (double)s->expires_s;
}

static double state_asked(const struct views_state *s)
{
	return (double)s->asked_s;
}

static double state_refreshed(const struct views_state *s)
{
	return (double)s->refreshed;
}

static double state_failed(const struct views_state *s)
{
	return (double)s->failed;
}

static const struct {
	struct metric metric;
	double (*value)(const struct views_state *s);
} of_release[] = {
	{ GAUGE("ferry_serve_release_up", "1 if there is a verified release to serve"),
	  state_there },
	{ GAUGE("ferry_serve_release", "The release that is served, by its version"),
	  state_version },
	{ GAUGE("ferry_serve_release_expiry_timestamp_seconds",
		"When the first role of this release expires"),
	  state_expires },
	{ GAUGE("ferry_serve_release_asked_timestamp_seconds",
		"When mirrors were asked last and one of them answered; 0: never"),
	  state_asked },
	{ COUNTER("ferry_serve_refreshes_total", "How often the mirrors were asked for a release"),
	  state_refreshed },
	{ COUNTER("ferry_serve_failed_refreshes_total",
		  "How often none of them had a valid release"),
	  state_failed },
};

static void add_releases(const struct operate_numbers *n, struct buf *out)
{
	for (size_t k = 0; k < ARRAY_LEN(of_release); k++) {
		metrics_begin(out, &of_release[k].metric);
		for (size_t i = 0; i < n->edge->followed; i++) {
			struct views_state s;
			views_state(n->edge->releases, i, &s);
			const char *labels[] = { "repository", s.repository, NULL };
			metrics_add(out, &of_release[k].metric, labels, of_release[k].value(&s));
		}
	}
}

void operate_metrics(struct edge *e, const struct route_request *r, struct face_answer *out,
		     struct route_stream **stream)
{
	struct operate_numbers n;
	(void)r;
	(void)stream;
	operate_collect(e, &n);
	*out = (struct face_answer){ .status = 200,
				     .type = "text/plain; version=0.0.4; charset=utf-8",
				     .cache = "no-store",
				     .body = BUF_INIT(METRICS_MAX_BYTES) };
	add_build(&out->body);
	add_classes(&n, &out->body);
	add_first_byte(&n, &out->body);
	add_rows(&n, &out->body);
	add_releases(&n, &out->body);
}
