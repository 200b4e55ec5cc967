/* Where a release of a repository can be read: its endpoints, and the mirrors that the last release
 * names. */
#include "serve/cache/view_internal.h"

#include "http/url.h"
#include "util/mem.h"

#include <string.h>

void view_candidates_release(struct view_candidates *c)
{
	for (size_t i = 0; i < c->count; i++)
		mirror_close(c->at[i].mirror);
}

static bool has_url(const struct view_candidates *c, const char *url)
{
	CLEANUP(mem_free_ptr) char *tidy = url_tidy(url);
	for (size_t i = 0; i < c->count; i++) {
		const char *other = c->at[i].mirror->url;
		CLEANUP(mem_free_ptr) char *known = other ? url_tidy(other) : NULL;
		if (known && strcmp(known, tidy) == 0)
			return true;
	}
	return false;
}

/* entry NULL: an endpoint. */
static int open_reader(const struct views_options *o, const struct cancel *cancel, const char *url,
		       const struct catalog_mirror *entry, struct mirror **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = entry ? NULL : url_redact(url);
	const struct mirror_env env = {
		.stall_s = o->stall_s,
		.cancel = cancel,
		.clock = o->clock,
		.access = o->access,
		.as_reader = true,
	};
	return entry ? mirror_open_entry(o->kinds, &env, entry, out, e)
		     : mirror_open_url(o->kinds, &env, shown, url, out, e);
}

static void add(struct view_candidates *c, const char *url, const struct catalog_mirror *entry)
{
	if (c->count == VIEW_CANDIDATES || has_url(c, url))
		return;
	struct newest_candidate *to = &c->at[c->count];
	struct err why = ERR_INIT;
	to->deadline = &c->deadlines[c->count];
	deadline_start(to->deadline, 0, NULL, c->cancel);
	if (open_reader(c->o, &to->deadline->cancel, url, entry, &to->mirror, &why) == 0)
		c->count++;
	else if (!c->why.class)
		c->why = why;
}

void view_candidates_find(struct view_candidates *c, const struct settings_repository *set,
			  const struct view *v)
{
	for (size_t i = 0; i < set->metadata.count; i++)
		add(c, set->metadata.at[i], NULL);
	size_t mirrors = v && !set->no_mirrors ? view_catalog(v)->mirror_count : 0;
	for (size_t i = 0; i < mirrors; i++) {
		const struct catalog_mirror *m = &view_catalog(v)->mirrors[i];
		if (mirror_reads_entry(c->o->kinds, m, MIRROR_HOLDS_METADATA))
			add(c, m->url, m);
	}
}

/* What cannot be opened is not read either. */
static bool has_credentials(const struct views_options *o, const struct cancel *cancel,
			    const char *url, const struct catalog_mirror *entry)
{
	CLEANUP_PTR(mirror_close) struct mirror *m = NULL;
	struct err ignored = ERR_INIT;
	return open_reader(o, cancel, url, entry, &m, &ignored) == 0 && mirror_has_credentials(m);
}

bool view_candidates_are_private(const struct views_options *o, const struct cancel *cancel,
				 const struct settings_repository *set, const struct catalog *c)
{
	for (size_t i = 0; i < set->metadata.count; i++)
		if (has_credentials(o, cancel, set->metadata.at[i], NULL))
			return true;
	for (size_t i = 0; i < c->mirror_count; i++)
		if (has_credentials(o, cancel, NULL, &c->mirrors[i]))
			return true;
	return false;
}
