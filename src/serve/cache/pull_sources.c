#include "serve/cache/pull_sources.h"

#include "fetch/history.h"
#include "fetch/pauses.h"
#include "fetch/rank.h"
#include "util/mem.h"

#include <pthread.h>
#include <string.h>

#define KEPT_LISTS 8   /* without a user */
#define OTHER_BAN_S 60 /* for malformed answers and certificates */

/* A list, and the release that it is of. */
struct sources {
	struct source_list list; /* the first member: source_list * is sources * */
	struct view *view;       /* its catalog has the entries */
	unsigned generation;     /* of the peers */
	bool *was_banned;        /* each of them, when the list was taken */
	struct sources *next;
};

struct ban {
	char *url;
	uint64_t until_ms;
	uint64_t again_ms; /* if there is no other source */
	unsigned times;    /* without being let off in between */
	struct ban *next;
};

struct pull_sources {
	const struct pulls_options *o;
	const struct cancel *cancel;
	pthread_mutex_t lock;
	struct sources *free; /* the latest first */
	struct ban *bans;
};

struct pull_sources *pull_sources_new(const struct pulls_options *o, const struct cancel *cancel)
{
	struct pull_sources *p = NEW(struct pull_sources);
	p->o = o;
	p->cancel = cancel;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

static void sources_free(struct sources *s)
{
	source_list_release(&s->list);
	view_unref(s->view);
	free(s->was_banned);
	free(s);
}

static void free_all(struct sources *gone)
{
	while (gone) {
		struct sources *s = gone;
		gone = s->next;
		sources_free(s);
	}
}

void pull_sources_free(struct pull_sources *p)
{
	if (!p)
		return;
	free_all(p->free);
	while (p->bans) {
		struct ban *b = p->bans;
		p->bans = b->next;
		free(b->url);
		free(b);
	}
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* -- a new list -------------------------------------------------------------------------------- */

static struct sources *sources_new(const struct pull_sources *p, struct view *v)
{
	const struct settings_fetch *fetch = p->o->fetch;
	struct sources *s = NEW(struct sources);
	s->view = view_ref(v);
	s->list = (struct source_list){
		.kinds = p->o->kinds,
		.cancel = p->cancel,
		.clock = p->o->clock,
		.random = p->o->random,
		.report = p->o->report,
		.stall_s = fetch->stall_s,
		.max_failures = fetch->retries,
		.access = fetch->access,
		.deadline_ms = fetch->timestamp_deadline_ms,
		.pauses = pauses_dir(),
		.history = history_dir(),
		.read_places = view_read_places,
		.places_ctx = v,
	};
	view_mirrors_add(&s->list,
			 settings_repositories_find(p->o->repositories, view_repository(v)),
			 view_catalog(v));
	source_list_rank(&s->list, fetch->prefer_region);
	if (p->o->peers) {
		s->generation = peers_generation(p->o->peers);
		peers_add_sources(p->o->peers, view_repository(v), &s->list);
	}
	s->was_banned = mem_alloc(s->list.count + 1);
	return s;
}

/* -- bans -------------------------------------------------------------------------------------- */

static struct ban *find_ban(struct pull_sources *p, const char *url)
{
	for (struct ban *b = p->bans; b; b = b->next)
		if (strcmp(b->url, url) == 0)
			return b;
	return NULL;
}

static bool is_active(const struct pull_sources *p, const struct ban *b)
{
	return b && b->until_ms > clock_now_ms(p->o->clock);
}

static void note_ban(struct pull_sources *p, struct source *s)
{
	const char *url = s->url;
	uint64_t span_s = s->faults[FAULT_WRONG_BYTES] ? PULL_BAN_S : OTHER_BAN_S;
	struct ban *b = find_ban(p, url);
	if (!b) {
		b = NEW(struct ban);
		b->url = mem_strdup(url);
		b->next = p->bans;
		p->bans = b;
	}
	uint64_t now_ms = clock_now_ms(p->o->clock);
	b->times = b->until_ms > now_ms ? b->times + 1 : 1;
	b->until_ms = now_ms + span_s * 1000;
	b->again_ms = now_ms +
		      MIN((uint64_t)PULL_BAN_LEAST_S << MIN(b->times - 1, 8), span_s) * 1000;
}

/* As at the beginning of a run, with what other runs found out. */
static bool refresh(struct pull_sources *p, struct source *s)
{
	s->banned = is_active(p, find_ban(p, s->url));
	s->given_up = false;
	s->bytes = s->wasted = 0;
	s->failures = 0;
	s->settings_class = 0;
	s->hint[0] = '\0';
	memset(s->faults, 0, sizeof s->faults);
	memset(s->detail, 0, sizeof s->detail);
	if (s->banned)
		source_note_fault(s, FAULT_UNUSABLE, "it failed an earlier transfer");
	return s->banned;
}

/* -- taking and giving back -------------------------------------------------------------------- */

static bool is_of(const struct sources *s, const struct view *v)
{
	return s->view == v || (view_version(s->view) == view_version(v) &&
				strcmp(view_repository(s->view), view_repository(v)) == 0);
}

/* With the lock. */
static struct sources *find_free(struct pull_sources *p, const struct view *v)
{
	unsigned generation = p->o->peers ? peers_generation(p->o->peers) : 0;
	for (struct sources **at = &p->free; *at; at = &(*at)->next) {
		struct sources *s = *at;
		if (!is_of(s, v) || s->generation != generation)
			continue;
		*at = s->next;
		return s;
	}
	return NULL;
}

/* With the lock. What sources send is verified: one that lied is better than none. */
static void let_off_the_last(struct pull_sources *p, struct sources *s)
{
	uint64_t now_ms = clock_now_ms(p->o->clock);
	for (size_t i = 0; i < s->list.count; i++) {
		const struct source *x = s->list.at[i];
		if (x->objects && !x->peer && !x->banned)
			return;
	}
	for (size_t i = 0; i < s->list.count; i++) {
		struct source *x = s->list.at[i];
		const struct ban *b = x->banned ? find_ban(p, x->url) : NULL;
		if (!b || b->again_ms > now_ms)
			continue;
		x->banned = s->was_banned[i] = false;
		x->faults[FAULT_UNUSABLE] = 0;
		x->detail[FAULT_UNUSABLE][0] = '\0';
	}
}

struct source_list *pull_sources_take(struct pull_sources *p, struct view *v)
{
	pthread_mutex_lock(&p->lock);
	struct sources *s = find_free(p, v);
	pthread_mutex_unlock(&p->lock);
	if (!s)
		s = sources_new(p, v);
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < s->list.count; i++)
		s->was_banned[i] = refresh(p, s->list.at[i]);
	let_off_the_last(p, s);
	pthread_mutex_unlock(&p->lock);
	return &s->list;
}

/* With the lock. Of an earlier release than another one of the repository. */
static bool is_outdated(const struct pull_sources *p, const struct sources *s)
{
	for (const struct sources *other = p->free; other; other = other->next)
		if (view_version(s->view) < view_version(other->view) &&
		    strcmp(view_repository(s->view), view_repository(other->view)) == 0)
			return true;
	return false;
}

/* With the lock. Takes out, and returns linked: those that were unused longest, if there are too
 * many, and those that are outdated, for each keeps its release in memory. */
static struct sources *surplus(struct pull_sources *p)
{
	struct sources *gone = NULL, **at = &p->free;
	for (size_t kept = 0; *at;) {
		struct sources *s = *at;
		if (!is_outdated(p, s) && ++kept <= KEPT_LISTS) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = gone;
		gone = s;
	}
	return gone;
}

void pull_sources_give(struct pull_sources *p, struct source_list *l)
{
	struct sources *s = (struct sources *)l;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < l->count; i++)
		if (l->at[i]->banned && !s->was_banned[i])
			note_ban(p, l->at[i]);
	pthread_mutex_unlock(&p->lock);
	source_list_remember(l);
	pthread_mutex_lock(&p->lock);
	s->next = p->free;
	p->free = s;
	struct sources *gone = surplus(p);
	pthread_mutex_unlock(&p->lock);
	free_all(gone);
}
