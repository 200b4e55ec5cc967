#include "catalog/catalog.h"

#include "catalog/link.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

/* *head: it is repository.json, without models. */
static int check_header(const json_t *object, bool *head, struct err *e)
{
	const char *format;
	uint64_t version;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "expected a JSON object");
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc < 0 || (rc = json_get_u64(object, "", "version", &version, e)) < 0)
		return rc;
	*head = strcmp(format, CATALOG_HEAD_FORMAT) == 0;
	if (!*head && strcmp(format, CATALOG_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "format: '%s' is not that of a catalog, '%s'",
			       format, CATALOG_FORMAT);
	if (version == CATALOG_VERSION)
		return 0;
	err_set(e, ERR_INTEGRITY, "version: version %llu is not supported, only %d",
		(unsigned long long)version, CATALOG_VERSION);
	return err_hint(e, "use a newer version of Model Ferry");
}

/* ---- mirrors ---- */

static int check_mirror(const struct catalog_mirror *m, const char *at, struct err *e)
{
	const char *fault = link_fault(m->url, true);
	if (!path_is_id(m->id))
		return err_set(e, ERR_INTEGRITY, "%s.id: '%s' is not a valid name", at, m->id);
	if (!path_is_id(m->kind))
		return err_set(e, ERR_INTEGRITY, "%s.kind: '%s' is not a valid name", at, m->kind);
	if (fault)
		return err_set(e, ERR_INTEGRITY, "%s.url: '%s' cannot be published as a URL: %s",
			       at, link_shown(m->url), fault);
	if (m->region && (!*m->region || strlen(m->region) > 64))
		return err_set(e, ERR_INTEGRITY, "%s.region: must have 1 to 64 bytes", at);
	return 0;
}

static int mirror_view(const json_t *object, const char *at, struct catalog_mirror *out,
		       struct err *e)
{
	struct catalog_mirror m = { .json = object };
	const char *holds;
	if (!json_is_object(object))
		return err_set(e, ERR_INTEGRITY, "%s: expected an object", at);
	int rc = json_get_string(object, at, "id", &m.id, e);
	if (rc < 0 || (rc = json_get_string(object, at, "kind", &m.kind, e)) < 0 ||
	    (rc = json_get_string(object, at, "url", &m.url, e)) < 0 ||
	    (rc = json_opt_string(object, at, "region", &m.region, e)) < 0 ||
	    (rc = json_opt_string(object, at, "holds", &holds, e)) < 0 ||
	    (rc = json_opt_u64(object, at, "priority", CATALOG_PRIORITY, &m.priority, e)) < 0 ||
	    (rc = json_opt_u64(object, at, "part_size", 0, &m.part_size, e)) < 0)
		return rc;
	if (holds && !holds_parse(holds, &m.holds))
		return err_set(e, ERR_INTEGRITY,
			       "%s.holds: '%s' is not one of all, objects, metadata", at, holds);
	if ((rc = check_mirror(&m, at, e)) < 0)
		return rc;
	*out = m;
	return 0;
}

bool catalog_mirror_has(const struct catalog_mirror *m, enum mirror_holds what)
{
	static const char *const kinds[] = { "file", "http", "s3", "r2", "git" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(m->kind, kinds[i]) == 0)
			return m->holds == MIRROR_HOLDS_ALL || m->holds == what;
	return false;
}

static int compare_mirrors(const void *a, const void *b)
{
	const struct catalog_mirror *x = a, *y = b;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int view_mirrors(const json_t *object, struct catalog *c, struct err *e)
{
	json_t *mirrors;
	int rc = json_get_array(object, "", "mirrors", CATALOG_MAX_MIRRORS, &mirrors, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(mirrors);
	c->mirrors = mem_alloc(count * sizeof *c->mirrors);
	for (size_t i = 0; i < count; i++) {
		char at[64];
		snprintf(at, sizeof at, "mirrors[%zu]", i);
		struct catalog_mirror *m = &c->mirrors[i];
		if ((rc = mirror_view(json_array_get(mirrors, i), at, m, e)) < 0)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (strcmp(c->mirrors[j].id, m->id) == 0)
				return err_set(e, ERR_INTEGRITY,
					       "%s.id: there are two mirrors '%s'", at, m->id);
		c->mirror_count++;
	}
	qsort(c->mirrors, count, sizeof *c->mirrors, compare_mirrors);
	return 0;
}

/* ---- models ---- */

static int compare_cards(const void *a, const void *b)
{
	const struct card *x = a, *y = b;
	return strcmp(x->id, y->id);
}

/* Everything that is signed can be downloaded, so planned variants are not allowed. */
static int check_prepared(const struct card *m, const char *at, struct err *e)
{
	if (m->variant_count == 0)
		return err_set(e, ERR_INTEGRITY, "%s: '%s' has no variants", at, m->id);
	for (size_t i = 0; i < m->variant_count; i++)
		if (m->variants[i].file_count == 0)
			return err_set(e, ERR_INTEGRITY, "%s.variants[%zu]: '%s' has no files", at,
				       i, m->variants[i].id);
	return 0;
}

void catalog_sort(struct catalog *c)
{
	if (c->model_count)
		qsort(c->models, c->model_count, sizeof *c->models, compare_cards);
}

static int view_models(const json_t *object, struct catalog *c, struct err *e)
{
	json_t *models;
	int rc = json_get_array(object, "", "models", SIZE_MAX, &models, e);
	if (rc < 0)
		return rc;
	size_t count = json_array_size(models);
	c->models = mem_alloc(count * sizeof *c->models);
	for (size_t i = 0; i < count; i++) {
		char at[64];
		snprintf(at, sizeof at, "models[%zu]", i);
		rc = card_from_json(json_array_get(models, i), at, &c->models[i], e);
		if (rc < 0)
			return rc;
		c->model_count++;
		if ((rc = check_prepared(&c->models[i], at, e)) < 0)
			return rc;
	}
	catalog_sort(c);
	for (size_t i = 1; i < count; i++)
		if (strcmp(c->models[i - 1].id, c->models[i].id) == 0)
			return err_set(e, ERR_INTEGRITY, "models: there are two models '%s'",
				       c->models[i].id);
	return 0;
}

/* ---- the catalog ---- */

static int view_head(const json_t *object, struct catalog *c, struct err *e)
{
	int64_t time_s;
	int rc = json_get_string(object, "", "name", &c->name, e);
	if (rc < 0 || (rc = json_opt_string(object, "", "title", &c->title, e)) < 0 ||
	    (rc = json_get_string(object, "", "updated", &c->updated, e)) < 0)
		return rc;
	if (!path_is_id(c->name))
		return err_set(e, ERR_INTEGRITY, "name: '%s' is not a valid name", c->name);
	if (c->title && (!*c->title || strlen(c->title) > CATALOG_MAX_TITLE))
		return err_set(e, ERR_INTEGRITY, "title: must have 1 to %d bytes",
			       CATALOG_MAX_TITLE);
	if (!parse_time(c->updated, &time_s))
		return err_set(e, ERR_INTEGRITY,
			       "updated: '%s' is not a time of the form 2026-01-02T03:04:05Z",
			       c->updated);
	return 0;
}

int catalog_from_json(json_t *object, struct catalog *out, struct err *e)
{
	CLEANUP(catalog_release) struct catalog c = { 0 };
	bool head = false;
	int rc = check_header(object, &head, e);
	if (rc < 0 || (rc = view_head(object, &c, e)) < 0 ||
	    (rc = view_mirrors(object, &c, e)) < 0 ||
	    (!head && (rc = view_models(object, &c, e)) < 0))
		return rc;
	c.json = json_incref(object);
	*out = c;
	c = (struct catalog){ 0 };
	return 0;
}

int catalog_parse(const void *data, size_t len, const char *what, struct catalog *out,
		  struct err *e)
{
	static const struct json_limits limits = {
		.max_bytes = CATALOG_MAX_BYTES,
		.max_depth = 32,
	};
	CLEANUP(json_release) json_t *object = NULL;
	int rc = json_parse(data, len, &limits, what, &object, e);
	if (rc < 0)
		return rc;
	rc = catalog_from_json(object, out, e);
	return rc < 0 ? err_context(e, "%s", what) : 0;
}

static void release_models(struct catalog *c)
{
	for (size_t i = 0; i < c->model_count; i++)
		card_release(&c->models[i]);
	free(c->models);
	c->models = NULL;
	c->model_count = 0;
}

void catalog_forget_models(struct catalog *c)
{
	release_models(c);
	if (c->json)
		(void)json_object_del(c->json, "models");
}

void catalog_release(struct catalog *c)
{
	release_models(c);
	free(c->mirrors);
	json_decref(c->json);
	*c = (struct catalog){ 0 };
}

const struct card *catalog_model(const struct catalog *c, const char *id)
{
	struct card key = { .id = id };
	return c->model_count ? bsearch(&key, c->models, c->model_count, sizeof key, compare_cards)
			      : NULL;
}
