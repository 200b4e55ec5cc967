#include "site/models_json.h"

#include "site/commands.h"
#include "site/page.h"
#include "util/mem.h"

#include <string.h>

#define FORMAT "model-ferry-models"
#define VERSION 1

/* Of a card, whose members were checked; it is shared, not copied. */
static void copy(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);
	if (value)
		json_put(to, key, json_incref(value));
}

static void put_some(json_t *to, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(to, key, value);
}

/* ---- files ---- */

static void put_file(json_t *files, const struct card_file *f)
{
	CLEANUP(mem_free_ptr) char *key = commands_key(f);
	json_t *file = json_push_object(files);
	json_put_string(file, "name", f->name);
	json_put_string(file, "role", f->role);
	json_put_u64(file, "size", f->size);
	json_put_hex(file, "sha256", f->sha256.bytes, sizeof(f->sha256.bytes));
	json_put_string(file, "key", key);
}

/* ---- models ---- */

static void put_ram(json_t *variant, const struct card_variant *v)
{
	if (!v->ram_known)
		return;
	json_t *ram = json_put_object(variant, "ram");
	json_put_u64(ram, "context", v->ram_context);
	json_put_u64(ram, "bytes", v->ram_bytes);
	put_some(ram, "token_bytes", v->ram_token);
}

static void put_variant(json_t *variants, const struct card_variant *v)
{
	json_t *variant = json_push_object(variants);
	json_put_string(variant, "id", v->id);
	json_put_string(variant, "kind", v->kind);
	json_put_string(variant, "engine", v->engine);
	json_put_string(variant, "quantization", v->quantization);
	if (v->is_default)
		json_put_bool(variant, "default", true);
	json_put_u64(variant, "size", v->size);
	put_ram(variant, v);
	json_put_u64(variant, "version", v->version);
	json_put_string(variant, "label", v->label);
	json_put_string(variant, "released", v->released);
	copy(variant, v->json, "withdrawn");
	json_t *files = json_put_array(variant, "files");
	for (size_t i = 0; i < v->file_count; i++)
		put_file(files, &v->files[i]);
}

static void put_text(json_t *to, const char *key, const char *text)
{
	if (text && *text)
		json_put_string(to, key, text);
}

static void put_model(json_t *models, const struct card *c)
{
	CLEANUP(mem_free_ptr) char *page = page_model_path(c->id);
	json_t *model = json_push_object(models);
	json_put_string(model, "id", c->id);
	json_put_string(model, "title", c->title);
	put_text(model, "summary", c->summary);
	put_text(model, "family", c->family);
	json_put_string(model, "license", c->license);
	put_some(model, "parameters", c->parameters);
	put_some(model, "context_length", c->context_length);
	copy(model, c->json, "tags");
	copy(model, c->json, "languages");
	copy(model, c->json, "updated");
	json_put_string(model, "page", page);
	copy(model, c->json, "deprecated");
	copy(model, c->json, "withdrawn");
	json_t *variants = json_put_array(model, "variants");
	for (size_t i = 0; i < c->variant_count; i++)
		if (c->variants[i].file_count)
			put_variant(variants, &c->variants[i]);
}

/* ---- the document ---- */

static void put_mirrors(json_t *root, const struct catalog *c)
{
	json_t *mirrors = json_put_array(root, "mirrors");
	for (size_t i = 0; i < c->mirror_count; i++) {
		const struct catalog_mirror *m = &c->mirrors[i];
		if (!catalog_mirror_has(m, MIRROR_HOLDS_OBJECTS) || !str_starts(m->url, "http"))
			continue;
		json_t *mirror = json_push_object(mirrors);
		json_put_string(mirror, "id", m->id);
		json_put_string(mirror, "url", m->url);
		json_put_string(mirror, "region", m->region);
	}
}

int models_json_write(const struct site *s, struct buf *out, struct err *e)
{
	CLEANUP(json_release) json_t *root = json_object();
	json_put_string(root, "format", FORMAT);
	json_put_u64(root, "version", VERSION);
	json_put_string(root, "repository", s->name);
	put_text(root, "title", s->title);
	json_put_u64(root, "release", s->release);
	json_put_string(root, "updated", s->catalog->updated);
	json_put_string(root, "url", s->url);
	json_put_string(root, "root_sha256", s->root_sha256);
	put_mirrors(root, s->catalog);
	json_t *models = json_put_array(root, "models");
	for (size_t i = 0; i < s->catalog->model_count; i++)
		put_model(models, &s->catalog->models[i]);
	int rc = json_compact(root, out, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, MODELS_JSON_PATH, e);
}
