#include "catalog/jsonl.h"
#include "catalog/places.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

static const struct jsonl_limits limits = {
	.max_text = PLACES_MAX_TEXT,
	.max_line = PLACES_MAX_LINE,
};

/* ---- reading ---- */

struct list {
	const char *what;
	struct places *out;
	bool has_header;
	uint64_t expected, count;
};

static int check_header(struct list *l, const json_t *object, struct err *e)
{
	const char *format;
	uint64_t version;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc < 0 || (rc = json_get_u64(object, "", "version", &version, e)) < 0 ||
	    (rc = json_get_u64(object, "", "places", &l->expected, e)) < 0)
		return rc;
	if (strcmp(format, PLACES_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "format: '%s' is not that of places, '%s'", format,
			       PLACES_FORMAT);
	if (l->expected > PLACES_MAX)
		return err_set(e, ERR_INTEGRITY, "places: more than %zu", PLACES_MAX);
	if (version == PLACES_VERSION)
		return 0;
	err_set(e, ERR_INTEGRITY, "version: version %llu is not supported, only %d",
		(unsigned long long)version, PLACES_VERSION);
	return err_hint(e, "use a newer version of Model Ferry");
}

static int check_url(const char *key, const char *url, struct err *e)
{
	const char *fault = places_key_fault(key);
	if (fault)
		return err_set(e, ERR_INTEGRITY, "key: '%s' cannot have a URL: %s", key, fault);
	fault = places_url_fault(url);
	return fault ? err_set(e, ERR_INTEGRITY, "url: it cannot be published: %s", fault) : 0;
}

static int check_order(const struct list *l, const char *key, struct err *e)
{
	const struct places *p = l->out;
	if (!path_is_key(key))
		return err_set(e, ERR_INTEGRITY, "key: it is not the key of an object");
	if (l->count > 1 && strcmp(p->at[p->count - 1].key, key) >= 0)
		return err_set(e, ERR_INTEGRITY, "'%s' is not after '%s'", key,
			       p->at[p->count - 1].key);
	return 0;
}

static int take_place(struct list *l, const json_t *object, struct err *e)
{
	const char *key, *url;
	uint64_t release;
	int rc = json_get_string(object, "", "key", &key, e);
	if (rc == 0)
		rc = json_opt_u64(object, "", "release", 0, &release, e);
	if (rc == 0)
		rc = json_opt_string(object, "", "url", &url, e);
	if (rc == 0)
		rc = check_order(l, key, e);
	if (rc < 0)
		return rc;
	if (url && (rc = check_url(key, url, e)) < 0)
		return rc;
	if (!url && (release < 2 || release > PLACES_MAX_RELEASE))
		return err_set(e, ERR_INTEGRITY, "release: must be 2 to %d", PLACES_MAX_RELEASE);
	if (url)
		places_add_url(l->out, key, url);
	else
		places_add_release(l->out, key, release);
	return 0;
}

static int take_line(struct list *l, const char *line, size_t len, struct err *e)
{
	static const struct json_limits json = { .max_bytes = PLACES_MAX_LINE, .max_depth = 8 };
	CLEANUP(json_release) json_t *object = NULL;
	int rc = json_parse(line, len, &json, "a line", &object, e);
	if (rc < 0)
		return rc;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "expected an object");
	if (!l->has_header) {
		l->has_header = true;
		return check_header(l, object, e);
	}
	if (++l->count > l->expected)
		return err_set(e, ERR_INTEGRITY, "the header says that there are only %llu places",
			       (unsigned long long)l->expected);
	return take_place(l, object, e);
}

static int place_line(void *ctx, const char *line, size_t len, struct err *e)
{
	struct list *l = ctx;
	int rc = take_line(l, line, len, e);
	return rc < 0 ? err_context(e, "%s: line %llu", l->what, (unsigned long long)l->count + 1)
		      : 0;
}

int places_read(const void *data, size_t len, const char *what, struct places *out, struct err *e)
{
	CLEANUP(places_release) struct places got = { 0 };
	struct list l = { .what = what, .out = &got };
	int rc = jsonl_read(data, len, &limits, what, place_line, &l, e);
	if (rc < 0)
		return rc;
	if (!l.has_header || l.count != l.expected)
		return err_set(e, ERR_INTEGRITY, "%s: has %llu places, but its header says %llu",
			       what, (unsigned long long)l.count, (unsigned long long)l.expected);
	for (size_t i = 0; i < got.count; i++) {
		out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
		out->at[out->count++] = got.at[i];
	}
	got.count = 0;
	places_sort(out);
	return 0;
}

/* ---- the entry of a mirror ---- */

static int read_models(const json_t *entry, const char *what, struct places *out, struct err *e)
{
	json_t *models;
	int rc = json_opt_array(entry, what, "models", PLACES_MAX_MODELS, &models, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(models); i++) {
		const char *id = json_string_value(json_array_get(models, i));
		if (!id || !path_is_id(id))
			return err_set(e, ERR_INTEGRITY, "%s.models[%zu]: not the id of a model",
				       what, i);
		str_list_add(&out->models, id);
	}
	return rc;
}

int places_read_entry(const json_t *entry, const char *what, struct places *out, struct err *e)
{
	const char *template;
	int rc = json_opt_string(entry, what, "template", &template, e);
	if (rc < 0 || !template)
		return rc;
	const char *fault = places_template_fault(template);
	if (fault)
		return err_set(e, ERR_INTEGRITY, "%s.template: cannot be used: %s", what, fault);
	rc = read_models(entry, what, out, e);
	if (rc < 0)
		return rc;
	free(out->template);
	out->template = mem_strdup(template);
	return 0;
}

/* ---- writing ---- */

static int add_line(json_t *line, struct buf *text, struct err *e)
{
	int rc = json_compact(line, text, e);
	buf_addc(text, '\n');
	json_decref(line);
	return rc;
}

static json_t *header_json(const struct places *p)
{
	json_t *header = json_object();
	json_put_string(header, "format", PLACES_FORMAT);
	json_put_u64(header, "version", PLACES_VERSION);
	json_put_u64(header, "places", p->count);
	return header;
}

static json_t *place_json(const struct places_entry *p)
{
	json_t *object = json_object();
	json_put_string(object, "key", p->key);
	if (p->url)
		json_put_string(object, "url", p->url);
	else
		json_put_u64(object, "release", p->release);
	return object;
}

int places_pack(const struct places *p, struct buf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(PLACES_MAX_TEXT);
	if (p->count > PLACES_MAX)
		return err_set(e, ERR_USAGE, "%zu places; readers accept at most %zu", p->count,
			       PLACES_MAX);
	int rc = add_line(header_json(p), &text, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		rc = add_line(place_json(&p->at[i]), &text, e);
	if (rc == 0)
		rc = buf_ok(&text, "the list of places", e);
	if (rc == 0)
		rc = jsonl_pack(&text, out, e);
	if (rc == 0 && out->len > PLACES_MAX_BYTES)
		rc = err_set(e, ERR_USAGE,
			     "the list of places has %zu bytes; readers accept at most %llu",
			     out->len, (unsigned long long)PLACES_MAX_BYTES);
	return rc;
}
