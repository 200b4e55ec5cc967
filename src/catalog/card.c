#include "catalog/card.h"

#include "catalog/card_members.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define AT 256

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static uint64_t count_of(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* ---- files ---- */

char *card_target(const char *id, const char *name)
{
	return mem_printf(CARD_TARGETS "%s/%s", id, name);
}

static int file_view(const json_t *object, const char *at, struct card_file *out, struct err *e)
{
	uint64_t size;
	const char *path;
	struct digest sha256;
	int rc = card_check_members(object, at, card_file_members, e);
	if (rc < 0 || (rc = json_get_string(object, at, "path", &path, e)) < 0 ||
	    (rc = json_get_u64(object, at, "size", &size, e)) < 0 ||
	    (rc = json_get_hex(object, at, "sha256", &sha256, sizeof sha256, e)) < 0)
		return rc;
	if (!path_is_key(path) || !str_starts(path, CARD_TARGETS) ||
	    !strchr(path + strlen(CARD_TARGETS), '/'))
		return err_set(e, ERR_INTEGRITY,
			       "%s.path: '%s' is not of the form models/NAME/FILE", at, path);
	const char *name = string_of(object, "name");
	if (name && (strchr(name, '/') || !path_is_key(name)))
		return err_set(e, ERR_INTEGRITY, "%s.name: '%s' is not the name of a file", at,
			       name);
	*out = (struct card_file){
		.path = path,
		.name = name ? name : path_base(path),
		.role = string_of(object, "role"),
		.size = size,
		.sha256 = sha256,
	};
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct card_file *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* The files of a variant are in one folder on the reader's disk. */
static int check_names(const struct card_variant *v, const char *at, struct err *e)
{
	const struct card_file *sorted[CARD_MAX_FILES];
	for (size_t i = 0; i < v->file_count; i++)
		sorted[i] = &v->files[i];
	qsort(sorted, v->file_count, sizeof *sorted, compare_names);
	for (size_t i = 1; i < v->file_count; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			return err_set(e, ERR_INTEGRITY, "%s.files: two files are named '%s'", at,
				       sorted[i]->name);
	return 0;
}

/* Who does not know roles opens the first file. */
static int check_roles(const struct card_variant *v, const char *at, struct err *e)
{
	for (size_t i = card_model_files(v); i < v->file_count; i++)
		if (i == 0 || !v->files[i].role)
			return err_set(e, ERR_INTEGRITY,
				       "%s.files: the files of the model, which have no role, must "
				       "come first",
				       at);
	return 0;
}

static int view_files(const json_t *object, const char *at, struct card_variant *v, struct err *e)
{
	json_t *files;
	int rc = json_get_array(object, at, "files", CARD_MAX_FILES, &files, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(files);
	v->files = mem_alloc(count * sizeof *v->files);
	for (; v->file_count < count; v->file_count++) {
		char here[AT];
		snprintf(here, sizeof here, "%s.files[%zu]", at, v->file_count);
		struct card_file *f = &v->files[v->file_count];
		rc = file_view(json_array_get(files, v->file_count), here, f, e);
		if (rc < 0)
			return rc;
		v->size += f->size; /* cannot overflow: at most 1,000 times 40 TB */
	}
	if (count && ((rc = check_names(v, at, e)) < 0 || (rc = check_roles(v, at, e)) < 0))
		return rc;
	const json_t *size = json_object_get(object, "size");
	if (size && (uint64_t)json_integer_value(size) != v->size)
		return err_set(e, ERR_INTEGRITY,
			       "%s.size: %lld, but the sizes of the files add up to %llu", at,
			       (long long)json_integer_value(size), (unsigned long long)v->size);
	return 0;
}

/* ---- variants ---- */

static int view_ram(const json_t *object, const char *at, struct card_variant *v, struct err *e)
{
	json_t *ram = json_object_get(object, "ram");
	char here[AT];
	snprintf(here, sizeof here, "%s.ram", at);
	if (!ram)
		return 0;
	int rc = card_check_members(ram, here, card_ram_members, e);
	if (rc < 0)
		return rc;
	bool number = json_object_get(ram, "bytes") && json_object_get(ram, "context");
	bool any = json_object_get(ram, "bytes") || json_object_get(ram, "context");
	bool unknown = json_object_get(ram, "unknown");
	if (unknown == any || number != any)
		return err_set(e, ERR_INTEGRITY,
			       "%s: expected either bytes and context, or unknown with the reason",
			       here);
	v->ram_known = number;
	v->ram_bytes = count_of(ram, "bytes");
	v->ram_context = count_of(ram, "context");
	v->ram_token = number ? count_of(ram, "token_bytes") : 0;
	return 0;
}

static int view_withdrawal(const json_t *object, const char *at, struct card_withdrawal *out,
			   struct err *e)
{
	const json_t *withdrawn = json_object_get(object, "withdrawn");
	char here[AT];
	snprintf(here, sizeof here, "%s%swithdrawn", at, *at ? "." : "");
	if (!withdrawn)
		return 0;
	int rc = card_check_members(withdrawn, here, card_withdrawn_members, e);
	if (rc < 0 || (rc = json_get_string(withdrawn, here, "reason", &out->reason, e)) < 0)
		return rc;
	out->replacement = string_of(withdrawn, "replacement");
	return 0;
}

/* Of the current version and of superseded ones. */
static int version_view(const json_t *object, const char *at, struct card_variant *out,
			struct err *e)
{
	int rc = card_check_members(object, at, card_variant_members, e);
	if (rc < 0 || (rc = view_ram(object, at, out, e)) < 0 ||
	    (rc = view_files(object, at, out, e)) < 0 ||
	    (rc = view_withdrawal(object, at, &out->withdrawn, e)) < 0)
		return rc;
	out->kind = string_of(object, "kind");
	if (out->kind && strcmp(out->kind, "model") == 0)
		out->kind = NULL;
	out->engine = string_of(object, "engine");
	out->quantization = string_of(object, "quantization");
	out->version = json_object_get(object, "version") ? count_of(object, "version") : 1;
	out->label = string_of(object, "label");
	out->released = string_of(object, "released");
	out->json = object;
	return 0;
}

static int check_older(const struct card_variant *newer, const struct card_variant *v,
		       const char *at, struct err *e)
{
	if (v->version >= newer->version)
		return err_set(e, ERR_INTEGRITY,
			       "%s.version: %llu is not lower than %llu, that of the version after "
			       "it",
			       at, (unsigned long long)v->version,
			       (unsigned long long)newer->version);
	if (v->file_count == 0)
		return err_set(e, ERR_INTEGRITY, "%s.files: there are none", at);
	return 0;
}

static int view_superseded(const json_t *object, const char *at, struct card_variant *v,
			   struct err *e)
{
	json_t *entries;
	int rc = json_opt_array(object, at, "superseded", CARD_MAX_SUPERSEDED, &entries, e);
	size_t count = rc == 0 ? json_array_size(entries) : 0;
	v->superseded = count ? mem_alloc(count * sizeof *v->superseded) : NULL;
	while (rc == 0 && v->superseded_count < count) {
		size_t n = v->superseded_count++;
		struct card_variant *old = &v->superseded[n];
		char here[AT];
		snprintf(here, sizeof here, "%s.superseded[%zu]", at, n);
		rc = version_view(json_array_get(entries, n), here, old, e);
		if (rc == 0)
			rc = check_older(n ? &v->superseded[n - 1] : v, old, here, e);
		old->id = v->id;
	}
	return rc;
}

static int variant_view(const json_t *object, const char *at, struct card_variant *out,
			struct err *e)
{
	int rc = version_view(object, at, out, e);
	if (rc < 0 || (rc = json_get_string(object, at, "id", &out->id, e)) < 0)
		return rc;
	out->is_default = json_is_true(json_object_get(object, "default"));
	return view_superseded(object, at, out, e);
}

static int check_variant(const struct card *c, size_t n, const char *at, struct err *e)
{
	const struct card_variant *v = &c->variants[n];
	for (size_t i = 0; i < n; i++) {
		if (strcmp(c->variants[i].id, v->id) == 0)
			return err_set(e, ERR_INTEGRITY, "%s.id: there are two variants '%s'", at,
				       v->id);
		if (v->is_default && c->variants[i].is_default)
			return err_set(e, ERR_INTEGRITY,
				       "%s.default: '%s' is also marked as default", at,
				       c->variants[i].id);
	}
	return 0;
}

static int view_variants(const json_t *object, const char *at, struct card *c, struct err *e)
{
	json_t *variants;
	int rc = json_get_array(object, at, "variants", CARD_MAX_VARIANTS, &variants, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(variants);
	c->variants = mem_alloc(count * sizeof *c->variants);
	while (c->variant_count < count) {
		size_t n = c->variant_count++;
		char here[AT];
		snprintf(here, sizeof here, "%s%svariants[%zu]", at, *at ? "." : "", n);
		rc = variant_view(json_array_get(variants, n), here, &c->variants[n], e);
		if (rc < 0 || (rc = check_variant(c, n, here, e)) < 0)
			return rc;
	}
	return 0;
}

/* ---- the card ---- */

static int check_format(const json_t *object, const char *at, struct err *e)
{
	const char *format, *dot = *at ? "." : "";
	uint64_t version;
	int rc = json_get_string(object, at, "format", &format, e);
	if (rc < 0 || (rc = json_get_u64(object, at, "version", &version, e)) < 0)
		return rc;
	if (strcmp(format, CARD_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY,
			       "%s%sformat: '%s' is not that of a model card, '%s'", at, dot,
			       format, CARD_FORMAT);
	if (version == CARD_VERSION)
		return 0;
	err_set(e, ERR_INTEGRITY, "%s%sversion: version %llu is not supported, only %d", at, dot,
		(unsigned long long)version, CARD_VERSION);
	return err_hint(e, "use a newer version of Model Ferry");
}

static int check_nested(const json_t *object, const char *at, struct err *e)
{
	static const struct {
		const char *key;
		const struct card_member *table;
	} nested[] = {
		{ "license", card_license_members },
		{ "source", card_source_members },
		{ "deprecated", card_deprecated_members },
	};
	for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
		const json_t *value = json_object_get(object, nested[i].key);
		char here[AT];
		snprintf(here, sizeof here, "%s%s%s", at, *at ? "." : "", nested[i].key);
		int rc = value ? card_check_members(value, here, nested[i].table, e) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void view_members(const json_t *object, struct card *c)
{
	const json_t *deprecated = json_object_get(object, "deprecated");
	const char *title = string_of(object, "title"), *summary = string_of(object, "summary");
	const char *family = string_of(object, "family");
	c->title = title ? title : c->id;
	c->summary = summary ? summary : "";
	c->family = family ? family : "";
	c->license = string_of(json_object_get(object, "license"), "id");
	c->parameters = count_of(object, "parameters");
	c->context_length = count_of(object, "context_length");
	c->deprecated = deprecated != NULL;
	c->deprecation_reason = string_of(deprecated, "reason");
	c->replacement = string_of(deprecated, "replacement");
}

int card_from_json(json_t *object, const char *at, struct card *out, struct err *e)
{
	CLEANUP(card_release) struct card c = { 0 };
	int rc = card_check_members(object, at, card_members, e);
	if (rc < 0 || (rc = check_format(object, at, e)) < 0 ||
	    (rc = json_get_string(object, at, "id", &c.id, e)) < 0 ||
	    (rc = check_nested(object, at, e)) < 0 ||
	    (rc = view_withdrawal(object, at, &c.withdrawn, e)) < 0 ||
	    (rc = view_variants(object, at, &c, e)) < 0)
		return rc;
	view_members(object, &c);
	c.json = json_incref(object);
	*out = c;
	c = (struct card){ 0 };
	return 0;
}

static void variant_release(struct card_variant *v)
{
	for (size_t i = 0; i < v->superseded_count; i++)
		free(v->superseded[i].files);
	free(v->superseded);
	free(v->files);
}

void card_release(struct card *c)
{
	for (size_t i = 0; i < c->variant_count; i++)
		variant_release(&c->variants[i]);
	free(c->variants);
	json_decref(c->json);
	*c = (struct card){ 0 };
}

json_t *card_new(const char *id)
{
	json_t *card = json_object();
	json_put_string(card, "format", CARD_FORMAT);
	json_put_u64(card, "version", CARD_VERSION);
	json_put_string(card, "id", id);
	json_put(card, "variants", json_array());
	return card;
}

int card_parse(const void *data, size_t len, const char *what, struct card *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = CARD_MAX_BYTES, .max_depth = 32 };
	CLEANUP(json_release) json_t *object = NULL;
	int rc = json_parse(data, len, &limits, what, &object, e);
	if (rc < 0)
		return rc;
	rc = card_from_json(object, "", out, e);
	return rc < 0 ? err_context(e, "%s", what) : 0;
}

int card_load(const char *path, struct card *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(CARD_MAX_BYTES);
	int rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	encoding_to_utf8(&text);
	return card_parse(buf_str(&text), text.len, path, out, e);
}

int card_save(const struct card *c, const char *path, struct err *e)
{
	return json_write_file(path, c->json, FILE_MODE, e);
}

static int rank_of(const struct card_variant *v)
{
	return v->file_count == 0 ? 0 : v->kind ? 1 : 2;
}

const struct card_variant *card_variant(const struct card *c, const char *id)
{
	const struct card_variant *best = NULL;
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		if (id ? strcmp(v->id, id) == 0 : v->is_default)
			return v;
		if (!best || rank_of(v) > rank_of(best))
			best = v;
	}
	return id ? NULL : best;
}
