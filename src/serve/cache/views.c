#include "serve/cache/view_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define REFRESH_MS 120000 /* that the mirrors of a release may take with its small files */
#define SOON_S 5          /* until a repository without a view is asked for again, at first */
#define DAY_S ((uint64_t)86400)

/* A repository. */
struct spot {
	const struct settings_repository *set;
	char *dir;
	pthread_mutex_t refreshing; /* held by workers while they wait for the network */
	struct view *view;          /* under the lock of all, like: */
	struct views_state state;
};

struct views {
	struct views_options o;
	struct spot *at;
	struct cancel stop;
	pthread_mutex_t lock; /* held for moments */
	pthread_cond_t stopping;
	bool stopped, has_thread;
	pthread_t thread;
};

/* ---- the two copies ---- */

static char *slot_dir(const struct spot *s, int slot)
{
	return mem_printf("%s/%d", s->dir, slot);
}

/* -1: there is no complete copy. */
static int current_slot(const struct spot *s)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "current");
	CLEANUP(buf_release) struct buf text = BUF_INIT(16);
	struct err ignored = ERR_INIT;
	if (file_read_all(path, &text, &ignored) < 0 || text.len < 1)
		return -1;
	char slot = buf_str(&text)[0];
	return slot == '0' ? 0 : slot == '1' ? 1 : -1;
}

static int make_current(const struct spot *s, int slot, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "current");
	const char *text = slot ? "1\n" : "0\n";
	return file_write_atomic(path, text, 2, FILE_MODE, e);
}

/* What the release does not list is of one that was in the same folder before. */
static void tidy(const struct view_release *r, const char *folder)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(r->tree.dir, folder);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	struct err ignored = ERR_INIT;
	(void)!file_list_dir(dir, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *key = mem_printf("%s/%s", folder, names.at[i]);
		CLEANUP(mem_free_ptr) char *path = path_join(r->tree.dir, key);
		struct stat st;
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			tidy(r, key);
		else if (!view_release_find(r, key))
			(void)!file_remove(path, &ignored);
	}
}

static void tidy_slot(const struct view_release *r)
{
	tidy(r, "metadata");
	tidy(r, "targets");
}

/* ---- showing ---- */

/* Takes the reference to the release. */
static void show(struct views *vs, struct spot *s, struct view_release *r)
{
	bool private = view_candidates_are_private(&vs->o, &vs->stop, s->set, &r->catalog);
	pthread_mutex_lock(&vs->lock);
	struct view *old = s->view;
	s->view = view_new(s->set->name, private, r, old);
	s->state.there = true;
	s->state.version = view_version(s->view);
	s->state.expires_s = view_expires_s(s->view);
	struct view *new = view_ref(s->view);
	pthread_mutex_unlock(&vs->lock);
	view_unref(old);
	if (vs->o.shown)
		vs->o.shown(vs->o.ctx, new);
	else
		view_unref(new);
}

static struct view *current_view(struct views *vs, struct spot *s)
{
	pthread_mutex_lock(&vs->lock);
	struct view *v = s->view ? view_ref(s->view) : NULL;
	pthread_mutex_unlock(&vs->lock);
	return v;
}

static void load_last(struct views *vs, struct spot *s)
{
	int slot = current_slot(s);
	CLEANUP(mem_free_ptr) char *dir = slot_dir(s, slot);
	struct view_release *r;
	struct tree t = { 0 };
	struct err why = ERR_INIT;
	if (slot < 0)
		return;
	int rc = tree_open(dir, &t, &why);
	if (rc == 0)
		rc = view_release_new(&t, NULL, &r, &why);
	if (rc == 0) {
		report_note(vs->o.report, "%s: release %llu, which it had before", s->set->name,
			    (unsigned long long)r->tree.version);
		show(vs, s, r);
	} else {
		report_warn(vs->o.report, "%s: the last copy of its release cannot be used: %s",
			    s->set->name, why.text);
	}
}

/* ---- refresh ---- */

/* *r stays NULL when there is nothing newer. */
static int copy_newest(struct views *vs, struct spot *s, const struct view_candidates *c,
		       const struct view *v, struct view_release **r, struct err *e)
{
	int slot = current_slot(s);
	CLEANUP(mem_free_ptr) char *trust = path_join(s->dir, "trust");
	CLEANUP(mem_free_ptr) char *other = slot < 0 ? NULL : slot_dir(s, slot);
	CLEANUP(mem_free_ptr) char *dir = slot_dir(s, slot == 0);
	CLEANUP(newest_release) struct newest_result newest = { 0 };
	struct newest_from from = {
		.repository = s->set,
		.dir = dir,
		.trust = trust,
		.candidates = c->at,
		.count = c->count,
		.above = v ? view_version(v) : 0,
		.now_s = clock_wall_s(vs->o.clock),
		.ms = REFRESH_MS,
		.last_ms = REFRESH_MS,
		.cancel = &vs->stop,
	};
	const struct view_from from_mirrors = {
		.o = &vs->o,
		.repository = s->set,
		.other = other,
		.ms = REFRESH_MS,
		.cancel = &vs->stop,
	};
	if (!c->count && c->why.class) {
		*e = c->why;
		return -(int)e->class;
	}
	int rc = newest_copy(&from, &newest, e);
	if (rc < 0 || !newest.found)
		return rc;
	rc = view_release_new(&newest.tree, &from_mirrors, r, e);
	return rc < 0 ? rc : make_current(s, slot == 0, e);
}

static int refresh(struct views *vs, struct spot *s, struct err *e)
{
	CLEANUP_PTR(view_unref) struct view *v = current_view(vs, s);
	CLEANUP_PTR(view_release_unref) struct view_release *r = NULL;
	CLEANUP(view_candidates_release) struct view_candidates c = { .o = &vs->o,
								      .cancel = &vs->stop };
	int rc = file_mkdirs(s->dir, FILE_DIR_MODE, e);
	if (rc < 0)
		return rc;
	view_candidates_find(&c, s->set, v);
	rc = copy_newest(vs, s, &c, v, &r, e);
	if (rc < 0 || !r)
		return rc;
	tidy_slot(r);
	report_note(vs->o.report, "%s: release %llu", s->set->name,
		    (unsigned long long)r->tree.version);
	show(vs, s, STEAL(r));
	return 0;
}

static void note_result(struct views *vs, struct spot *s, const struct err *why)
{
	pthread_mutex_lock(&vs->lock);
	bool again = why->class && strcmp(s->state.why, why->text) == 0;
	snprintf(s->state.why, sizeof s->state.why, "%s", why->class ? why->text : "");
	if (why->class) {
		s->state.failed++;
	} else {
		s->state.refreshed++;
		s->state.asked_s = clock_wall_s(vs->o.clock);
	}
	pthread_mutex_unlock(&vs->lock);
	if (why->class && !again && !err_is(why, ERR_CANCELLED))
		report_warn(vs->o.report, "%s: %s", s->set->name, why->text);
}

static int refresh_spot(struct views *vs, struct spot *s, struct err *e)
{
	struct err why = ERR_INIT;
	pthread_mutex_lock(&s->refreshing);
	(void)!refresh(vs, s, &why);
	pthread_mutex_unlock(&s->refreshing);
	note_result(vs, s, &why);
	if (why.class && !e->class)
		*e = why;
	return -(int)why.class;
}

int views_refresh(struct views *vs, const char *repository, struct err *e)
{
	int first = 0;
	bool found = false;
	for (size_t i = 0; i < vs->o.count; i++) {
		struct spot *s = &vs->at[i];
		if (repository && strcmp(s->set->name, repository) != 0)
			continue;
		found = true;
		int rc = refresh_spot(vs, s, e);
		first = first ? first : rc;
	}
	if (!found && repository)
		return err_set(e, ERR_NOT_FOUND, "no repository %s is served", repository);
	return first;
}

/* ---- the thread ---- */

/* By a clock that nobody sets: on a machine that boots, the time of day may jump. False: it is time
 * to end. */
static bool pause_s(struct views *vs, uint64_t s)
{
	uint64_t now_ms = clock_now_ms(NULL), end_ms = now_ms + MIN(s, DAY_S) * 1000;
	pthread_mutex_lock(&vs->lock);
	for (; !vs->stopped && now_ms < end_ms; now_ms = clock_now_ms(NULL))
		os_cond_wait(&vs->stopping, &vs->lock, (unsigned)(end_ms - now_ms));
	bool goes_on = !vs->stopped;
	pthread_mutex_unlock(&vs->lock);
	return goes_on && cancel_signal(&vs->stop) == 0;
}

static bool all_there(struct views *vs)
{
	bool all = true;
	pthread_mutex_lock(&vs->lock);
	for (size_t i = 0; i < vs->o.count; i++)
		all &= vs->at[i].view != NULL;
	pthread_mutex_unlock(&vs->lock);
	return all;
}

static void *keep_fresh(void *ctx)
{
	struct views *vs = ctx;
	uint64_t wait_s = SOON_S;
	do {
		struct err ignored = ERR_INIT;
		(void)!views_refresh(vs, NULL, &ignored);
		wait_s = all_there(vs) ? vs->o.refresh_s : MIN(vs->o.refresh_s, 2 * wait_s);
	} while (pause_s(vs, wait_s));
	return NULL;
}

int views_new(const struct views_options *o, struct views **out, struct err *e)
{
	struct views *vs = NEW(struct views);
	vs->o = *o;
	vs->stop.also = o->cancel;
	vs->at = mem_alloc((o->count + 1) * sizeof *vs->at);
	pthread_mutex_init(&vs->lock, NULL);
	os_cond_init(&vs->stopping);
	for (size_t i = 0; i < o->count; i++) {
		struct spot *s = &vs->at[i];
		s->set = o->repositories[i];
		s->dir = mem_printf("%s/edge/%s", o->home, s->set->name);
		s->state.repository = s->set->name;
		pthread_mutex_init(&s->refreshing, NULL);
		load_last(vs, s);
	}
	int sys = o->refresh_s ? pthread_create(&vs->thread, NULL, keep_fresh, vs) : 0;
	if (sys) {
		views_free(vs);
		return err_sys(e, sys, "a thread for the views of the repositories");
	}
	vs->has_thread = o->refresh_s > 0;
	*out = vs;
	return 0;
}

void views_free(struct views *vs)
{
	if (!vs)
		return;
	cancel_ask(&vs->stop, SIGTERM);
	pthread_mutex_lock(&vs->lock);
	vs->stopped = true;
	pthread_cond_signal(&vs->stopping);
	pthread_mutex_unlock(&vs->lock);
	if (vs->has_thread)
		pthread_join(vs->thread, NULL);
	for (size_t i = 0; i < vs->o.count; i++) {
		view_unref(vs->at[i].view);
		pthread_mutex_destroy(&vs->at[i].refreshing);
		free(vs->at[i].dir);
	}
	pthread_cond_destroy(&vs->stopping);
	pthread_mutex_destroy(&vs->lock);
	free(vs->at);
	free(vs);
}

void views_state(struct views *vs, size_t index, struct views_state *out)
{
	pthread_mutex_lock(&vs->lock);
	*out = vs->at[index].state;
	pthread_mutex_unlock(&vs->lock);
}
