#include "cli/retrieve.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

void retrieve_close(struct retrieval *r)
{
	session_release(&r->session);
}

void retrieve_release(struct retrieved *r)
{
	fetch_result_release(&r->files);
	store_variants_release(&r->kept);
	mem_free_ptr(&r->fallback);
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

static int find_stored(const struct store *s, const struct reference *r, const char *variant,
		       struct store_variants *kept, const struct store_variant **out, struct err *e)
{
	store_variants_release(kept);
	return fetch_from_store(s, r->repository, r->model, r->variant ? r->variant : variant,
				r->version, kept, out, e);
}

static bool all_stored(const struct store *s, const struct reference *r, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(store_variants_release) struct store_variants kept = { 0 };
		const struct store_variant *v;
		struct err ignored = ERR_INIT;
		/* Several variants of it are fine, too. */
		if (find_stored(s, &r[i], NULL, &kept, &v, &ignored) == -ERR_NOT_FOUND)
			return false;
	}
	return true;
}

/* May a model in the store be used after this failure? */
static bool store_may_serve(const struct retrieval *r, const struct err *why)
{
	return why->cause != CAUSE_WITHDRAWN &&
	       (err_is(why, ERR_NETWORK) || err_is(why, ERR_AUTH) || err_is(why, ERR_INTEGRITY) ||
		err_is(why, ERR_NOT_FOUND) || err_is(why, ERR_SYSTEM) ||
		why->cause == CAUSE_LOCKED || (r->offline && err_is(why, ERR_USAGE)));
}

/* Adds how to use the model in the store all the same; not when the command line was wrong, nor for
 * a model that was withdrawn. */
static int refuse(const struct retrieval *r, const struct reference *reference,
		  const struct err *why, struct err *e)
{
	*e = *why;
	size_t len = strlen(e->hint);
	if (!err_is(e, ERR_CANCELLED) && e->cause != CAUSE_WITHDRAWN &&
	    !(r->open && err_is(e, ERR_USAGE)) && all_stored(&r->session.store, reference, 1))
		snprintf(e->hint + len, sizeof e->hint - len,
			 "%sthe store has this model: use it with --offline, or with the path that "
			 "`ferry store path` prints",
			 len ? "; " : "");
	return -(int)e->class;
}

int retrieve_open(struct cli *cli, const struct reference *references, size_t count, bool offline,
		  const char *from, struct retrieval *out, struct err *e)
{
	CLEANUP(store_close) struct store store = { 0 };
	*out = (struct retrieval){ .cli = cli, .offline = offline };
	int rc = session_store(cli, &store, e);
	if (rc < 0)
		return rc;
	enum session_mode mode = offline                                 ? SESSION_OFFLINE
				 : all_stored(&store, references, count) ? SESSION_HURRY
									 : SESSION_ONLINE;
	rc = session_open_from(cli, common_repository(references, count), mode, from, &out->session,
			       &out->why);
	out->open = rc == 0;
	if (rc == 0)
		return 0;
	out->session.store = store;
	store = (struct store){ 0 };
	if (store_may_serve(out, &out->why))
		return 0;
	refuse(out, references, &out->why, e);
	retrieve_close(out);
	return rc;
}

/* -- one model ----------------------------------------------------------------------------- */

static void warn_of_deprecation(struct retrieval *r, const struct card *m)
{
	if (m->deprecated)
		report_warn(r->cli->report, "%s is deprecated%s%s%s%s", m->id,
			    m->deprecation_reason ? ": " : "",
			    m->deprecation_reason ? m->deprecation_reason : "",
			    m->replacement ? "; use " : "", m->replacement ? m->replacement : "");
}

static void warn_of_kind(struct retrieval *r, const char *model, const char *variant,
			 const char *kind, const char *engine)
{
	if (kind)
		report_warn(r->cli->report,
			    "%s:%s is of the kind '%s', not a model: it is used together with one",
			    model, variant, kind);
	if (engine)
		report_warn(r->cli->report, "%s:%s: of all engines, only %s can load it", model,
			    variant, engine);
}

/* What an unreachable repository has must not be replaced by what another one calls the same. */
static int check_unreachable(const struct retrieval *r, const struct reference *reference,
			     const struct remote *found, struct err *e)
{
	const struct remotes *all = &r->session.remotes;
	for (size_t i = 0; !reference->repository && i < all->failed_count; i++) {
		CLEANUP(store_variants_release) struct store_variants kept = { 0 };
		const char *name = all->failed[i].repository;
		const struct store_variant *v;
		struct err ignored = ERR_INIT;
		if (fetch_from_store(&r->session.store, name, reference->model, reference->variant,
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

static int from_mirrors(struct retrieval *r, const struct reference *reference,
			const struct fetch_options *options, struct retrieved *out,
			const char **variant, struct err *e)
{
	struct remote *remote;
	const struct card *model;
	const struct card_variant *v;
	int rc = remotes_resolve(&r->session.remotes, reference, &remote, &model, &v, e);
	if (rc == 0)
		rc = check_unreachable(r, reference, remote, e);
	if (rc < 0)
		return rc;
	*variant = v->id;
	warn_of_deprecation(r, model);
	warn_of_kind(r, model->id, v->id, v->kind, v->engine);
	struct fetch_options how = *options;
	how.versioned = reference->version != NULL;
	rc = fetch_variant(remote, model, v, &how, &out->files, e);
	if (rc < 0)
		return rc;
	out->repository = remote->repository;
	out->model = model->id;
	out->variant = v->id;
	out->version = v->version;
	out->kind = v->kind;
	return 0;
}

/* What was verified last about the model, even if it has expired. */
struct old_card {
	struct session session;
	const struct card *model;
	const struct card_variant *variant;
};

static void old_card_release(struct old_card *o)
{
	session_release(&o->session);
}

static int old_card_find(struct retrieval *r, const struct reference *reference,
			 struct old_card *out)
{
	struct cli silent = *r->cli;
	struct remote *remote;
	struct err ignored = ERR_INIT;
	silent.report = NULL;
	int rc = session_open(&silent, reference->repository, SESSION_OFFLINE, &out->session,
			      &ignored);
	return rc < 0 ? rc
		      : remotes_resolve(&out->session.remotes, reference, &remote, &out->model,
					&out->variant, &ignored);
}

/* No failure of the network makes a withdrawn version usable. The card of its own repository
 * counts, even if that no longer lists the version. */
static int refuse_withdrawn(struct retrieval *r, const struct store_variant *v, struct err *e)
{
	CLEANUP(old_card_release) struct old_card old = { 0 };
	CLEANUP(mem_free_ptr) char *id = mem_strndup(v->variant, strcspn(v->variant, "@"));
	const struct reference of_model = { .repository = v->repository, .model = v->model };
	const struct card_variant unlisted = { .id = id, .version = v->version };
	char number[24];
	if (old_card_find(r, &of_model, &old) < 0)
		return 0;
	snprintf(number, sizeof number, "%llu", (unsigned long long)v->version);
	const struct card_variant *current = card_variant(old.model, id);
	const struct card_variant *stored = current ? card_version(current, number) : NULL;
	return fetch_refuse_withdrawn(old.model, stored ? stored : &unlisted, e);
}

static int choose_stored(struct retrieval *r, const struct reference *reference,
			 const char *variant, struct retrieved *out,
			 const struct store_variant **found, struct err *e)
{
	CLEANUP(old_card_release) struct old_card old = { 0 };
	struct err why = ERR_INIT;
	const struct store *s = &r->session.store;
	int rc = find_stored(s, reference, variant, &out->kept, found, &why);
	/* The card says which of several is the default. */
	if (rc == -ERR_USAGE && old_card_find(r, reference, &old) == 0) {
		err_clear(&why);
		rc = find_stored(s, reference, old.variant->id, &out->kept, found, &why);
	}
	if (rc < 0)
		*e = why;
	return rc;
}

static void tell(struct retrieval *r, const struct store_variant *v, const char *why)
{
	char when[TIME_TEXT];
	format_time(when, v->fetched_s);
	report_warn(r->cli->report, "%s; using the model in the store: %s/%s:%s, fetched at %s",
		    why, v->repository, v->model, v->variant, when);
}

static int from_store(struct retrieval *r, const struct reference *reference, const char *variant,
		      const struct fetch_options *options, const struct err *why,
		      struct retrieved *out, struct err *e)
{
	const struct store_variant *v;
	int rc = choose_stored(r, reference, variant, out, &v, e);
	if (rc == 0 && !options->withdrawn)
		rc = refuse_withdrawn(r, v, e);
	if (rc == 0)
		rc = fetch_stored(&r->session.store, v, options, &out->files, e);
	if (rc < 0)
		return rc;
	out->repository = v->repository;
	out->model = v->model;
	out->variant = v->variant;
	out->kind = v->kind;
	out->version = v->version;
	out->fallback = mem_strdup(why->text);
	tell(r, v, why->text);
	warn_of_kind(r, v->model, v->variant, v->kind, v->engine);
	return 0;
}

int retrieve_model(struct retrieval *r, const struct reference *reference,
		   const struct fetch_options *options, struct retrieved *out, struct err *e)
{
	struct err why = r->why, stored = ERR_INIT;
	const char *variant = NULL;
	int rc = r->open ? from_mirrors(r, reference, options, out, &variant, &why)
			 : -(int)why.class;
	if (rc == 0)
		return 0;
	if (!store_may_serve(r, &why))
		return refuse(r, reference, &why, e);
	if (from_store(r, reference, variant, options, &why, out, &stored) == 0)
		return 0;
	/* Several variants, and no catalog that tells which; or it was withdrawn. */
	*e = err_is(&stored, ERR_USAGE) || stored.cause == CAUSE_WITHDRAWN ? stored : why;
	return -(int)e->class;
}
