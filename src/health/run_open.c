#include "health/run_internal.h"

#include "http/access.h"
#include "http/url.h"
#include "settings/access.h"
#include "settings/fetch.h"
#include "util/mem.h"

#include <string.h>

static bool is_full(const struct health_run *run)
{
	return run->r->count >= HEALTH_MAX_MIRRORS;
}

/* The list has room for all, so that a mirror's address stays the same. */
static struct health_mirror *add(struct health_run *run, const char *id, enum health_origin origin)
{
	struct health_mirror *m = &run->r->mirrors[run->r->count++];
	*m = (struct health_mirror){
		.id = mem_strdup(id),
		.kind = "",
		.origin = origin,
		.priority = CATALOG_PRIORITY,
		.holds = MIRROR_HOLDS_ALL,
	};
	deadline_start(&m->deadline, 0, NULL, run->o->cancel);
	deadline_start(&m->source_deadline, 0, NULL, run->o->cancel);
	return m;
}

static struct mirror_env env_of(const struct health_run *run, const struct deadline *d)
{
	struct mirror_env env = run->env;
	env.cancel = &d->cancel;
	return env;
}

/* Can the subject be read from it? From a handle of its own: the other one ends with the mirror's
 * deadline, while the subject is read for all mirrors. */
static bool wants_source(const struct health_run *run, const struct health_mirror *m)
{
	return m->mirror && !run->o->repository->dir && m->holds != MIRROR_HOLDS_OBJECTS &&
	       !m->stage;
}

static void note_opened(struct health_mirror *m)
{
	if (!m->mirror)
		return;
	m->kind = m->mirror->ops->kind;
	if (!m->url && m->mirror->url)
		m->url = url_redact(m->mirror->url);
}

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

static void open_settings(struct health_run *run, const struct settings_mirror *s)
{
	struct health_mirror *m = add(run, s->id, HEALTH_FROM_SETTINGS);
	struct mirror_env env = env_of(run, &m->deadline);
	struct err ignored = ERR_INIT;
	m->kind = s->kind ? s->kind : "";
	m->url = s->url ? url_redact(s->url) : NULL;
	m->region = copy(s->region);
	m->priority = s->priority;
	m->holds = s->holds;
	m->stage = s->stage;
	if (s->limit_rate.count) {
		m->rate = (struct rate){ .table = s->limit_rate, .within = env.rate };
		env.rate = &m->rate;
	}
	(void)!mirror_open(mirror_kinds_all, &env, s, &m->mirror, &m->error);
	env.cancel = &m->source_deadline.cancel;
	if (wants_source(run, m))
		(void)!mirror_open(mirror_kinds_all, &env, s, &m->source, &ignored);
	note_opened(m);
}

/* Is a mirror there already that readers find at this URL? */
static bool has_url(const struct health_run *run, const char *url)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(url);
	for (size_t i = 0; i < run->r->count; i++) {
		const struct mirror *m = run->r->mirrors[i].mirror;
		CLEANUP(mem_free_ptr) char *other = m && m->url ? url_tidy(m->url) : NULL;
		if (other && strcmp(tidy, other) == 0)
			return true;
	}
	return false;
}

static bool has_id(const struct health_run *run, const char *id)
{
	for (size_t i = 0; i < run->r->count; i++)
		if (strcmp(run->r->mirrors[i].id, id) == 0)
			return true;
	return false;
}

static void open_endpoint(struct health_run *run, const char *url)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(url);
	if (is_full(run) || has_url(run, url) || has_id(run, shown))
		return;
	struct health_mirror *m = add(run, shown, HEALTH_FROM_METADATA);
	struct mirror_env env = env_of(run, &m->deadline);
	struct err ignored = ERR_INIT;
	m->holds = MIRROR_HOLDS_METADATA;
	m->url = mem_strdup(shown);
	(void)!mirror_open_url(mirror_kinds_all, &env, shown, url, &m->mirror, &m->error);
	env.cancel = &m->source_deadline.cancel;
	if (wants_source(run, m))
		(void)!mirror_open_url(mirror_kinds_all, &env, shown, url, &m->source, &ignored);
	note_opened(m);
}

static int read_settings(struct health_run *run, struct err *e)
{
	const struct health_run_options *o = run->o;
	CLEANUP(mem_free_ptr) struct settings_kind *kinds = mirror_settings_kinds(mirror_kinds_all);
	struct settings_fetch fetch;
	int rc = settings_access_read(o->conf, &run->r->access, e);
	/* Statistics of downloads leave our own checks out. */
	http_access_program(&run->r->access, "health");
	if (rc == 0)
		rc = settings_fetch_read(o->conf, &fetch, e);
	if (rc == 0)
		rc = settings_mirrors_read(o->conf, o->repository->name, kinds, &run->r->settings,
					   e);
	if (rc < 0)
		return rc;
	run->env = (struct mirror_env){
		.access = &run->r->access,
		.stall_s = fetch.stall_s,
		.as_reader = true,
		.state_dir = o->records_dir,
	};
	return 0;
}

int health_run_open(struct health_run *run, struct err *e)
{
	int rc = read_settings(run, e);
	if (rc < 0)
		return rc;
	run->r->mirrors = mem_alloc(HEALTH_MAX_MIRRORS * sizeof *run->r->mirrors);
	for (size_t i = 0; i < run->r->settings.count && !is_full(run); i++)
		open_settings(run, &run->r->settings.at[i]);
	for (size_t i = 0; i < run->o->repository->metadata.count; i++)
		open_endpoint(run, run->o->repository->metadata.at[i]);
	return 0;
}

/* ---- of the catalog ---- */

static void open_entry(struct health_run *run, const struct catalog_mirror *entry)
{
	struct health_mirror *m = add(run, entry->id, HEALTH_FROM_CATALOG);
	const struct mirror_env env = env_of(run, &m->deadline);
	m->url = url_redact(entry->url);
	m->region = copy(entry->region);
	m->priority = entry->priority;
	m->holds = entry->holds;
	(void)!mirror_open_entry(mirror_kinds_all, &env, entry, &m->mirror, &m->error);
	note_opened(m);
}

/* A place that clients read the metadata from may be a mirror of the catalog: then it is that. */
static bool take_endpoint(struct health_run *run, const struct catalog_mirror *entry)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(entry->url);
	for (size_t i = 0; i < run->r->count; i++) {
		struct health_mirror *m = &run->r->mirrors[i];
		CLEANUP(mem_free_ptr) char *mine = url_tidy(m->id);
		if (m->origin != HEALTH_FROM_METADATA || strcmp(mine, shown) != 0 ||
		    has_id(run, entry->id))
			continue;
		free(m->id);
		m->id = mem_strdup(entry->id);
		m->origin = HEALTH_FROM_CATALOG;
		m->region = copy(entry->region);
		m->priority = entry->priority;
		m->holds = entry->holds;
		return true;
	}
	return false;
}

void health_run_open_catalog(struct health_run *run)
{
	const struct catalog *c = &run->r->subject.catalog;
	for (size_t i = 0; i < c->mirror_count && !is_full(run); i++)
		if (!has_id(run, c->mirrors[i].id) && !take_endpoint(run, &c->mirrors[i]))
			open_entry(run, &c->mirrors[i]);
}

/* ---- the choice ---- */

static void release_one(struct health_mirror *m)
{
	mirror_close(m->mirror);
	mirror_close(m->source);
	probe_release(&m->probe);
	rolling_report_release(&m->audit);
	free(m->id);
	free(m->url);
	free(m->region);
	*m = (struct health_mirror){ 0 };
}

void health_report_release(struct health_report *r)
{
	health_subject_release(&r->subject); /* its tree may read from a mirror */
	for (size_t i = 0; i < r->count; i++)
		release_one(&r->mirrors[i]);
	free(r->mirrors);
	health_findings_release(&r->findings);
	free(r->changes);
	settings_mirrors_release(&r->settings);
	http_access_list_release(&r->access);
	*r = (struct health_report){ 0 };
}

/* The others stay open, because the subject may be read from one of them. */
void health_run_choose(struct health_run *run)
{
	const struct health_run_options *o = run->o;
	for (size_t i = 0; i < run->r->count; i++) {
		bool chosen = !o->only_count;
		for (size_t k = 0; k < o->only_count; k++)
			chosen |= strcmp(o->only[k], run->r->mirrors[i].id) == 0;
		run->r->mirrors[i].left_out = !chosen;
	}
}
