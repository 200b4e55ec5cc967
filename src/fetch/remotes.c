#include "fetch/remote_internal.h"

#include "util/mem.h"
#include "util/threads.h"

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
		return err_hint(e,
				"use a repository of the configuration, or leave it out; a variant "
				"stands behind ':', as in MODEL:VARIANT");
	}
	if (set->path)
		err_set(e, ERR_USAGE, "%s: no [repository.NAME] with 'metadata' URLs", set->path);
	else
		err_set(e, ERR_USAGE,
			"no repository is configured, because there is no ferry.conf");
	return err_hint(e,
			"run the publisher's line, ferry repository add 'URL#sha256=HEX'; get it "
			"over a channel that you trust; see ferry-repository(1)");
}

/* Errors that another repository cannot make up for. */
static bool is_fatal(const struct err *e)
{
	return err_is(e, ERR_CANCELLED) || err_is(e, ERR_USAGE) || err_is(e, ERR_SYSTEM);
}

/* What became of one repository; each has a thread of its own, so that those that do not answer are
 * waited for at the same time. */
struct opening {
	const struct settings_repository *set;
	struct remote *remote;
	struct err why;
};

struct opener {
	struct opening *at;
	const struct settings_fetch *fetch;
	const struct store *store;
	const struct remote_options *options;
};

static void open_one(void *ctx, size_t i)
{
	const struct opener *o = ctx;
	struct opening *x = &o->at[i];
	(void)!remote_open(x->set, o->fetch, o->store, o->options, &x->remote, &x->why);
}

static void add_one(struct remotes *all, struct opening *x)
{
	if (x->remote) {
		all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
		all->at[all->count++] = x->remote;
		return;
	}
	all->failed = mem_grow(all->failed, all->failed_count, &all->failed_cap,
			       sizeof *all->failed);
	all->failed[all->failed_count++] = (struct remotes_failure){
		.repository = mem_strdup(x->set->name),
		.why = x->why,
	};
}

static int open_all(const struct opener *o, size_t count, struct remotes *all, struct err *e)
{
	int rc = 0;
	threads_run(THREADS_MAX, count, open_one, (void *)o);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0 && is_fatal(&o->at[i].why)) {
			*e = o->at[i].why;
			rc = -(int)e->class;
		}
		add_one(all, &o->at[i]);
	}
	return rc;
}

struct remote *remotes_find(const struct remotes *all, const char *repository)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i]->repository, repository) == 0)
			return all->at[i];
	return NULL;
}

int remotes_open(const struct settings_repositories *set, const struct settings_fetch *fetch,
		 const char *name, const struct store *s, const struct remote_options *options,
		 struct remotes *out, struct err *e)
{
	CLEANUP(remotes_release) struct remotes all = { 0 };
	CLEANUP(mem_free_ptr) struct opening *at = mem_alloc((set->count + 1) * sizeof *at);
	const struct opener o = { at, fetch, s, options };
	size_t count = 0;
	for (size_t i = 0; i < set->count; i++)
		if (is_wanted(&set->at[i], name))
			at[count++] = (struct opening){ .set = &set->at[i] };
	int rc = open_all(&o, count, &all, e);
	if (rc < 0)
		return rc;
	if (!all.count && !all.failed_count)
		return none_configured(set, name, e);
	if (!all.count) {
		*e = all.failed[0].why;
		return -(int)e->class;
	}
	rc = remotes_select(&all, options, e);
	if (rc < 0)
		return rc;
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
	return err_hint(e, "use a repository of the configuration, or leave it out; a variant "
			   "stands behind ':', as in MODEL:VARIANT");
}

static int resolve(struct remote *c, const struct reference *r, const struct card **model,
		   const struct card_variant **variant, struct err *e)
{
	int rc = remote_model(c, r->model, model, e);
	return rc < 0 ? rc : reference_resolve(*model, r->variant, r->version, variant, e);
}

/* A missing variant of an existing model, or a card that is not right, is a better answer than an
 * unknown model. */
static bool is_better(const struct err *e, const struct card *model)
{
	return model || !err_is(e, ERR_NOT_FOUND);
}

int remotes_resolve(struct remotes *all, const struct reference *r, struct remote **remote,
		    const struct card **model, const struct card_variant **variant, struct err *e)
{
	struct remote *found = NULL;
	struct err nearest = ERR_INIT;
	for (size_t i = 0; i < all->count; i++) {
		struct remote *c = all->at[i];
		struct err why = ERR_INIT;
		const struct card *m = NULL;
		const struct card_variant *v;
		if (r->repository && strcmp(r->repository, c->repository) != 0)
			continue;
		if (resolve(c, r, &m, &v, &why) < 0) {
			if (!nearest.class || is_better(&why, m))
				nearest = why;
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
	if (!nearest.class)
		return not_open(all, r->repository, e);
	*e = nearest;
	return -(int)e->class;
}
