#include "repository/catalog_build.h"

#include "catalog/index.h"

json_t *repository_prepared_card(const struct card *c)
{
	json_t *variants = json_array();
	for (size_t i = 0; i < c->variant_count; i++)
		if (c->variants[i].file_count)
			json_push(variants, json_deep_copy(c->variants[i].json));
	if (json_array_size(variants) == 0) {
		json_decref(variants);
		return NULL;
	}
	json_t *card = json_deep_copy(c->json);
	json_put(card, "variants", variants);
	return card;
}

static json_t *head_of(const struct repository_catalog_parts *p, const char *format)
{
	json_t *head = json_object();
	json_put_string(head, "format", format);
	json_put_u64(head, "version", CATALOG_VERSION);
	json_put_string(head, "name", p->name);
	json_put_string(head, "title", p->title);
	json_put_string(head, "updated", ""); /* see dated() */
	json_put(head, "mirrors", p->mirrors ? json_deep_copy(p->mirrors) : json_array());
	return head;
}

/* With the date of `before`, or now if anything else is different. */
static json_t *dated(json_t *document, const json_t *before, int64_t now_s)
{
	const char *updated = json_string_value(json_object_get(before, "updated"));
	json_put_string(document, "updated", updated);
	if (!before || !json_equal(before, document))
		json_put_time(document, "updated", now_s);
	return document;
}

json_t *repository_head_build(const struct repository_catalog_parts *p, const json_t *before)
{
	return dated(head_of(p, CATALOG_HEAD_FORMAT), before, p->now_s);
}

static json_t *models_of(const struct repository_catalog_parts *p)
{
	json_t *models = json_array();
	for (size_t i = 0; i < p->card_count; i++) {
		json_t *card = repository_prepared_card(&p->cards[i]);
		if (card)
			json_push(models, card);
	}
	return models;
}

json_t *repository_catalog_build(const struct repository_catalog_parts *p, const json_t *before)
{
	json_t *catalog = head_of(p, CATALOG_FORMAT);
	json_put(catalog, "models", models_of(p));
	return dated(catalog, before, p->now_s);
}

json_t *repository_catalog_stub(const struct repository_catalog_parts *p, const json_t *before)
{
	json_t *stub = head_of(p, CATALOG_FORMAT);
	json_put_bool(stub, "complete", false);
	json_put_string(stub, "index", INDEX_TARGET);
	json_put(stub, "models", models_of(p));
	return dated(stub, before, p->now_s);
}
