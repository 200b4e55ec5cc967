#include "serve/serve.h"

#include "serve/cache/peers.h"
#include "serve/door.h"
#include "serve/events.h"
#include "util/clock.h"
#include "util/mem.h"
#include "util/path.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_MS 200
#define READY_MS 5000
#define SWEEP_MS 1000
#define RELOAD_MS 1000 /* how often keys are looked at */

/* Long work of the main thread's, done by a worker. */
struct chore {
	struct worker_job job;
	struct serving *of;
	atomic_bool busy;
	char said[sizeof((struct err *)NULL)->text]; /* the last warning */
};

struct serving {
	const struct serve_options *o;
	const struct settings_repository **followed;
	size_t followed_count;
	struct serve_sockets sockets;
	struct cancel stop; /* of all work; set after the grace */
	struct edge *edge;
	struct door *door;
	struct chore keys, refresh;
	uint64_t swept_ms, reloaded_ms;
	bool told_ready, told_waiting; /* systemd */
};

static void serving_release(struct serving *s)
{
	cancel_ask(&s->stop, SIGTERM);
	door_close(s->door);
	edge_free(s->edge);
	serve_sockets_release(&s->sockets);
	free(s->followed);
	*s = (struct serving){ 0 };
}

/* ---- the start ---- */

static int follow(struct serving *s, const struct settings_repository *r, struct err *e)
{
	if (r->metadata.count == 0)
		return err_set(e, ERR_USAGE,
			       "[repository.%s] has no metadata: it is not followed from here",
			       r->name);
	s->followed[s->followed_count++] = r;
	return 0;
}

static int choose_repositories(struct serving *s, struct err *e)
{
	const struct settings_repositories *all = s->o->repositories;
	const struct str_list *names = &s->o->set->repositories;
	s->followed = mem_alloc((all->count + names->count + 1) * sizeof(void *));
	for (size_t i = 0; i < names->count; i++) {
		const struct settings_repository *r = settings_repositories_find(all, names->at[i]);
		int rc = r ? follow(s, r, e)
			   : settings_repositories_unknown(all, names->at[i], ERR_USAGE, e);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < all->count && names->count == 0; i++)
		if (all->at[i].metadata.count)
			s->followed[s->followed_count++] = &all->at[i];
	if (s->followed_count)
		return 0;
	err_set(e, ERR_USAGE, "there is no repository to serve");
	return err_hint(e, "add one with: ferry repository add URL");
}

static int open_auth(struct serving *s, struct err *e)
{
	const struct settings_serve *set = s->o->set;
	const struct auth_options auth = {
		.open = serve_sockets_are_open(set, &s->sockets),
		.keys = set->keys,
		.jwks = set->jwks,
		.issuer = set->issuer,
		.audience = set->audience,
		.cancel = &s->stop,
	};
	const struct limit_options limit = {
		.requests_s = set->requests_s,
		.burst = set->burst,
		.bytes_s = set->rate,
		.connections = set->connections,
		.redis = set->redis,
		.redis_password = set->redis_password,
	};
	int rc = auth_new(&auth, &s->edge->auth, e);
	return rc < 0 ? rc : limit_new(&limit, &s->edge->limit, e);
}

static int open_peers(struct serving *s, struct err *e)
{
	const struct settings_serve *set = s->o->set;
	const struct peers_options o = {
		.urls = &set->peers,
		.srv = set->peers_srv,
		.key = set->peer_key,
		.access = s->o->access,
		.kinds = s->o->kinds,
		.cancel = &s->stop,
		.report = s->edge->report,
	};
	return peers_new(&o, &s->edge->peers, e);
}

static int open_cache(struct serving *s, struct err *e)
{
	const struct settings_serve *set = s->o->set;
	const struct cache_options o = {
		.home = s->o->home,
		.size = set->size,
		.keep_free = set->keep_free,
		.scrub_s = set->scrub_s,
		.pulls = set->pulls,
		.kinds = s->o->kinds,
		.repositories = s->o->repositories,
		.fetch = s->o->fetch,
		.peers = s->edge->peers,
		.cancel = &s->stop,
		.report = s->edge->report,
	};
	return cache_new(&o, &s->edge->cache, e);
}

static void shown(void *ctx, struct view *v)
{
	struct edge *e = ctx;
	json_t *data = json_object();
	json_put_string(data, "repository", view_repository(v));
	json_put_u64(data, "release", view_version(v));
	edge_views_put(e, v);
	events_tell(e->events, "release", data);
}

static int open_releases(struct serving *s, struct err *e)
{
	const struct views_options o = {
		.home = s->o->home,
		.repositories = s->followed,
		.count = s->followed_count,
		.access = s->o->access,
		.kinds = s->o->kinds,
		.refresh_s = s->o->set->refresh_s,
		.cancel = &s->stop,
		.report = s->edge->report,
		.shown = shown,
		.ctx = s->edge,
	};
	return views_new(&o, &s->edge->releases, e);
}

static int open_edge(struct serving *s, struct err *e)
{
	const struct settings_serve *set = s->o->set;
	struct edge *edge = edge_new();
	s->edge = edge;
	edge->set = set;
	edge->cancel = &s->stop;
	edge->events = events_new(NULL, s->o->report);
	edge->report = events_report(edge->events);
	edge->followed = s->followed_count;
	edge->started_s = clock_wall_s(NULL);
	edge->workers = worker_pool_new(set->workers);
	int rc = set->log ? serve_log_open(set->log, &edge->log, e) : 0;
	if (rc == 0)
		rc = open_auth(s, e);
	if (rc == 0)
		rc = open_peers(s, e);
	if (rc == 0)
		rc = open_cache(s, e);
	return rc < 0 ? rc : open_releases(s, e);
}

/* Every repository has a release, or no mirror had one. */
static bool has_tried(const struct edge *e)
{
	struct views_state s;
	for (size_t i = 0; i < e->followed; i++) {
		views_state(e->releases, i, &s);
		if (!s.failed)
			return false;
	}
	return true;
}

/* At the first start, the mirrors have to be asked: those who start it may wait for that a little.
 */
static void wait_for_releases(struct serving *s)
{
	struct err ignored = ERR_INIT;
	uint64_t end_ms = clock_now_ms(NULL) + READY_MS;
	while (!edge_is_complete(s->edge) && !has_tried(s->edge) && clock_now_ms(NULL) < end_ms)
		if (clock_sleep_ms(NULL, 10, s->o->cancel, &ignored) < 0)
			return;
}

static int open_all(struct serving *s, struct err *e)
{
	int rc = choose_repositories(s, e);
	/* First the sockets: they say at once that another edge runs here. */
	if (rc == 0)
		rc = serve_sockets_open(s->o->set, &s->sockets, e);
	if (rc == 0)
		rc = open_edge(s, e);
	if (rc == 0)
		rc = door_open(s->edge, &s->sockets, &s->door, e);
	if (rc == 0)
		wait_for_releases(s);
	if (rc == 0)
		rc = s->o->ready(s->o->ctx, &s->sockets, e);
	return rc;
}

/* ---- while it serves ---- */

static void reload_keys(struct worker_job *job)
{
	struct chore *c = (struct chore *)(void *)job;
	struct err why = ERR_INIT;
	struct auth_stats now;
	bool failed = auth_reload(c->of->edge->auth, &why) < 0;
	auth_stats(c->of->edge->auth, &now);
	/* It is tried every second: the same is said once. */
	if (failed && strcmp(why.text, c->said) != 0)
		report_warn(c->of->edge->report, "%s", why.text);
	if (failed || now.set_failures == 0)
		memcpy(c->said, why.text, sizeof c->said);
	c->busy = false;
}

static void refresh(struct worker_job *job)
{
	struct chore *c = (struct chore *)(void *)job;
	struct err why = ERR_INIT;
	if (views_refresh(c->of->edge->releases, NULL, &why) < 0)
		report_warn(c->of->edge->report, "%s", why.text);
	c->busy = false;
}

static void begin_chore(struct serving *s, struct chore *c, void (*run)(struct worker_job *job))
{
	if (atomic_exchange(&c->busy, true))
		return;
	c->of = s;
	c->job = (struct worker_job){ .run = run };
	worker_post(s->edge->workers, &c->job);
}

/* About once a second until it is ready, for which systemd waits as long as it hears this. */
static void tell_ready(struct serving *s)
{
	if (s->told_ready)
		return;
	s->told_ready = edge_is_ready(s->edge);
	if (!s->told_ready)
		serve_notify("EXTEND_TIMEOUT_USEC=60000000\n"
			     "STATUS=no mirror has a release that verifies");
	else
		serve_notify(s->told_waiting ? "READY=1\nSTATUS=" : "READY=1");
	s->told_waiting = true;
}

/* systemd.service(5), Type=notify-reload. */
static void reload(struct serving *s)
{
	char text[96];
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)clock_now_us(NULL));
	if (s->told_ready)
		serve_notify(text);
	serve_log_reopen(s->edge->log);
	begin_chore(s, &s->keys, reload_keys);
	begin_chore(s, &s->refresh, refresh);
	if (s->told_ready)
		serve_notify("READY=1");
}

static void tick(struct serving *s)
{
	uint64_t now_ms = clock_now_ms(NULL);
	if (now_ms - s->swept_ms >= SWEEP_MS) {
		door_sweep(s->door);
		events_tick(s->edge->events);
		tell_ready(s);
		s->swept_ms = now_ms;
	}
	if (now_ms - s->reloaded_ms >= RELOAD_MS) {
		begin_chore(s, &s->keys, reload_keys);
		s->reloaded_ms = now_ms;
	}
}

static bool is_idle(struct serving *s)
{
	uint64_t limit_s = s->o->set->idle_exit_s;
	struct cache_stats cache;
	if (limit_s == 0 || door_idle_ms(s->door) < limit_s * 1000)
		return false;
	cache_stats(s->edge->cache, &cache);
	return cache.pulling == 0 && cache.queued == 0;
}

/* At most so long; returns the signal, or 0. */
static int wait_for_signal(const sigset_t *set, unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	int signal = sigtimedwait(set, NULL, &time);
	return signal < 0 ? 0 : signal;
}

static void serve(struct serving *s, const sigset_t *hangup)
{
	while (!cancel_signal(s->o->cancel) && !is_idle(s)) {
		if (wait_for_signal(hangup, TICK_MS) == SIGHUP)
			reload(s);
		tick(s);
	}
}

/* A second signal ends the process at once (cli/frame/signals.c). */
static void stop(struct serving *s, const sigset_t *hangup)
{
	uint64_t end_ms = clock_now_ms(NULL) + s->o->set->grace_s * 1000;
	serve_notify("STOPPING=1");
	atomic_store(&s->edge->closing, true);
	events_end(s->edge->events);
	door_quiesce(s->door);
	while (door_requesting(s->door) && clock_now_ms(NULL) < end_ms) {
		(void)wait_for_signal(hangup, TICK_MS / 10);
		door_sweep(s->door);
	}
}

int serve_run(const struct serve_options *o, struct err *e)
{
	CLEANUP(serving_release) struct serving s = { .o = o };
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	/* Before there are threads, which inherit it. */
	pthread_sigmask(SIG_BLOCK, &hangup, NULL);
	int rc = open_all(&s, e);
	if (rc < 0)
		return rc;
	tell_ready(&s);
	serve(&s, &hangup);
	stop(&s, &hangup);
	return 0;
}
