#include "cli/selection.h"

#include "catalog/license.h"
#include "cli/selection_table.h"
#include "cli/standings.h"
#include "store/named.h"
#include "ferry/fitting.h"
#include "util/mem.h"

#include <string.h>

bool selection_has_filters(const struct selection_opts *o)
{
	return o->license || o->family || o->kind || o->tags.count || o->fits || o->max_size;
}

static int set_fits(const struct client *c, const struct selection_opts *o, struct select *s,
		    struct err *e)
{
	struct fitting_memory memory;
	int rc = o->fits ? fitting_memory(c, o->fits == OPT_NO_SIZE ? 0 : o->fits, &memory, e) : 0;
	if (rc == 0 && o->fits)
		s->fits = memory.bytes;
	return rc;
}

static int set_filters(const struct selection_opts *o, struct select *s, struct err *e)
{
	s->family = o->family;
	s->kind = o->kind;
	s->tags = o->tags.at;
	s->tag_count = o->tags.count;
	s->max_size = o->max_size;
	return o->license ? select_set_license(s, o->license, e) : 0;
}

/* ---- the document ---- */

struct found {
	json_t *model;
	unsigned last; /* deprecated and withdrawn ones */
	unsigned rank;
	size_t at; /* in the order of the catalogs */
};

struct listing {
	const struct select *select;
	struct store_variants stored;
	bool *listed; /* of each of them: the catalog has its model and variant */
	struct remote *remote;
	struct found *found;
	size_t count, cap;
	struct str_list names; /* of all models */
	uint64_t least;        /* memory that the smallest variant needs that was left out */
};

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_decref(l->found[i].model);
	free(l->found);
	free(l->listed);
	store_variants_release(&l->stored);
	str_list_release(&l->names);
}

/* What the store has of it, in whatever version. */
static int put_stored(const struct listing *l, json_t *object, const struct store_variant *have,
		      struct err *e)
{
	struct standing st;
	int rc = standing_of(l->remote, l->remote->store, have, &st, e);
	if (rc < 0)
		return rc;
	json_put_bool(object, "in_store", have->complete);
	if (have->complete)
		json_put_u64(object, "stored_version", have->version);
	standings_put(object, have, &st);
	return 0;
}

static int put_variant(const struct listing *l, json_t *object, const struct index_model *m,
		       const struct index_variant *v, struct err *e)
{
	size_t at = store_named(&l->stored, l->remote->repository, m->id, v->id);
	json_put_string(object, "id", v->id);
	json_put_string(object, "kind", v->kind);
	json_put_string(object, "quantization", v->quantization);
	json_put_u64(object, "size", v->size);
	if (v->ram)
		json_put_u64(object, "ram", v->ram);
	json_put_u64(object, "version", v->version);
	json_put_bool(object, "default", v->is_default);
	json_put_bool(object, "withdrawn", m->withdrawn || v->withdrawn);
	if (at != SIZE_MAX)
		return put_stored(l, object, &l->stored.at[at], e);
	json_put_bool(object, "in_store", false);
	return 0;
}

static int put_model(const struct listing *l, json_t *object, const struct index_model *m,
		     struct err *e)
{
	int rc = 0;
	json_put_string(object, "repository", l->remote->repository);
	json_put_string(object, "id", m->id);
	json_put_string(object, "title", m->title);
	json_put_string(object, "family", m->family);
	json_put_string(object, "license", m->license);
	if (m->parameters)
		json_put_u64(object, "parameters", m->parameters);
	if (m->context_length)
		json_put_u64(object, "context_length", m->context_length);
	if (json_array_size(m->tags))
		json_put(object, "tags", json_deep_copy(m->tags));
	json_put_bool(object, "deprecated", m->deprecated);
	json_put_bool(object, "withdrawn", m->withdrawn);
	json_put_string(object, "replacement", m->replacement);
	json_t *variants = json_put_array(object, "variants");
	for (size_t i = 0; rc == 0 && i < m->variant_count; i++)
		if (select_variant(l->select, &m->variants[i]))
			rc = put_variant(l, json_push_object(variants), m, &m->variants[i], e);
	return rc;
}

/* 0: some of the selected variants can be used; 1: it is deprecated; 2: all are withdrawn. */
static unsigned last_of(const struct select *s, const struct index_model *m, size_t *selected)
{
	size_t withdrawn = 0;
	*selected = 0;
	for (size_t i = 0; i < m->variant_count; i++) {
		bool is_selected = select_variant(s, &m->variants[i]);
		*selected += is_selected;
		withdrawn += is_selected && (m->withdrawn || m->variants[i].withdrawn);
	}
	return withdrawn == *selected ? 2 : m->deprecated;
}

static bool lists_variant(const struct index_model *m, const struct store_variant *v)
{
	for (size_t i = 0; i < m->variant_count; i++)
		if (store_variant_is_of(v, m->variants[i].id))
			return true;
	return false;
}

static void mark_listed(struct listing *l, const struct index_model *m)
{
	for (size_t i = 0; i < l->stored.count; i++) {
		const struct store_variant *v = &l->stored.at[i];
		if (strcmp(v->repository, l->remote->repository) == 0 &&
		    strcmp(v->model, m->id) == 0 && lists_variant(m, v))
			l->listed[i] = true;
	}
}

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	struct listing *l = ctx;
	unsigned rank;
	size_t selected;
	str_list_add(&l->names, m->id);
	mark_listed(l, m);
	if (!select_model(l->select, m, &rank))
		return 0;
	unsigned last = last_of(l->select, m, &selected);
	for (size_t i = 0; i < m->variant_count && !selected; i++) {
		uint64_t memory = select_memory(&m->variants[i]);
		l->least = l->least ? MIN(l->least, memory) : memory;
	}
	if (!selected)
		return 0;
	l->found = mem_grow(l->found, l->count, &l->cap, sizeof *l->found);
	l->found[l->count] = (struct found){ json_object(), last, rank, l->count };
	return put_model(l, l->found[l->count++].model, m, e);
}

static int compare(const void *x, const void *y)
{
	const struct found *a = x, *b = y;
	if (a->last != b->last)
		return a->last < b->last ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static void put_repository(json_t *object, const struct remote *c)
{
	json_put_string(object, "name", c->repository);
	json_put_string(object, "title", c->catalog.title);
	json_put_string(object, "updated", c->catalog.updated);
	json_put_bool(object, "offline", c->offline);
	json_put_string(object, "expired", c->expired);
	json_put_string(object, "unrefreshed", c->unrefreshed);
}

/* -- what left the catalogs -- */

static bool is_selected(const struct listing *l, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) struct index_model *m = NEW(struct index_model);
	unsigned rank;
	*m = (struct index_model){ .id = v->model, .title = v->model, .variant_count = 1 };
	m->variants[0] =
		(struct index_variant){ .id = v->variant, .kind = v->kind, .size = v->size };
	return select_model(l->select, m, &rank) && select_variant(l->select, &m->variants[0]);
}

static json_t *unlisted_model(const struct listing *l, json_t *models, const char *id)
{
	json_t *last = json_array_get(models, json_array_size(models) - 1);
	if (last && strcmp(json_text(last, "repository"), l->remote->repository) == 0 &&
	    strcmp(json_text(last, "id"), id) == 0)
		return last;
	json_t *model = json_push_object(models);
	json_put_string(model, "repository", l->remote->repository);
	json_put_string(model, "id", id);
	json_put_array(model, "variants");
	return model;
}

static int put_unlisted(const struct listing *l, json_t *models, const struct store_variant *v,
			struct err *e)
{
	struct standing st;
	int rc = standing_of(l->remote, l->remote->store, v, &st, e);
	if (rc < 0 || st.current || st.kind == STANDING_UNKNOWN)
		return rc;
	json_t *model = unlisted_model(l, models, v->model);
	json_t *object = json_push_object(json_object_get(model, "variants"));
	json_put_string(object, "id", v->variant);
	json_put_string(object, "kind", v->kind);
	json_put_u64(object, "size", v->size);
	json_put_u64(object, "stored_version", v->version);
	json_put_bool(object, "in_store", true);
	standings_put(object, v, &st);
	return 0;
}

/* Models and variants in the store that the catalog of their repository does not have any more. */
static int list_unlisted(struct listing *l, json_t *models, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < l->stored.count; i++) {
		const struct store_variant *v = &l->stored.at[i];
		if (v->complete && !l->listed[i] &&
		    strcmp(v->repository, l->remote->repository) == 0 && is_selected(l, v))
			rc = put_unlisted(l, models, v, e);
	}
	return rc;
}

static int list_one(struct listing *l, struct remote *remote, json_t *repositories,
		    json_t *unlisted, struct err *e)
{
	l->remote = remote;
	put_repository(json_push_object(repositories), remote);
	standing_prefetch(remote, &l->stored);
	int rc = remote_each_model(remote, take_model, l, e);
	return rc < 0 ? rc : list_unlisted(l, unlisted, e);
}

static int list(const struct client *s, struct listing *l, bool ranked, json_t *document,
		struct err *e)
{
	json_t *repositories = json_put_array(document, "repositories");
	json_t *models = json_put_array(document, "models");
	json_t *unlisted = json_put_array(document, "unlisted");
	int rc = store_list(&s->store, &l->stored, e);
	l->listed = mem_alloc((l->stored.count + 1) * sizeof *l->listed);
	for (size_t i = 0; rc == 0 && i < s->remotes.count; i++)
		rc = list_one(l, s->remotes.at[i], repositories, unlisted, e);
	if (rc == 0 && ranked && l->count)
		qsort(l->found, l->count, sizeof *l->found, compare);
	for (size_t i = 0; rc == 0 && i < l->count; i++)
		json_push(models, json_incref(l->found[i].model));
	return rc;
}

/* ---- for people ---- */

/* A license that is not in the list was probably meant to be another: false if there is none. */
static bool tell_license(struct cli *cli, const struct select *s)
{
	for (size_t i = 0; i < s->license.count; i++) {
		const char *id = s->license.at[i];
		bool known = spdx_find(id, strcspn(id, " ")) || str_starts(id, SPDX_REFERENCE);
		CLEANUP(mem_free_ptr) char *meant = known ? NULL : license_suggest(id);
		if (!meant)
			continue;
		report_note(cli->report, "no model matches; did you mean --license=%s?", meant);
		return true;
	}
	return false;
}

static const char *nearest(const struct listing *l, const char *pattern)
{
	const char *const *names = (const char *const *)l->names.at;
	const char *near = pattern ? text_nearest(pattern, names, l->names.count) : NULL;
	for (size_t i = 0; i < l->select->words.count && !near; i++)
		near = text_nearest(l->select->words.at[i], names, l->names.count);
	return near;
}

static void tell_none(struct cli *cli, const struct listing *l)
{
	const struct select *s = l->select;
	const char *near = nearest(l, s->pattern);
	char size[SIZE_TEXT], memory[SIZE_TEXT];
	if (l->names.count == 0)
		report_note(cli->report, "the catalog is empty");
	else if (tell_license(cli, s))
		return;
	else if (l->least && s->fits && l->least > s->fits)
		report_note(cli->report,
			    "no model matches: those that match without --fits need at least %s "
			    "of memory, more than %s",
			    format_size(memory, l->least), format_size(size, s->fits));
	else if (l->least)
		report_note(cli->report, "no model matches: those that match the other filters "
					 "have no variant of that kind and size");
	else if (near)
		report_note(cli->report, "no model matches; did you mean '%s'?", near);
	else
		report_note(cli->report, "no model matches");
}

int selection_print(struct cli *cli, const struct selection_opts *o, struct select *select,
		    bool ranked, json_t *document, struct err *e)
{
	CLEANUP(client_release) struct client s = { 0 };
	CLEANUP(listing_release) struct listing l = { .select = select };
	int rc = set_filters(o, select, e);
	if (rc == 0)
		rc = session_open(cli, NULL, o->offline ? CLIENT_OFFLINE : CLIENT_ONLINE, &s, e);
	if (rc == 0)
		rc = set_fits(&s, o, select, e);
	if (rc == 0)
		rc = list(&s, &l, ranked, document, e);
	if (rc < 0)
		return rc;
	if (select->fits)
		json_put_u64(document, "fits", select->fits);
	session_tell_faults(cli, &s);
	if (l.count == 0 && !json_array_size(json_object_get(document, "unlisted")))
		tell_none(cli, &l);
	selection_table(cli, document);
	return cli_result(cli, document, e);
}
