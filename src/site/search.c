#include "site/search.h"

#include "site/facets.h"
#include "site/page.h"
#include "util/mem.h"

#define TITLE_MAX 100
#define SUMMARY_MAX 160
#define WORD_MAX 64

static void put_cut(json_t *object, const char *key, const char *text, size_t max)
{
	CLEANUP(mem_free_ptr) char *cut = text && *text ? page_cut(text, max) : NULL;
	json_put_string(object, key, cut);
}

static void put_state(json_t *object, const struct card *c)
{
	if (c->withdrawn.reason)
		json_put_string(object, "state", "withdrawn");
	else if (c->deprecated)
		json_put_string(object, "state", "deprecated");
}

static void add_model(json_t *models, const struct card *c, bool brief)
{
	json_t *object = json_push_object(models), *tags = json_object_get(c->json, "tags");
	json_put_string(object, "id", c->id);
	put_cut(object, "title", c->title, TITLE_MAX);
	put_cut(object, "summary", brief ? NULL : c->summary, SUMMARY_MAX);
	put_cut(object, "family", c->family, WORD_MAX);
	put_cut(object, "license", c->license, WORD_MAX);
	json_put_string(object, "kind", facets_model_kind(c));
	put_state(object, c);
	if (json_array_size(tags) && !brief)
		json_put(object, "tags", json_incref(tags));
	json_t *sizes = json_put_array(object, "sizes");
	for (size_t i = 0; i < c->variant_count; i++)
		json_push(sizes, json_integer((json_int_t)c->variants[i].size));
}

static bool write_data(const struct catalog *c, bool brief, struct buf *out)
{
	struct err e = ERR_INIT;
	CLEANUP(json_release) json_t *document = json_object();
	json_put_string(document, "format", "model-ferry-search");
	json_put_u64(document, "version", 1);
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < c->model_count; i++)
		add_model(models, &c->models[i], brief);
	return json_compact(document, out, &e) == 0 && !out->overflow;
}

bool search_data(const struct catalog *c, struct buf *out)
{
	if (write_data(c, false, out))
		return true;
	buf_clear(out);
	if (write_data(c, true, out))
		return true;
	buf_clear(out);
	return false;
}
