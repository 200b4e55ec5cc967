#include "ferry/retrieve_internal.h"

#include "fetch/prefetch.h"
#include "store/pinned.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

void retrieve_close(struct retrieval *r)
{
	client_release(&r->client);
}

void retrieve_release(struct retrieved *r)
{
	fetch_result_release(&r->files);
	preview_release(&r->preview);
	store_variants_release(&r->kept);
	mem_free_ptr(&r->fallback);
	json_decref(r->chosen);
	r->chosen = NULL;
}

void retrieve_put(json_t *object, const struct retrieved *r)
{
	json_put_string(object, "repository", r->repository);
	json_put_string(object, "model", r->model);
	json_put_string(object, "variant", r->variant);
	json_put_u64(object, "version", r->version);
	json_put_string(object, "kind", r->kind);
	if (r->pinned)
		json_put_bool(object, "pinned", true);
	json_put_string(object, "fallback", r->fallback);
	if (r->chosen)
		json_put(object, "auto", json_incref(r->chosen));
}

/* -- opening --------------------------------------------------------------------------------- */

/* The repository that all references name, or NULL. */
static const char *common_repository(const struct reference *r, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (!r[i].repository || !r[0].repository ||
		    strcmp(r[i].repository, r[0].repository) != 0)
			return NULL;
	return r[0].repository;
}

static bool all_stored(const struct store *s, const struct reference *r, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(store_variants_release) struct store_variants kept = { 0 };
		const struct store_variant *v;
		struct err ignored = ERR_INIT;
		/* Several variants of it are fine, too. */
		if (retrieve_find_stored(s, &r[i], NULL, &kept, &v, &ignored) == -ERR_NOT_FOUND)
			return false;
	}
	return true;
}

/* May a model in the store be used after this failure? */
static bool store_may_serve(const struct retrieval *r, const struct err *why)
{
	if (why->cause == CAUSE_UNCONFIRMED)
		return r->runs;
	return err_is(why, ERR_NETWORK) || err_is(why, ERR_AUTH) || err_is(why, ERR_INTEGRITY) ||
	       err_is(why, ERR_NOT_FOUND) || err_is(why, ERR_SYSTEM) ||
	       why->cause == CAUSE_LOCKED || (r->offline && err_is(why, ERR_USAGE));
}

/* Adds how to use the model in the store all the same; not when the command line was wrong, nor for
 * a model that was withdrawn. */
static int refuse(const struct retrieval *r, const struct reference *reference,
		  const struct err *why, struct err *e)
{
	*e = *why;
	size_t len = strlen(e->hint);
	if (!err_is(e, ERR_CANCELLED) && e->cause != CAUSE_WITHDRAWN &&
	    !(r->open && err_is(e, ERR_USAGE)) && all_stored(&r->client.store, reference, 1))
		snprintf(e->hint + len, sizeof e->hint - len,
			 "%sthe store has this model: use it with --offline, or with the path that "
			 "`ferry store path` prints",
			 len ? "; " : "");
	return -(int)e->class;
}

int retrieve_open(struct retrieval *r, const struct reference *references, size_t count,
		  const char *from, struct err *e)
{
	struct client *c = &r->client;
	enum client_mode mode = r->offline                                 ? CLIENT_OFFLINE
				: all_stored(&c->store, references, count) ? CLIENT_HURRY
									   : CLIENT_ONLINE;
	r->open = !r->why.class &&
		  client_connect(c, common_repository(references, count), mode, from, &r->why) == 0;
	if (r->open || store_may_serve(r, &r->why))
		return 0;
	return refuse(r, references, &r->why, e);
}

/* -- ahead ----------------------------------------------------------------------------------- */

static void prefetch_cards(struct remote *c, const struct reference *references, size_t count)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	for (size_t i = 0; c->has_cards && i < count; i++) {
		const char *repository = references[i].repository;
		if (!repository || strcmp(repository, c->repository) == 0)
			str_list_take(&paths, card_document(references[i].model));
	}
	prefetch_targets(c, &paths);
}

void retrieve_prefetch(struct retrieval *r, const struct reference *references, size_t count)
{
	struct remotes *all = &r->client.remotes;
	for (size_t i = 0; r->open && i < all->count; i++)
		prefetch_cards(all->at[i], references, count);
}

/* -- one model ----------------------------------------------------------------------------- */

static void warn_of_deprecation(struct retrieval *r, const struct card *m)
{
	if (m->deprecated)
		report_warn(r->client.report, "%s is deprecated%s%s%s%s", m->id,
			    m->deprecation_reason ? ": " : "",
			    m->deprecation_reason ? m->deprecation_reason : "",
			    m->replacement ? "; use " : "", m->replacement ? m->replacement : "");
}

/* What an unreachable repository has must not be replaced by what another one calls the same. */
static int check_unreachable(const struct retrieval *r, const struct reference *reference,
			     const struct remote *found, struct err *e)
{
	const struct remotes *all = &r->client.remotes;
	for (size_t i = 0; !reference->repository && i < all->failed_count; i++) {
		CLEANUP(store_variants_release) struct store_variants kept = { 0 };
		const char *name = all->failed[i].repository;
		const struct store_variant *v;
		struct err ignored = ERR_INIT;
		const char *variant = fitting_is_auto(reference) ? NULL : reference->variant;
		if (fetch_any_from_store(&r->client.store, name, reference->model, variant,
					 reference->version, &kept, &v, &ignored) == -ERR_NOT_FOUND)
			continue;
		err_set(e, ERR_USAGE,
			"several repositories have %s: %s, and %s, whose catalog cannot be used "
			"now, but whose model is in the store",
			reference->model, found->repository, name);
		return err_hint(e, "name the repository, for example %s/%s", name,
				reference->model);
	}
	return 0;
}

/* *instead: what may be used of it, if this was refused. */
static int get_consent(const struct retrieval *r, const struct reference *reference,
		       struct fetch_want *w, const char **instead, struct err *e)
{
	return r->confirm ? r->confirm(r->ctx, r, reference, w, instead, e) : 0;
}

/* It is there, or a dry run says how it would be. */
static void take_names(struct retrieved *m)
{
	const struct fetch_want *w = &m->want;
	m->repository = w->remote->repository;
	m->model = w->model->id;
	m->variant = w->variant->id;
	m->version = w->variant->version;
	m->kind = w->variant->kind;
	m->there = true;
}

int retrieve_pinned(const struct store *s, const struct reference *reference,
		    const char *repository, const struct card *model,
		    const struct card_variant **variant, bool *pinned, struct err *e)
{
	const struct card_variant *current = *variant;
	uint64_t version;
	char number[24];
	*pinned = !reference->version &&
		  store_pin_of(s, repository, model->id, current->id, &version);
	if (!*pinned)
		return 0;
	snprintf(number, sizeof number, "%llu", (unsigned long long)version);
	*variant = card_version(current, number);
	if (*variant)
		return 0;
	err_set(e, ERR_NOT_FOUND, "%s:%s is pinned at version %s, which is not in the catalog",
		model->id, current->id, version ? number : "(unreadable)");
	return err_hint(e, "`ferry unpin %s/%s:%s` lets it change", repository, model->id,
			current->id);
}

static int take_pinned(struct retrieval *r, const struct reference *reference,
		       struct retrieved *out, struct err *e)
{
	struct fetch_want *w = &out->want;
	const char *repository = w->remote->repository;
	const struct card_variant *current = w->variant;
	int rc = retrieve_pinned(&r->client.store, reference, repository, w->model, &w->variant,
				 &out->pinned, e);
	if (rc == 0 && w->variant != current)
		report_note(r->client.report,
			    "%s/%s:%s is pinned at version %llu; the catalog has version %llu",
			    repository, w->model->id, current->id,
			    (unsigned long long)w->variant->version,
			    (unsigned long long)current->version);
	return rc;
}

static int find(struct retrieval *r, const struct reference *reference, struct retrieved *out,
		struct err *e)
{
	struct fetch_want *w = &out->want;
	struct remote *remote;
	int rc = fitting_resolve(&r->client, &r->client.remotes, reference, &r->fitting, &remote,
				 &w->model, &w->variant, &out->chosen, e);
	if (rc == 0)
		rc = check_unreachable(r, reference, remote, e);
	if (rc < 0)
		return rc;
	w->remote = remote;
	out->instead = w->variant->id;
	rc = take_pinned(r, reference, out, e);
	if (rc < 0) {
		w->remote = NULL;
		return rc;
	}
	warn_of_deprecation(r, w->model);
	retrieve_warn_of_kind(r, w->model->id, w->variant->id, w->variant->kind,
			      w->variant->engine);
	rc = r->dry_run ? preview_make(remote, w->model, w->variant, &w->options, &out->preview, e)
			: get_consent(r, reference, w, &out->instead, e);
	if (rc == 0 && r->dry_run)
		take_names(out);
	if (rc < 0 || r->dry_run)
		w->remote = NULL;
	return rc;
}

/* -- the three steps -------------------------------------------------------------------------- */

int retrieve_find(struct retrieval *r, const struct reference *reference,
		  const struct fetch_options *options, struct retrieved *out, struct err *e)
{
	out->reference = reference;
	out->want.options = *options;
	out->want.options.versioned = reference->version != NULL;
	out->why = r->why;
	int rc = r->open ? find(r, reference, out, &out->why) : -(int)r->why.class;
	return rc == 0 || store_may_serve(r, &out->why) ? 0 : refuse(r, reference, &out->why, e);
}

/* For fetch_variants(). */
struct retrieving {
	struct retrieved **at; /* of each want */
	const struct fetch_want *wants;
	retrieve_done_fn *done;
	void *ctx;
};

static void take(void *ctx, struct fetch_want *w)
{
	const struct retrieving *g = ctx;
	struct retrieved *m = g->at[w - g->wants];
	m->why = w->why;
	if (w->why.class) {
		fetch_result_release(&w->result);
		return;
	}
	m->files = w->result;
	w->result = (struct fetch_result){ 0 };
	take_names(m);
	if (g->done)
		g->done(g->ctx, m);
}

int retrieve_fetch(struct retrieved *const *all, size_t count, retrieve_done_fn *done, void *ctx,
		   struct err *e)
{
	CLEANUP(mem_free_ptr) struct retrieved **at = mem_alloc((count + 1) * sizeof *at);
	CLEANUP(mem_free_ptr) struct fetch_want *wants = mem_alloc((count + 1) * sizeof *wants);
	struct retrieving g = { at, wants, done, ctx };
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (!all[i]->want.remote)
			continue;
		at[n] = all[i];
		wants[n++] = all[i]->want;
	}
	return fetch_variants(wants, n, take, &g, e);
}

/* The person may have forgotten the pin that keeps a version which was withdrawn. */
static void mention_pin(const struct retrieved *m, struct err *e)
{
	size_t len = strlen(e->hint);
	if (m->pinned && e->cause == CAUSE_WITHDRAWN)
		snprintf(e->hint + len, sizeof e->hint - len,
			 "; `ferry unpin %s:%s` lets it change", m->want.model->id,
			 m->want.variant->id);
}

int retrieve_settle(struct retrieval *r, struct retrieved *m, struct err *e)
{
	struct err stored = ERR_INIT;
	if (m->there)
		return 0;
	if (!store_may_serve(r, &m->why))
		return refuse(r, m->reference, &m->why, e);
	if (retrieve_from_store(r, m->reference, m->instead, &m->want.options, &m->why, m,
				&stored) == 0) {
		m->there = true;
		return 0;
	}
	/* Several variants, and no catalog that tells which; or it was withdrawn. */
	*e = err_is(&stored, ERR_USAGE) || stored.cause == CAUSE_WITHDRAWN ? stored : m->why;
	mention_pin(m, e);
	return -(int)e->class;
}

int retrieve_model(struct retrieval *r, const struct reference *reference,
		   const struct fetch_options *options, struct retrieved *out, struct err *e)
{
	int rc = retrieve_find(r, reference, options, out, e);
	if (rc == 0)
		rc = retrieve_fetch(&out, 1, NULL, NULL, e);
	return rc < 0 ? rc : retrieve_settle(r, out, e);
}
