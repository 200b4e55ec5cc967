/* The places that readers ask, each opened as a reader opens it. */
#include "cli/doctor/doctor.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "publish/tree_places.h"
#include "util/mem.h"

#include <string.h>

#define MAX_PLACES (CATALOG_MAX_MIRRORS + 64)

static struct doctor_place *add(struct doctor_subject *s, const char *id, const char *url)
{
	struct doctor_place *p = &s->places[s->place_count++];
	p->id = mem_strdup(id);
	p->url = url_redact(url);
	p->from = url;
	deadline_start(&p->deadline, 0, NULL, s->doctor->quiet.cancel);
	return p;
}

static struct mirror_env env_of(const struct doctor_subject *s, const struct doctor_place *p)
{
	return (struct mirror_env){
		.access = &s->doctor->access,
		.stall_s = s->doctor->fetch.stall_s,
		.as_reader = true,
		.cancel = &p->deadline.cancel,
	};
}

/* A slash at the end makes no other place. */
static char *plain_url(const char *text)
{
	char *url = url_tidy(text);
	size_t len = strlen(url);
	while (len && url[len - 1] == '/')
		url[--len] = '\0';
	return url;
}

static bool has_url(const struct doctor_subject *s, const char *url)
{
	CLEANUP(mem_free_ptr) char *tidy = plain_url(url);
	for (size_t i = 0; i < s->place_count; i++) {
		CLEANUP(mem_free_ptr) char *other = plain_url(s->places[i].from);
		if (strcmp(tidy, other) == 0)
			return true;
	}
	return false;
}

static void add_catalog(struct doctor_subject *s, const struct catalog *c)
{
	for (size_t i = 0; i < c->mirror_count && s->place_count < MAX_PLACES; i++) {
		struct doctor_place *p = add(s, c->mirrors[i].id, c->mirrors[i].url);
		const struct mirror_env env = env_of(s, p);
		p->entry = &c->mirrors[i];
		int rc = mirror_open_entry(mirror_kinds_all, &env, p->entry, &p->mirror, &p->error);
		/* Of one that is only fetched here, no model files are asked for by their keys. */
		if (rc == 0 && s->settings->dir)
			(void)!tree_places_for(&s->tree, p->mirror, &p->error);
	}
}

static void add_metadata(struct doctor_subject *s)
{
	const struct str_list *urls = &s->settings->metadata;
	for (size_t i = 0; i < urls->count && s->place_count < MAX_PLACES; i++) {
		if (has_url(s, urls->at[i]))
			continue;
		CLEANUP(mem_free_ptr) char *id = url_redact(urls->at[i]);
		struct doctor_place *p = add(s, id, urls->at[i]);
		const struct mirror_env env = env_of(s, p);
		(void)!mirror_open_url(mirror_kinds_all, &env, p->id, p->from, &p->mirror,
				       &p->error);
	}
}

/* Of a repository that nothing was fetched from yet, only the places of its metadata are known. */
static int find_places(struct doctor_subject *s, struct err *e)
{
	struct err unknown = ERR_INIT;
	s->places = mem_alloc(MAX_PLACES * sizeof *s->places);
	if (s->settings->dir) {
		int rc = facts_tree(s, e);
		if (rc == 0)
			rc = repository_catalog(s->settings->dir, &s->catalog, e);
		if (rc < 0)
			return rc;
		add_catalog(s, &s->catalog);
	} else if (facts_client(s->doctor, &unknown) == 0) {
		const struct remote *r = remotes_find(&s->doctor->client.remotes,
						      s->settings->name);
		if (r)
			add_catalog(s, &r->catalog);
	}
	add_metadata(s);
	return 0;
}

int readers_places(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->places_fact, s, find_places, e);
}

/* ---- probes ---- */

static void probe(void *ctx, size_t i)
{
	struct doctor_subject *s = ctx;
	struct doctor_place *p = &s->places[i];
	struct err e = ERR_INIT;
	const struct probe_options o = PROBE_OPTIONS;
	const struct probe_subject subject = { .metadata_only = true, .deadline = &p->deadline };
	if (p->mirror && probe_mirror(&subject, p->mirror, &o, &p->probe, &e) < 0)
		p->error = e;
}

static int ask_places(struct doctor_subject *s, struct err *e)
{
	int rc = readers_places(s, e);
	if (rc == 0)
		threads_run(THREADS_MAX, s->place_count, probe, s);
	return rc < 0 ? rc : cancel_check(s->doctor->quiet.cancel, e);
}

int readers_probes(struct doctor_subject *s, struct err *e)
{
	return facts_once(&s->probes_fact, s, ask_places, e);
}

void readers_release(struct doctor_subject *s)
{
	for (size_t i = 0; i < s->place_count; i++) {
		struct doctor_place *p = &s->places[i];
		mirror_close(p->mirror);
		probe_release(&p->probe);
		free(p->id);
		free(p->url);
	}
	free(s->places);
	catalog_release(&s->catalog);
}
