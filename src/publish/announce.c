#include "publish/announce.h"

#include "catalog/notes.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

#define FOLDER ".ferry/announced"
#define RECORD_FORMAT "model-ferry-announced"
#define RECORD_MAX (64 * MIB)

/* ---- the record ---- */

static char *record_path(const char *dir, const char *hook)
{
	return mem_printf("%s/" FOLDER "/%s", dir, hook);
}

int announce_load(const char *dir, const char *hook, json_t **out, struct err *e)
{
	const struct json_limits limits = { .max_bytes = RECORD_MAX };
	CLEANUP(mem_free_ptr) char *path = record_path(dir, hook);
	CLEANUP(json_release) json_t *record = NULL;
	const char *format;
	json_t *models;
	*out = NULL;
	if (!file_exists(path))
		return 0;
	int rc = json_parse_file(path, &limits, &record, e);
	if (rc == 0)
		rc = json_get_string(record, "", "format", &format, e);
	if (rc == 0)
		rc = json_get_object(record, "", "models", &models, e);
	if (rc == 0 && strcmp(format, RECORD_FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "it is not a record of announcements");
	if (rc == 0) {
		*out = STEAL(record);
		return 0;
	}
	err_context(e, "%s", path);
	return err_hint(e,
			"remove it, and run `ferry announce --skip` so that the hook is not told "
			"of everything again");
}

int announce_save(const char *dir, const char *hook, const json_t *record, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = record_path(dir, hook);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : json_write_file(path, record, FILE_MODE, e);
}

/* "" is the whole model, "q4_k_m@2" a version. */
typedef void recall_fn(void *ctx, const char *name, const struct card_variant *v,
		       const struct card_withdrawal *w);

static void each_version(const struct card_variant *v, recall_fn *fn, void *ctx)
{
	if (!v->withdrawn.reason)
		return;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s@%llu", v->id,
						      (unsigned long long)v->version);
	fn(ctx, name, v, &v->withdrawn);
}

static void each_recall(const struct card *c, recall_fn *fn, void *ctx)
{
	if (c->withdrawn.reason)
		fn(ctx, "", NULL, &c->withdrawn);
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		each_version(v, fn, ctx);
		for (size_t k = 0; k < v->superseded_count; k++)
			each_version(&v->superseded[k], fn, ctx);
	}
}

static void add_name(void *ctx, const char *name, const struct card_variant *v,
		     const struct card_withdrawal *w)
{
	(void)v;
	(void)w;
	json_push_string(ctx, name);
}

json_t *announce_record(const struct catalog *c, uint64_t release)
{
	json_t *record = json_object();
	json_put_string(record, "format", RECORD_FORMAT);
	json_put_u64(record, "version", 1);
	json_put_u64(record, "release", release);
	json_t *models = json_put_object(record, "models");
	for (size_t i = 0; i < c->model_count; i++) {
		const struct card *card = &c->models[i];
		json_t *model = json_put_object(models, card->id);
		json_t *variants = json_put_object(model, "variants");
		for (size_t k = 0; k < card->variant_count; k++)
			if (card->variants[k].size)
				json_put_u64(variants, card->variants[k].id,
					     card->variants[k].version);
		each_recall(card, add_name, json_put_array(model, "withdrawn"));
	}
	return record;
}

/* ---- what differs ---- */

static bool has_text(const json_t *array, const char *text)
{
	const json_t *one;
	size_t i;
	json_array_foreach (array, i, one) {
		const char *have = json_string_value(one);
		if (have && strcmp(have, text) == 0)
			return true;
	}
	return false;
}

static void put_variant(json_t *array, const struct card_variant *v, const char *change)
{
	json_t *o = json_push_object(array);
	json_put_string(o, "id", v->id);
	json_put_string(o, "change", change);
	json_put_u64(o, "version", v->version);
	json_put_string(o, "label", v->label);
	json_put_u64(o, "size", v->size);
	const json_t *changes = json_object_get(v->json, "changes");
	if (strcmp(change, "new") != 0 && json_is_array(changes))
		json_put(o, "changes", json_deep_copy(changes));
}

static void put_variants(json_t *array, const struct card *c, const json_t *before)
{
	const json_t *had = json_object_get(before, "variants");
	const char *id;
	json_t *unused;
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		if (v->size && json_number(had, v->id) != v->version)
			put_variant(array, v, json_object_get(had, v->id) ? "replaced" : "new");
	}
	json_object_foreach ((json_t *)(uintptr_t)had, id, unused) {
		const struct card_variant *v = card_variant(c, id);
		if (v && v->size)
			continue;
		json_t *o = json_push_object(array);
		json_put_string(o, "id", id);
		json_put_string(o, "change", "removed");
	}
}

struct recalls {
	const json_t *before; /* the names that were withdrawn */
	json_t *fresh;        /* array */
};

static void put_fresh(void *ctx, const char *name, const struct card_variant *v,
		      const struct card_withdrawal *w)
{
	const struct recalls *r = ctx;
	if (has_text(r->before, name))
		return;
	json_t *o = json_push_object(r->fresh);
	if (v) {
		json_put_string(o, "variant", v->id);
		json_put_u64(o, "version", v->version);
	}
	json_put_string(o, "reason", w->reason);
	json_put_string(o, "replacement", w->replacement);
}

/* Recalls that were taken back. What was removed is not recalled any more either. */
static void put_restored(json_t *array, const struct card *c, const json_t *before)
{
	CLEANUP(json_release) json_t *now = json_array();
	const json_t *one;
	size_t i;
	each_recall(c, add_name, now);
	json_array_foreach (json_object_get(before, "withdrawn"), i, one) {
		const char *name = json_string_value(one), *at = name ? strchr(name, '@') : NULL;
		CLEANUP(mem_free_ptr) char *id = at ? mem_strndup(name, (size_t)(at - name)) : NULL;
		const struct card_variant *v = id ? card_variant(c, id) : NULL;
		if (name && !has_text(now, name) && (!at || (v && card_version(v, at + 1))))
			json_push_string(array, name);
	}
}

/* Takes the object, which is empty without changes. */
static void put_model(json_t *models, const struct card *c, const json_t *before)
{
	json_t *o = json_object();
	json_put_string(o, "id", c->id);
	json_put_string(o, "title", c->title);
	json_put_string(o, "change", before ? "updated" : "new");
	put_variants(json_put_array(o, "variants"), c, before);
	struct recalls r = { json_object_get(before, "withdrawn"), json_put_array(o, "withdrawn") };
	each_recall(c, put_fresh, &r);
	json_t *restored = json_put_array(o, "restored");
	put_restored(restored, c, before);
	if (!before || json_array_size(json_object_get(o, "variants")) ||
	    json_array_size(r.fresh) || json_array_size(restored)) {
		CLEANUP(mem_free_ptr) char *notes = notes_of_model(c);
		json_put_string(o, "notes", notes);
		json_push(models, json_incref(o));
	}
	json_decref(o);
}

static void put_removed(json_t *models, const struct catalog *c, const json_t *before)
{
	const char *id;
	json_t *unused;
	json_object_foreach ((json_t *)(uintptr_t)before, id, unused) {
		if (catalog_model(c, id))
			continue;
		json_t *o = json_push_object(models);
		json_put_string(o, "id", id);
		json_put_string(o, "change", "removed");
	}
}

json_t *announce_document(const struct catalog *c, uint64_t release, const json_t *before,
			  json_t *mirrors)
{
	CLEANUP(json_release) json_t *document = json_object();
	const json_t *had = json_object_get(before, "models");
	json_put_string(document, "format", ANNOUNCE_FORMAT);
	json_put_u64(document, "version", ANNOUNCE_VERSION);
	json_put_string(document, "repository", c->name);
	json_put_string(document, "title", c->title);
	json_put_u64(document, "release", release);
	json_put(document, "mirrors", json_incref(mirrors));
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < c->model_count; i++)
		put_model(models, &c->models[i], json_object_get(had, c->models[i].id));
	put_removed(models, c, had);
	return json_array_size(models) ? STEAL(document) : NULL;
}
