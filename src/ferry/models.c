#include "ferry/internal.h"

#include "catalog/select.h"
#include "store/named.h"

#include <string.h>

struct found {
	const struct ferry_model *model;
	unsigned rank;
	size_t at; /* in the order of the catalogs */
};

struct ferry_models {
	struct owned memory;
	struct found *at;
	size_t count, cap;
};

size_t ferry_models_count(const struct ferry_models *m)
{
	return m ? m->count : 0;
}

const struct ferry_model *ferry_models_at(const struct ferry_models *m, size_t i)
{
	return i < ferry_models_count(m) ? m->at[i].model : NULL;
}

void ferry_models_free(struct ferry_models *m)
{
	if (!m)
		return;
	owned_release(&m->memory);
	free(m->at);
	free(m);
}
DEFINE_CLEANUP(struct ferry_models, ferry_models_free);

/* ---- reading an index ---- */

struct reading {
	struct ferry_models *into;
	const struct select *select;
	const char *repository;
	struct store_variants stored;
};

static void reading_release(struct reading *r)
{
	store_variants_release(&r->stored);
}

static bool is_stored(const struct reading *r, const char *model, const char *variant)
{
	size_t at = store_named(&r->stored, r->repository, model, variant);
	return at != SIZE_MAX && r->stored.at[at].complete;
}

static const struct ferry_variant *variant_of(struct reading *r, const struct index_model *m,
					      const struct index_variant *v)
{
	struct owned *o = &r->into->memory;
	struct ferry_variant *out = owned_new(o, sizeof *out);
	*out = (struct ferry_variant){
		.id = owned_text(o, v->id),
		.kind = owned_text(o, v->kind),
		.quantization = owned_text(o, v->quantization),
		.size = v->size,
		.memory = select_memory(v),
		.version = v->version,
		.is_default = v->is_default,
		.withdrawn = m->withdrawn || v->withdrawn,
		.stored = is_stored(r, m->id, v->id),
	};
	return out;
}

static const char *const *tags_of(struct owned *o, const json_t *tags)
{
	size_t count = json_array_size(tags);
	const char **out = owned_new(o, (count + 1) * sizeof *out);
	for (size_t i = 0; i < count; i++)
		out[i] = owned_text(o, json_string_value(json_array_get(tags, i)));
	return out;
}

/* NULL: no variant is selected. */
static const struct ferry_model *model_of(struct reading *r, const struct index_model *m)
{
	struct owned *o = &r->into->memory;
	const struct ferry_variant **variants =
		owned_new(o, (m->variant_count + 1) * sizeof *variants);
	size_t count = 0;
	for (size_t i = 0; i < m->variant_count; i++)
		if (select_variant(r->select, &m->variants[i]))
			variants[count++] = variant_of(r, m, &m->variants[i]);
	if (!count)
		return NULL;
	struct ferry_model *out = owned_new(o, sizeof *out);
	*out = (struct ferry_model){
		.repository = owned_text(o, r->repository),
		.id = owned_text(o, m->id),
		.title = owned_text(o, m->title),
		.family = owned_text(o, m->family),
		.license = owned_text(o, m->license),
		.parameters = m->parameters,
		.context_length = m->context_length,
		.deprecated = m->deprecated,
		.withdrawn = m->withdrawn,
		.replacement = owned_text(o, m->replacement),
		.tags = tags_of(o, m->tags),
		.variants = variants,
		.variant_count = count,
	};
	return out;
}

static int take_model(void *ctx, const struct index_model *m, struct err *e)
{
	struct reading *r = ctx;
	struct ferry_models *into = r->into;
	unsigned rank;
	(void)e;
	const struct ferry_model *model = select_model(r->select, m, &rank) ? model_of(r, m) : NULL;
	if (!model)
		return 0;
	into->at = mem_grow(into->at, into->count, &into->cap, sizeof *into->at);
	into->at[into->count] = (struct found){ model, rank, into->count };
	into->count++;
	return 0;
}

static int compare(const void *x, const void *y)
{
	const struct found *a = x, *b = y;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static int read_all(struct client *c, const struct select *select, struct ferry_models *into,
		    struct err *e)
{
	CLEANUP(reading_release) struct reading r = { .into = into, .select = select };
	int rc = store_list(&c->store, &r.stored, e);
	for (size_t i = 0; rc == 0 && i < c->remotes.count; i++) {
		r.repository = c->remotes.at[i]->repository;
		rc = remote_each_model(c->remotes.at[i], take_model, &r, e);
	}
	if (rc == 0 && select->words.count && into->count)
		qsort(into->at, into->count, sizeof *into->at, compare);
	return rc;
}

/* ---- the calls ---- */

static int read_filter(const struct ferry_filter *filter, struct select *s, struct err *e)
{
	if (CHECK_SIZE(filter, e) < 0)
		return -(int)e->class;
	if (GIVEN(filter, words) && filter->words)
		select_add_words(s, filter->words);
	s->pattern = GIVEN(filter, pattern) ? filter->pattern : NULL;
	s->family = GIVEN(filter, family) ? filter->family : NULL;
	s->kind = GIVEN(filter, kind) ? filter->kind : NULL;
	s->tags = GIVEN(filter, tags) ? filter->tags : NULL;
	while (s->tags && s->tags[s->tag_count])
		s->tag_count++;
	s->max_size = GIVEN(filter, max_size) ? filter->max_size : 0;
	s->fits = GIVEN(filter, fits) ? filter->fits : 0;
	return GIVEN(filter, license) && filter->license ? select_set_license(s, filter->license, e)
							 : 0;
}

static int search(const struct ferry *f, const struct select *select, struct listener *l,
		  struct ferry_models *into, struct err *e)
{
	struct client c;
	call_client(f, l, &c);
	int rc = client_connect(&c, NULL, f->offline ? CLIENT_OFFLINE : CLIENT_ONLINE, NULL, e);
	if (rc == 0)
		rc = read_all(&c, select, into, e);
	remotes_release(&c.remotes);
	return rc;
}

int ferry_search(struct ferry *f, const struct ferry_filter *filter, const struct ferry_call *call,
		 struct ferry_models **out, struct ferry_error *error)
{
	CLEANUP_PTR(ferry_models_free) struct ferry_models *models = NEW(struct ferry_models);
	CLEANUP(select_release) struct select select = { 0 };
	CLEANUP(listener_release) struct listener l;
	struct err e = ERR_INIT;
	listener_init(&l, call);
	*out = NULL;
	if (CHECK_SIZE(call, &e) < 0 || read_filter(filter, &select, &e) < 0 ||
	    search(f, &select, &l, models, &e) < 0)
		return error_give(&e, error);
	*out = STEAL(models);
	return 0;
}

int ferry_list(struct ferry *f, const struct ferry_call *call, struct ferry_models **out,
	       struct ferry_error *error)
{
	return ferry_search(f, NULL, call, out, error);
}
