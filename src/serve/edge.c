#include "serve/edge.h"

#include "serve/cache/peers.h"
#include "serve/events.h"
#include "util/mem.h"

#include <math.h>
#include <string.h>

const double edge_first_byte_s[8] = { 0.005, 0.02, 0.1, 0.5, 2, 10, 60, INFINITY };

/* ---- views ---- */

static struct edge_views *new_views(size_t room)
{
	struct edge_views *v = NEW(struct edge_views);
	v->users = 1;
	v->at = mem_alloc((room + 1) * sizeof(struct view *));
	v->views.at = v->at;
	v->open_at = mem_alloc((room + 1) * sizeof(struct view *));
	v->open.at = v->open_at;
	return v;
}

/* Takes the reference. */
static void add_view(struct edge_views *v, struct view *view)
{
	v->at[v->views.count++] = view;
	if (!view_is_private(view))
		v->open_at[v->open.count++] = view;
}

void edge_views_release(struct edge_views *v)
{
	if (!v || atomic_fetch_sub(&v->users, 1) > 1)
		return;
	for (size_t i = 0; i < v->views.count; i++)
		view_unref(v->at[i]);
	free(v->at);
	free(v->open_at);
	free(v);
}

struct edge_views *edge_views_take(struct edge *e)
{
	pthread_mutex_lock(&e->lock);
	struct edge_views *v = e->views;
	atomic_fetch_add(&v->users, 1);
	pthread_mutex_unlock(&e->lock);
	return v;
}

const struct face_views *edge_views_for(const struct edge *e, const struct edge_views *v,
					const struct auth_who *who)
{
	return who->known || e->set->public ? &v->views : &v->open;
}

static size_t count_views(struct edge *e)
{
	pthread_mutex_lock(&e->lock);
	size_t count = e->views->views.count;
	pthread_mutex_unlock(&e->lock);
	return count;
}

bool edge_is_ready(struct edge *e)
{
	return !atomic_load(&e->closing) && count_views(e) > 0;
}

bool edge_is_complete(struct edge *e)
{
	return count_views(e) >= e->followed;
}

void edge_views_put(struct edge *e, struct view *v)
{
	const char *name = view_repository(v);
	bool there = false;
	pthread_mutex_lock(&e->lock);
	struct edge_views *old = e->views, *new = new_views(old->views.count + 1);
	for (size_t i = 0; i < old->views.count; i++) {
		bool same = strcmp(view_repository(old->at[i]), name) == 0;
		there |= same;
		add_view(new, same ? v : view_ref(old->at[i]));
	}
	if (!there)
		add_view(new, v);
	e->views = new;
	pthread_mutex_unlock(&e->lock);
	edge_views_release(old);
}

/* ---- all of it ---- */

struct edge *edge_new(void)
{
	struct edge *e = NEW(struct edge);
	pthread_mutex_init(&e->lock, NULL);
	e->views = new_views(0);
	return e;
}

void edge_free(struct edge *e)
{
	if (!e)
		return;
	worker_pool_free(e->workers);
	views_free(e->releases);
	serve_log_close(e->log);
	edge_views_release(e->views);
	cache_free(e->cache);
	peers_free(e->peers);
	auth_free(e->auth);
	limit_free(e->limit);
	events_free(e->events);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void edge_count_first_byte(struct edge *e, uint64_t us)
{
	size_t i = 0;
	while ((double)us / 1e6 > edge_first_byte_s[i])
		i++;
	atomic_fetch_add(&e->counts.first_byte[i], 1);
	atomic_fetch_add(&e->counts.first_byte_count, 1);
	atomic_fetch_add(&e->counts.first_byte_us, us);
}
