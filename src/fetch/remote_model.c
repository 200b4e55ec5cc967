#include "fetch/remote_internal.h"

#include "util/mem.h"

#include <string.h>

#define TARGETS "targets" /* the role that signs what is not of one model */

/* -- the repository itself ------------------------------------------------------------------ */

/* `signer` NULL: any role. */
static int load(struct remote *r, const char *target, const char *signer, size_t max,
		struct catalog *out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	int rc = remote_target(r, target, signer, max, &bytes, e);
	return rc < 0 ? rc : catalog_parse(buf_str(&bytes), bytes.len, target, out, e);
}

int remote_load_head(struct remote *r, struct catalog *out, struct err *e)
{
	r->has_cards = tuf_client_top_lists(r->tuf, CATALOG_HEAD_TARGET);
	if (r->has_cards)
		return load(r, CATALOG_HEAD_TARGET, TARGETS, CATALOG_HEAD_MAX_BYTES, out, e);
	int rc = load(r, CATALOG_TARGET, NULL, CATALOG_MAX_BYTES, out, e);
	/* Only the publisher of targets names mirrors. */
	if (rc == 0 && !tuf_client_top_lists(r->tuf, CATALOG_TARGET))
		out->mirror_count = 0;
	return rc;
}

/* -- one model ------------------------------------------------------------------------------ */

static struct card *keep(struct remote *r, struct card *c, const char *signer)
{
	struct card *kept = NEW(struct card);
	*kept = *c;
	*c = (struct card){ 0 };
	r->cards = mem_grow(r->cards, r->card_count, &r->card_cap, sizeof *r->cards);
	r->cards[r->card_count++] = (struct remote_card){
		.card = kept,
		.signer = signer ? mem_strdup(signer) : NULL,
	};
	return kept;
}

static const struct card *kept(const struct remote *r, const char *id)
{
	for (size_t i = 0; i < r->card_count; i++)
		if (strcmp(r->cards[i].card->id, id) == 0)
			return r->cards[i].card;
	return NULL;
}

const char *remote_signer(const struct remote *r, const struct card *model)
{
	for (size_t i = 0; i < r->card_count; i++)
		if (r->cards[i].card == model)
			return r->cards[i].signer;
	return NULL;
}

static int load_card(struct remote *r, const char *id, const char *path, const char *signer,
		     const struct card **out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	CLEANUP(card_release) struct card c = { 0 };
	int rc = remote_target(r, path, signer, CARD_MAX_BYTES, &bytes, e);
	if (rc == 0)
		rc = card_parse(buf_str(&bytes), bytes.len, path, &c, e);
	if (rc < 0)
		return rc;
	if (card_check_own(&c, id, e) < 0) {
		err_context(e, "%s: %s, signed by the role %s", r->repository, path, signer);
		return err_hint(e, "tell the publisher");
	}
	*out = keep(r, &c, signer);
	return 0;
}

struct names {
	struct str_list *list;
	const char *id;
	bool listed;
	/* Variants where a model is expected: named like files, or by their own names. */
	char *by_file, *by_id;
	size_t files, ids;
};

static void names_release(struct names *n)
{
	free(n->by_file);
	free(n->by_id);
}

static void take_variant(struct names *n, const struct index_model *m,
			 const struct index_variant *v)
{
	bool file = reference_names_variant(n->id, m->id, v->id);
	if (!file && strcmp(v->id, n->id) != 0)
		return;
	char **to = file ? &n->by_file : &n->by_id;
	++*(file ? &n->files : &n->ids);
	if (!*to)
		*to = mem_printf("%s:%s", m->id, v->id);
}

static int take_name(void *ctx, const struct index_model *m, struct err *e)
{
	struct names *n = ctx;
	(void)e;
	n->listed |= strcmp(m->id, n->id) == 0;
	str_list_add(n->list, m->id);
	for (size_t i = 0; i < m->variant_count; i++)
		take_variant(n, m, &m->variants[i]);
	return 0;
}

/* A role of version 0.1 signed the files, but no card: that is in the catalog. */
static int from_catalog(struct remote *r, const char *id, const struct card **out, struct err *e)
{
	CLEANUP(catalog_release) struct catalog all = { 0 };
	CLEANUP(card_release) struct card c = { 0 };
	struct err none = ERR_INIT;
	const struct card *found = NULL;
	if (load(r, CATALOG_TARGET, TARGETS, CATALOG_MAX_BYTES, &all, &none) == 0)
		found = catalog_model(&all, id);
	if (!found) {
		err_set(e, ERR_INTEGRITY, "%s: the index lists %s, but no role has signed its card",
			r->repository, id);
		return err_hint(e,
				"the publisher's repository is inconsistent: tell the publisher");
	}
	int rc = card_from_json(found->json, "", &c, e);
	if (rc == 0)
		*out = keep(r, &c, NULL);
	return rc;
}

/* Nobody signed a card, and the index cannot be read. */
static int no_list(const char *where, const char *id, const struct err *unread, struct err *e)
{
	if (err_is(unread, ERR_CANCELLED)) {
		*e = *unread;
		return -ERR_CANCELLED;
	}
	int rc = err_set(e, ERR_NOT_FOUND, "%s has no model '%s'", where, id);
	err_hint(e, "which models it has is not known: %.300s", unread->text);
	return rc;
}

static int not_found(struct remote *r, const char *id, const struct card **out, struct err *e)
{
	CLEANUP(str_list_release) struct str_list list = { 0 };
	CLEANUP(mem_free_ptr) char *where = mem_printf("the catalog '%s'", r->catalog.name);
	CLEANUP(names_release) struct names n = { .list = &list, .id = id };
	struct err unread = ERR_INIT;
	int rc = remote_each_model(r, take_name, &n, &unread);
	if (rc == 0 && n.listed)
		return from_catalog(r, id, out, e);
	if (rc < 0)
		return no_list(where, id, &unread, e);
	rc = reference_no_model(where, id, (const char *const *)list.at, list.count, e);
	const char *meant = n.files == 1 ? n.by_file : n.ids == 1 ? n.by_id : NULL;
	if (meant) {
		e->hint[0] = '\0';
		err_hint(e, "did you mean '%s'?", meant);
	}
	return rc;
}

/* *out is NULL when no role has signed one. */
static int find_card(struct remote *r, const char *id, const struct card **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = card_document(id);
	CLEANUP(tuf_target_release) struct tuf_target t = { 0 };
	struct err why = ERR_INIT;
	*out = kept(r, id);
	if (*out)
		return 0;
	int rc = remote_find(r, path, NULL, &t, &why);
	if (rc == 0)
		return load_card(r, id, path, t.signer, out, e);
	if (why.cause == CAUSE_UNLISTED)
		return 0;
	*e = why;
	return rc;
}

int remote_model(struct remote *r, const char *id, const struct card **out, struct err *e)
{
	int rc = 0;
	if (r->has_cards)
		rc = find_card(r, id, out, e);
	else
		*out = catalog_model(&r->catalog, id);
	return rc == 0 && !*out ? not_found(r, id, out, e) : rc;
}

/* A role of version 0.1 may have signed it without a card. Only the index that is at hand is asked,
 * because this is about models that probably left the catalog. */
static int listed_without_card(struct remote *r, const char *id, const struct card **out,
			       struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	CLEANUP(str_list_release) struct str_list list = { 0 };
	CLEANUP(names_release) struct names n = { .list = &list, .id = id };
	struct err ignored = ERR_INIT;
	if (!remote_target_cached(r, INDEX_TARGET, TARGETS, INDEX_MAX_BYTES, &bytes) ||
	    index_read(buf_str(&bytes), bytes.len, INDEX_TARGET, take_name, &n, &ignored) < 0 ||
	    !n.listed)
		return 0;
	return from_catalog(r, id, out, e);
}

int remote_listed_model(struct remote *r, const char *id, const struct card **out, struct err *e)
{
	int rc = 0;
	if (!r->has_cards)
		*out = catalog_model(&r->catalog, id);
	else
		rc = find_card(r, id, out, e);
	return rc == 0 && !*out && r->has_cards ? listed_without_card(r, id, out, e) : rc;
}

/* -- all models ----------------------------------------------------------------------------- */

static int each_of_catalog(const struct catalog *c, index_model_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) struct index_model *m = NEW(struct index_model);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->model_count; i++) {
		index_model_of(&c->models[i], m);
		rc = fn(ctx, m, e);
	}
	return rc;
}

/* Those in the store, whose cards were fetched with them. */
static int each_stored(struct remote *r, index_model_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(mem_free_ptr) struct index_model *m = NEW(struct index_model);
	const char *last = "";
	int rc = store_list(r->store, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++) {
		const struct store_variant *v = &all.at[i];
		const struct card *c;
		struct err unknown = ERR_INIT;
		if (strcmp(v->repository, r->repository) != 0 || strcmp(v->model, last) == 0)
			continue;
		last = v->model;
		if (find_card(r, v->model, &c, &unknown) < 0 || !c)
			continue;
		index_model_of(c, m);
		rc = fn(ctx, m, e);
	}
	return rc;
}

/* Without the current index. */
static int each_known(struct remote *r, index_model_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	if (!remote_index_last(r, &bytes)) {
		report_warn(r->report,
			    "%s: the list of its models is not in the store, so only models in the "
			    "store are shown",
			    r->repository);
		return each_stored(r, fn, ctx, e);
	}
	report_warn(r->report,
		    "%s: this is an earlier list of its models, because the current one is not in "
		    "the store",
		    r->repository);
	return index_read(buf_str(&bytes), bytes.len, INDEX_TARGET, fn, ctx, e);
}

int remote_each_model(struct remote *r, index_model_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(0);
	struct err why = ERR_INIT;
	if (!r->has_cards)
		return each_of_catalog(&r->catalog, fn, ctx, e);
	int rc = remote_target(r, INDEX_TARGET, TARGETS, INDEX_MAX_BYTES, &bytes, &why);
	if (rc == 0) {
		remote_index_keep(r, &bytes);
		rc = index_read(buf_str(&bytes), bytes.len, INDEX_TARGET, fn, ctx, e);
	} else if (r->offline || (r->unrefreshed && remote_is_no_answer(&why))) {
		rc = each_known(r, fn, ctx, e);
	} else {
		*e = why;
	}
	return rc < 0 ? err_context(e, "repository %s", r->repository) : 0;
}
