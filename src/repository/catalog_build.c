#include "repository/catalog_build.h"

static json_t *prepared_card(const struct card *c)
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

json_t *repository_catalog_build(const struct repository_catalog_parts *p, const json_t *before)
{
	char now[TIME_TEXT];
	const char *updated = json_string_value(json_object_get(before, "updated"));
	json_t *catalog = json_object(), *models = json_array();
	format_time(now, p->now_s);
	json_put_string(catalog, "format", CATALOG_FORMAT);
	json_put_u64(catalog, "version", CATALOG_VERSION);
	json_put_string(catalog, "name", p->name);
	json_put_string(catalog, "title", p->title);
	json_put_string(catalog, "updated", updated ? updated : now);
	json_put(catalog, "mirrors", p->mirrors ? json_deep_copy(p->mirrors) : json_array());
	for (size_t i = 0; i < p->card_count; i++) {
		json_t *card = prepared_card(&p->cards[i]);
		if (card)
			json_push(models, card);
	}
	json_put(catalog, "models", models);
	if (!before || !json_equal(before, catalog))
		json_put_string(catalog, "updated", now);
	return catalog;
}
