/* What the store has of a model, when the mirrors cannot serve it. */
#include "ferry/retrieve_internal.h"

#include "fetch/standing.h"
#include "store/pinned.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

void retrieve_warn_of_kind(struct retrieval *r, const char *model, const char *variant,
			   const char *kind, const char *engine)
{
	if (kind)
		report_warn(r->client.report,
			    "%s:%s is of the kind '%s', not a model: it is used together with one",
			    model, variant, kind);
	if (engine)
		report_warn(r->client.report, "%s:%s: of all engines, only %s can load it", model,
			    variant, engine);
}

int retrieve_find_stored(const struct store *s, const struct reference *r, const char *variant,
			 struct store_variants *kept, const struct store_variant **out,
			 struct err *e)
{
	const char *named = fitting_is_auto(r) ? NULL : r->variant;
	store_variants_release(kept);
	return fetch_any_from_store(s, r->repository, r->model, named ? named : variant, r->version,
				    kept, out, e);
}

/* What was verified last about the model, even if it has expired. */
struct old_card {
	struct remotes remotes;
	const struct card *model;
	const struct card_variant *variant;
};

static void old_card_release(struct old_card *o)
{
	remotes_release(&o->remotes);
}

static int old_card_find(struct retrieval *r, const struct reference *reference,
			 struct old_card *out)
{
	struct remote *remote;
	struct err ignored = ERR_INIT;
	int rc = client_recall(&r->client, reference->repository, &out->remotes, &ignored);
	return rc < 0 ? rc
		      : remotes_resolve(&out->remotes, reference, &remote, &out->model,
					&out->variant, &ignored);
}

/* How it stands to the catalog of its repository that was verified last. */
struct old_catalog {
	struct remotes remotes;
	struct standing standing;
};

static void old_catalog_release(struct old_catalog *o)
{
	remotes_release(&o->remotes);
}

static int old_catalog_ask(struct retrieval *r, const struct store_variant *v,
			   struct old_catalog *out, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = client_recall(&r->client, v->repository, &out->remotes, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	return standing_of(rc == 0 ? out->remotes.at[0] : NULL, &r->client.store, v, &out->standing,
			   e);
}

/* No failure of the network makes a withdrawn version usable. The card of its own repository
 * counts, even if that no longer lists the version. When the version in the catalog was withdrawn,
 * another one in the store must be known to be none of those. */
static int refuse_withdrawn(const struct store_variant *v, const struct standing *st,
			    const struct err *why, struct err *e)
{
	bool known = st->kind == STANDING_CURRENT || st->kind == STANDING_OUTDATED ||
		     st->kind == STANDING_OLDER;
	if (why->cause == CAUSE_WITHDRAWN && st->kind != STANDING_WITHDRAWN && !known) {
		*e = *why;
		return -(int)e->class;
	}
	CLEANUP(mem_free_ptr) char *id = store_variant_plain(v);
	const struct card_variant stored = {
		.id = id,
		.version = v->version,
		.withdrawn = { st->reason, st->replacement },
	};
	return st->kind == STANDING_WITHDRAWN ? fetch_refuse_withdrawn(st->model, &stored, e) : 0;
}

/* If the store has the variant that was chosen before, that one. */
static int choose_stored_auto(struct retrieval *r, const struct reference *reference,
			      const char *variant, struct retrieved *out,
			      const struct store_variant **found, struct err *e)
{
	const struct store *s = &r->client.store;
	CLEANUP(mem_free_ptr) char *fits = NULL;
	struct err ignored = ERR_INIT;
	if (variant &&
	    retrieve_find_stored(s, reference, variant, &out->kept, found, &ignored) == 0)
		return 0;
	int rc = fitting_stored(&r->client, reference, &r->fitting, &fits, e);
	return rc < 0 ? rc : retrieve_find_stored(s, reference, fits, &out->kept, found, e);
}

static int choose_stored(struct retrieval *r, const struct reference *reference,
			 const char *variant, struct retrieved *out,
			 const struct store_variant **found, struct err *e)
{
	if (fitting_is_auto(reference))
		return choose_stored_auto(r, reference, variant, out, found, e);
	CLEANUP(old_card_release) struct old_card old = { 0 };
	struct err why = ERR_INIT;
	const struct store *s = &r->client.store;
	int rc = retrieve_find_stored(s, reference, variant, &out->kept, found, &why);
	/* The card says which of several is the default. */
	if (rc == -ERR_USAGE && old_card_find(r, reference, &old) == 0) {
		err_clear(&why);
		rc = retrieve_find_stored(s, reference, old.variant->id, &out->kept, found, &why);
	}
	if (rc < 0)
		*e = why;
	return rc;
}

/* Offline, that the newer version is not there is no failure. */
static bool is_expected(const struct retrieval *r, const struct standing *st, const struct err *why)
{
	return r->offline && st->has_newer && err_is(why, ERR_NOT_FOUND);
}

static void tell(struct retrieval *r, const struct store_variant *v, const struct standing *st,
		 const struct err *why)
{
	struct report *report = r->client.report;
	unsigned long long version = v->version, newer = st->version;
	char when[TIME_TEXT];
	format_time(when, v->fetched_s);
	if (is_expected(r, st, why))
		report_note(report,
			    "%s/%s:%s: using version %llu, which is in the store, fetched at %s; "
			    "the catalog has version %llu",
			    v->repository, v->model, v->variant, version, when, newer);
	else if (st->has_newer)
		report_warn(report,
			    "%s; using the model in the store: %s/%s:%s, version %llu, fetched at "
			    "%s; the catalog has version %llu",
			    why->text, v->repository, v->model, v->variant, version, when, newer);
	else
		report_warn(report, "%s; using the model in the store: %s/%s:%s, fetched at %s",
			    why->text, v->repository, v->model, v->variant, when);
	if (why->cause == CAUSE_UNCONFIRMED)
		report_note(report, "%s", why->hint);
}

static void take_stored(struct retrieval *r, const struct store_variant *v, const struct err *why,
			struct retrieved *out)
{
	out->repository = v->repository;
	out->model = v->model;
	out->variant = v->variant;
	out->kind = v->kind;
	out->version = v->version;
	out->pinned = store_is_pinned(&r->client.store, v);
	out->fallback = mem_strdup(why->text);
}

int retrieve_from_store(struct retrieval *r, const struct reference *reference, const char *variant,
			const struct fetch_options *options, const struct err *why,
			struct retrieved *out, struct err *e)
{
	CLEANUP(old_catalog_release) struct old_catalog old = { 0 };
	const struct store_variant *v;
	struct fetch_options how = *options;
	if (r->dry_run)
		how.output = NULL;
	int rc = choose_stored(r, reference, variant, out, &v, e);
	if (rc == 0)
		rc = old_catalog_ask(r, v, &old, e);
	if (rc == 0 && !options->withdrawn)
		rc = refuse_withdrawn(v, &old.standing, why, e);
	if (rc == 0)
		rc = fetch_stored(&r->client.store, v, &how, &out->files, e);
	if (rc < 0)
		return rc;
	take_stored(r, v, why, out);
	tell(r, v, &old.standing, why);
	retrieve_warn_of_kind(r, v->model, v->variant, v->kind, v->engine);
	return 0;
}
