#include "fetch/remote.h"

#include "util/mem.h"

#include <string.h>

void remotes_release(struct remotes *c)
{
	for (size_t i = 0; i < c->count; i++)
		remote_free(c->at[i]);
	for (size_t i = 0; i < c->failed_count; i++)
		free(c->failed[i].repository);
	free(c->failed);
	free(c->at);
	*c = (struct remotes){ 0 };
}

static bool is_wanted(const struct settings_repository *set, const char *name)
{
	return name ? strcmp(set->name, name) == 0 : set->metadata.count > 0;
}

static int none_configured(const struct settings_repositories *set, const char *name, struct err *e)
{
	if (name) {
		settings_repositories_unknown(set, name, ERR_NOT_FOUND, e);
		return err_hint(e, "use a repository of the configuration, or leave it out");
	}
	if (set->path)
		err_set(e, ERR_USAGE, "%s: no [repository.NAME] with 'metadata' URLs", set->path);
	else
		err_set(e, ERR_USAGE,
			"no repository is configured, because there is no ferry.conf");
	return err_hint(e,
			"get 1.root.json from the publisher over a channel that you trust, then "
			"run: ferry repository add NAME URL --root FILE; see ferry-repository(1)");
}

/* Errors that another repository cannot make up for. */
static bool is_fatal(const struct err *e)
{
	return err_is(e, ERR_CANCELLED) || err_is(e, ERR_USAGE) || err_is(e, ERR_SYSTEM);
}

static int open_one(const struct settings_repository *set, const struct settings_fetch *fetch,
		    const struct store *s, const struct remote_options *options,
		    struct remotes *all, struct err *e)
{
	struct remote *remote;
	struct err why = ERR_INIT;
	if (remote_open(set, fetch, s, options, &remote, &why) == 0) {
		all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
		all->at[all->count++] = remote;
		return 0;
	}
	if (is_fatal(&why)) {
		*e = why;
		return -(int)e->class;
	}
	all->failed = mem_grow(all->failed, all->failed_count, &all->failed_cap,
			       sizeof *all->failed);
	all->failed[all->failed_count++] =
		(struct remotes_failure){ .repository = mem_strdup(set->name), .why = why };
	return 0;
}

int remotes_open(const struct settings_repositories *set, const struct settings_fetch *fetch,
		 const char *name, const struct store *s, const struct remote_options *options,
		 struct remotes *out, struct err *e)
{
	CLEANUP(remotes_release) struct remotes all = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < set->count; i++)
		if (is_wanted(&set->at[i], name))
			rc = open_one(&set->at[i], fetch, s, options, &all, e);
	if (rc < 0)
		return rc;
	if (!all.count && !all.failed_count)
		return none_configured(set, name, e);
	if (!all.count) {
		*e = all.failed[0].why;
		return -(int)e->class;
	}
	for (size_t i = 0; i < all.failed_count; i++)
		report_warn(options->report, "%s", all.failed[i].why.text);
	*out = all;
	all = (struct remotes){ 0 };
	return 0;
}

static int ambiguous(const struct reference *r, const struct remote *a, const struct remote *b,
		     struct err *e)
{
	err_set(e, ERR_USAGE, "several repositories have %s: %s and %s", r->model, a->repository,
		b->repository);
	return err_hint(e, "name the repository, for example %s/%s", a->repository, r->model);
}

static int not_open(const struct remotes *all, const char *repository, struct err *e)
{
	for (size_t i = 0; i < all->failed_count; i++)
		if (strcmp(all->failed[i].repository, repository) == 0) {
			*e = all->failed[i].why;
			return -(int)e->class;
		}
	err_set(e, ERR_NOT_FOUND, "there is no repository %s in the configuration", repository);
	return err_hint(e, "use a repository of the configuration, or leave it out");
}

int remotes_resolve(const struct remotes *all, const struct reference *r, struct remote **remote,
		    const struct card **model, const struct card_variant **variant, struct err *e)
{
	struct remote *found = NULL, *near = NULL;
	for (size_t i = 0; i < all->count; i++) {
		struct remote *c = all->at[i];
		struct err why = ERR_INIT;
		const struct card *m;
		const struct card_variant *v;
		if (r->repository && strcmp(r->repository, c->repository) != 0)
			continue;
		int rc = catalog_resolve(&c->catalog, r, &m, &v, &why);
		/* A missing variant of an existing model is a better answer than an unknown
		 * model. */
		if (rc < 0) {
			if (!near || catalog_model(&c->catalog, r->model))
				near = c;
			continue;
		}
		if (found)
			return ambiguous(r, found, c, e);
		found = c;
		*remote = c;
		*model = m;
		*variant = v;
	}
	if (found)
		return 0;
	if (!near)
		return not_open(all, r->repository, e);
	const struct card *m;
	const struct card_variant *v;
	return catalog_resolve(&near->catalog, r, &m, &v, e);
}
