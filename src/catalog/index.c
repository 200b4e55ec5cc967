#include "catalog/index.h"

#include "catalog/card_members.h"
#include "catalog/jsonl.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

static const struct jsonl_limits index_limits = {
	.max_text = INDEX_MAX_TEXT,
	.max_line = INDEX_MAX_LINE,
};

/* ---- a line ---- */

static int view_variant(const json_t *object, const char *at, struct index_variant *out,
			struct err *e)
{
	struct index_variant v = { 0 };
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
	int rc = card_check_members(object, at, card_index_variant_members, e);
	if (rc < 0 || (rc = json_get_string(object, at, "id", &v.id, e)) < 0)
		return rc;
	v.kind = json_text(object, "kind");
	v.quantization = json_text(object, "quantization");
	v.size = json_number(object, "size");
	v.ram = json_number(object, "ram");
	v.version = json_object_get(object, "version") ? json_number(object, "version") : 1;
	v.is_default = json_flag(object, "default");
	v.withdrawn = json_flag(object, "withdrawn");
	*out = v;
	return 0;
}

static int view_variants(const json_t *object, struct index_model *m, struct err *e)
{
	json_t *variants;
	int rc = json_get_array(object, "", "variants", CARD_MAX_VARIANTS, &variants, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(variants); i++) {
		char at[32];
		snprintf(at, sizeof at, "variants[%zu]", i);
		rc = view_variant(json_array_get(variants, i), at, &m->variants[m->variant_count++],
				  e);
	}
	return rc;
}

static int view_model(const json_t *object, struct index_model *m, struct err *e)
{
	m->variant_count = 0;
	int rc = card_check_members(object, "", card_index_members, e);
	if (rc < 0 || (rc = json_get_string(object, "", "id", &m->id, e)) < 0 ||
	    (rc = view_variants(object, m, e)) < 0)
		return rc;
	m->title = json_text(object, "title");
	m->title = m->title ? m->title : m->id;
	m->family = json_text(object, "family");
	m->license = json_text(object, "license");
	m->parameters = json_number(object, "parameters");
	m->context_length = json_number(object, "context_length");
	m->tags = json_object_get(object, "tags");
	m->deprecated = json_flag(object, "deprecated");
	m->withdrawn = json_flag(object, "withdrawn");
	m->replacement = json_text(object, "replacement");
	return 0;
}

void index_model_of(const struct card *c, struct index_model *out)
{
	*out = (struct index_model){
		.id = c->id,
		.title = c->title,
		.family = c->family[0] ? c->family : NULL,
		.license = c->license,
		.parameters = c->parameters,
		.context_length = c->context_length,
		.tags = json_object_get(c->json, "tags"),
		.deprecated = c->deprecated,
		.withdrawn = c->withdrawn.reason,
		.replacement = c->withdrawn.reason ? c->withdrawn.replacement : c->replacement,
	};
	const struct card_variant *first = card_variant(c, NULL);
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		out->variants[out->variant_count++] = (struct index_variant){
			.id = v->id,
			.kind = v->kind,
			.quantization = v->quantization,
			.size = v->size,
			.version = v->version,
			.ram = v->ram_known ? v->ram_bytes : 0,
			.is_default = v == first,
			.withdrawn = v->withdrawn.reason,
		};
	}
}

static void put_count(json_t *object, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(object, key, value);
}

static void put_true(json_t *object, const char *key, bool value)
{
	if (value)
		json_put_bool(object, key, true);
}

static json_t *variant_json(const struct index_variant *v)
{
	json_t *object = json_object();
	json_put_string(object, "id", v->id);
	json_put_string(object, "kind", v->kind);
	json_put_string(object, "quantization", v->quantization);
	put_count(object, "size", v->size);
	put_true(object, "default", v->is_default);
	put_count(object, "version", v->version > 1 ? v->version : 0);
	put_count(object, "ram", v->ram);
	put_true(object, "withdrawn", v->withdrawn);
	return object;
}

/* The id comes first: index_next() relies on it. */
static json_t *model_json(const struct index_model *m)
{
	json_t *object = json_object();
	json_put_string(object, "id", m->id);
	json_put_string(object, "title", strcmp(m->title, m->id) == 0 ? NULL : m->title);
	json_put_string(object, "family", m->family);
	json_put_string(object, "license", m->license);
	put_count(object, "parameters", m->parameters);
	put_count(object, "context_length", m->context_length);
	if (json_array_size(m->tags))
		json_put(object, "tags", json_deep_copy(m->tags));
	put_true(object, "deprecated", m->deprecated);
	put_true(object, "withdrawn", m->withdrawn);
	json_put_string(object, "replacement", m->replacement);
	json_t *variants = json_put_array(object, "variants");
	for (size_t i = 0; i < m->variant_count; i++)
		json_push(variants, variant_json(&m->variants[i]));
	return object;
}

int index_line(const struct card *c, struct buf *out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct index_model *m = NEW(struct index_model);
	index_model_of(c, m);
	CLEANUP(json_release) json_t *object = model_json(m);
	int rc = json_compact(object, out, e);
	buf_addc(out, '\n');
	return rc < 0 ? rc : buf_ok(out, "the index", e);
}

/* ---- all models ---- */

struct models {
	const char *what;
	index_model_fn *fn;
	void *ctx;
	bool has_header;
	uint64_t expected, count;
	char last[65]; /* id */
	struct index_model model;
};

static int check_header(struct models *m, const json_t *object, struct err *e)
{
	const char *format;
	uint64_t version;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc < 0 || (rc = json_get_u64(object, "", "version", &version, e)) < 0 ||
	    (rc = json_get_u64(object, "", "models", &m->expected, e)) < 0)
		return rc;
	if (strcmp(format, INDEX_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "format: '%s' is not that of an index, '%s'",
			       format, INDEX_FORMAT);
	if (version == INDEX_VERSION)
		return 0;
	err_set(e, ERR_INTEGRITY, "version: version %llu is not supported, only %d",
		(unsigned long long)version, INDEX_VERSION);
	return err_hint(e, "use a newer version of Model Ferry");
}

static int check_order(struct models *m, const char *id, struct err *e)
{
	if (m->last[0] && strcmp(m->last, id) >= 0)
		return err_set(e, ERR_INTEGRITY, "'%s' is not after '%s'", id, m->last);
	snprintf(m->last, sizeof m->last, "%s", id);
	return 0;
}

static int take_line(struct models *m, const char *line, size_t len, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = INDEX_MAX_LINE, .max_depth = 8 };
	CLEANUP(json_release) json_t *object = NULL;
	bool header = !m->has_header;
	m->has_header = true;
	m->count += !header;
	int rc = json_parse(line, len, &limits, "a line", &object, e);
	if (rc < 0)
		return rc;
	if (header)
		return check_header(m, object, e);
	rc = view_model(object, &m->model, e);
	if (rc == 0)
		rc = check_order(m, m->model.id, e);
	return rc < 0 ? rc : m->fn(m->ctx, &m->model, e);
}

static int model_line(void *ctx, const char *line, size_t len, struct err *e)
{
	struct models *m = ctx;
	int rc = take_line(m, line, len, e);
	if (rc < 0 && err_is(e, ERR_INTEGRITY))
		err_context(e, "%s: line %llu", m->what, (unsigned long long)m->count + 1);
	return rc;
}

int index_read(const void *data, size_t len, const char *what, index_model_fn *fn, void *ctx,
	       struct err *e)
{
	CLEANUP(mem_free_ptr) struct models *m = NEW(struct models);
	m->what = what;
	m->fn = fn;
	m->ctx = ctx;
	int rc = jsonl_read(data, len, &index_limits, what, model_line, m, e);
	if (rc == 0 && (!m->has_header || m->count != m->expected))
		rc = err_set(e, ERR_INTEGRITY, "%s: has %llu models, but its header says %llu",
			     what, (unsigned long long)m->count, (unsigned long long)m->expected);
	return rc;
}

/* ---- for the publisher ---- */

struct lines {
	struct buf *out;
	bool has_header;
};

static int keep_line(void *ctx, const char *line, size_t len, struct err *e)
{
	struct lines *l = ctx;
	(void)e;
	if (l->has_header) {
		buf_add(l->out, line, len);
		buf_addc(l->out, '\n');
	}
	l->has_header = true;
	return 0;
}

int index_lines(const void *data, size_t len, const char *what, struct buf *out, struct err *e)
{
	struct lines l = { .out = out };
	int rc = jsonl_read(data, len, &index_limits, what, keep_line, &l, e);
	return rc < 0 ? rc : buf_ok(out, what, e);
}

bool index_next(const char **text, const char **line, size_t *len, const char **id, size_t *id_len)
{
	static const char start[] = "{\"id\":\"";
	const char *end = strchr(*text, '\n');
	if (!end)
		return false;
	*line = *text;
	*len = (size_t)(end - *text) + 1;
	*id = str_starts(*line, start) ? *line + strlen(start) : *line;
	*id_len = strcspn(*id, "\"\n");
	*text = end + 1;
	return true;
}

int index_pack(const struct buf *lines, size_t models, struct buf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(INDEX_MAX_TEXT);
	CLEANUP(json_release) json_t *header = json_object();
	json_put_string(header, "format", INDEX_FORMAT);
	json_put_u64(header, "version", INDEX_VERSION);
	json_put_u64(header, "models", models);
	int rc = json_compact(header, &text, e);
	buf_addc(&text, '\n');
	buf_add(&text, buf_str(lines), lines->len);
	if (rc == 0)
		rc = buf_ok(&text, "the index", e);
	if (rc == 0)
		rc = jsonl_pack(&text, out, e);
	if (rc == 0 && out->len > INDEX_MAX_BYTES)
		rc = err_set(e, ERR_USAGE, "the index has %zu bytes; readers accept at most %llu",
			     out->len, (unsigned long long)INDEX_MAX_BYTES);
	return rc;
}
