#include "cli/selection.h"

#include "catalog/license.h"
#include "util/mem.h"
#include "util/os.h"

#include <string.h>

bool selection_has_filters(const struct selection_opts *o)
{
	return o->license || o->family || o->kind || o->tags.count || o->fits || o->max_size;
}

static int set_filters(const struct selection_opts *o, struct select *s, struct err *e)
{
	s->family = o->family;
	s->kind = o->kind;
	s->tags = o->tags.at;
	s->tag_count = o->tags.count;
	s->max_size = o->max_size;
	s->fits = o->fits == OPT_NO_SIZE ? os_memory() : o->fits;
	if (o->fits && !s->fits) {
		err_set(e, ERR_USAGE, "the system does not say how much memory it has");
		return err_hint(e, "give the size, for example --fits=16G");
	}
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
	const struct remote *remote;
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
	store_variants_release(&l->stored);
	str_list_release(&l->names);
}

static bool in_store(const struct listing *l, const char *model, const struct index_variant *v)
{
	for (size_t i = 0; i < l->stored.count; i++) {
		const struct store_variant *have = &l->stored.at[i];
		if (have->complete && strcmp(have->repository, l->remote->repository) == 0 &&
		    strcmp(have->model, model) == 0 && strcmp(have->variant, v->id) == 0 &&
		    have->version == v->version)
			return true;
	}
	return false;
}

static void put_variant(const struct listing *l, json_t *object, const struct index_model *m,
			const struct index_variant *v)
{
	json_put_string(object, "id", v->id);
	json_put_string(object, "kind", v->kind);
	json_put_string(object, "quantization", v->quantization);
	json_put_u64(object, "size", v->size);
	if (v->ram)
		json_put_u64(object, "ram", v->ram);
	json_put_u64(object, "version", v->version);
	json_put_bool(object, "default", v->is_default);
	json_put_bool(object, "withdrawn", m->withdrawn || v->withdrawn);
	json_put_bool(object, "in_store", in_store(l, m->id, v));
}

static json_t *model_json(const struct listing *l, const struct index_model *m)
{
	json_t *object = json_object();
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
	for (size_t i = 0; i < m->variant_count; i++)
		if (select_variant(l->select, &m->variants[i]))
			put_variant(l, json_push_object(variants), m, &m->variants[i]);
	return object;
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

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	struct listing *l = ctx;
	unsigned rank;
	size_t selected;
	(void)e;
	str_list_add(&l->names, m->id);
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
	l->found[l->count] = (struct found){ model_json(l, m), last, rank, l->count };
	l->count++;
	return 0;
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

static int list(const struct session *s, struct listing *l, bool ranked, json_t *document,
		struct err *e)
{
	json_t *repositories = json_put_array(document, "repositories");
	json_t *models = json_put_array(document, "models");
	int rc = store_list(&s->store, &l->stored, e);
	for (size_t i = 0; rc == 0 && i < s->remotes.count; i++) {
		l->remote = s->remotes.at[i];
		put_repository(json_push_object(repositories), l->remote);
		rc = remote_each_model(s->remotes.at[i], take_model, l, e);
	}
	if (rc == 0 && ranked && l->count)
		qsort(l->found, l->count, sizeof *l->found, compare);
	for (size_t i = 0; rc == 0 && i < l->count; i++)
		json_push(models, json_incref(l->found[i].model));
	return rc;
}

/* ---- for people ---- */

/* Also when all the variants that are shown are. */
static bool is_withdrawn(const json_t *model)
{
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant)
		if (!json_flag(variant, "withdrawn"))
			return false;
	return true;
}

/* Those that are withdrawn are marked, unless the title says it of all. */
static char *variants_text(const json_t *model)
{
	static const char all[] = "{id}{kind? (:}{kind|}{kind?):}{in_store?*:}";
	static const char each[] = "{id}{kind? (:}{kind|}{kind?):}{in_store?*:}"
				   "{withdrawn? (withdrawn):}";
	return cli_join(json_object_get(model, "variants"), is_withdrawn(model) ? all : each, " ");
}

static char *title_text(const json_t *model)
{
	return cli_fill(model, is_withdrawn(model) ? "{title} (withdrawn)"
						   : "{title}{deprecated? (deprecated):}");
}

/* Of the default variant, else of the largest that is shown. */
static char *size_text(const json_t *model)
{
	const json_t *variant, *shown = NULL;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant) {
		if (json_flag(variant, "default"))
			return cli_fill(variant, "{size:size}");
		if (!shown || json_number(variant, "size") > json_number(shown, "size"))
			shown = variant;
	}
	return cli_fill(shown, "{size:size}");
}

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

static void print_models(struct cli *cli, const struct session *s, const json_t *models)
{
	const struct cli_column columns[] = {
		{ "MODEL", s->remotes.count > 1 ? "{repository}/{id}" : "{id}", NULL },
		{ "VARIANTS", NULL, variants_text },
		{ ">SIZE", NULL, size_text },
		{ "LICENSE", "{license|-}", NULL },
		{ "TITLE", NULL, title_text },
	};
	cli_table(cli, models, columns, ARRAY_LEN(columns));
}

int selection_print(struct cli *cli, const struct selection_opts *o, struct select *select,
		    bool ranked, json_t *document, struct err *e)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(listing_release) struct listing l = { .select = select };
	int rc = set_filters(o, select, e);
	if (rc == 0)
		rc = session_open(cli, NULL, o->offline ? SESSION_OFFLINE : SESSION_ONLINE, &s, e);
	if (rc == 0)
		rc = list(&s, &l, ranked, document, e);
	if (rc < 0)
		return rc;
	if (select->fits)
		json_put_u64(document, "fits", select->fits);
	session_tell_faults(cli, &s);
	if (l.count == 0)
		tell_none(cli, &l);
	print_models(cli, &s, json_object_get(document, "models"));
	return cli_result(cli, document, e);
}
