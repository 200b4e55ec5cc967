#include "cli/session.h"
#include "cli/values.h"
#include "util/mem.h"

#include <fnmatch.h>
#include <string.h>

extern const struct command cmd_list;

struct list_opts {
	bool offline;
};

static const struct opt list_opts[] = {
	OPT_ENTRY(OPT_FLAG, list_opts, offline, 0, "offline", NULL,
		  "do not use the network: use the catalog that was verified last"),
	OPT_LAST,
};

static bool contains_nocase(const char *text, const char *part)
{
	return text && strcasestr(text, part);
}

static bool tags_match(const struct card *m, const char *pattern)
{
	const json_t *tags = json_object_get(m->json, "tags"), *tag;
	size_t i;
	json_array_foreach (tags, i, tag)
		if (json_is_string(tag) && str_eq_nocase(json_string_value(tag), pattern))
			return true;
	return false;
}

/* A name pattern ("phi-*"), a part of name, title or family, or a tag. */
static bool matches(const struct card *m, const char *pattern)
{
	return !pattern || fnmatch(pattern, m->id, 0) == 0 || contains_nocase(m->id, pattern) ||
	       contains_nocase(m->title, pattern) || contains_nocase(m->family, pattern) ||
	       tags_match(m, pattern);
}

static bool in_store(const struct store *s, const struct card_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!store_has(s, &v->files[i].sha256, v->files[i].size))
			return false;
	return v->file_count > 0;
}

/* -- the document -------------------------------------------------------------------------- */

static void put_model(json_t *object, const struct session *s, const struct remote *c,
		      const struct card *m)
{
	json_put_string(object, "repository", c->repository);
	json_put_string(object, "id", m->id);
	json_put_string(object, "title", m->title);
	json_put_string(object, "summary", m->summary[0] ? m->summary : NULL);
	json_put_string(object, "family", m->family[0] ? m->family : NULL);
	json_put_string(object, "license", m->license);
	if (m->parameters)
		json_put_u64(object, "parameters", m->parameters);
	if (m->context_length)
		json_put_u64(object, "context_length", m->context_length);
	json_put_bool(object, "deprecated", m->deprecated);
	json_t *variants = json_put_array(object, "variants");
	for (size_t i = 0; i < m->variant_count; i++) {
		const struct card_variant *v = &m->variants[i];
		json_t *variant = json_push_object(variants);
		json_put_string(variant, "id", v->id);
		json_put_string(variant, "kind", v->kind);
		json_put_string(variant, "quantization", v->quantization);
		json_put_u64(variant, "size", v->size);
		json_put_bool(variant, "default", v == card_variant(m, NULL));
		json_put_bool(variant, "in_store", in_store(&s->store, v));
	}
}

static void put_repository(json_t *object, const struct remote *c)
{
	json_put_string(object, "name", c->repository);
	json_put_string(object, "title", c->catalog.title);
	json_put_string(object, "updated", c->catalog.updated);
	json_put_bool(object, "offline", c->offline);
	json_put_string(object, "expired", c->expired);
	json_put_string(object, "unrefreshed", c->unrefreshed);
}

static json_t *list(struct cli *cli, const struct session *s, const char *pattern)
{
	json_t *document = cli_document(cli);
	json_t *repositories = json_put_array(document, "repositories");
	json_t *models = json_put_array(document, "models");
	for (size_t i = 0; i < s->remotes.count; i++) {
		const struct remote *c = s->remotes.at[i];
		put_repository(json_push_object(repositories), c);
		for (size_t j = 0; j < c->catalog.model_count; j++)
			if (matches(&c->catalog.models[j], pattern))
				put_model(json_push_object(models), s, c, &c->catalog.models[j]);
	}
	return document;
}

/* -- for people ---------------------------------------------------------------------------- */

static char *variants_text(const json_t *model)
{
	return cli_join(json_object_get(model, "variants"),
			"{id}{kind? (:}{kind|}{kind?):}{in_store?*:}", " ");
}

static char *size_text(const json_t *model)
{
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(model, "variants"), i, variant)
		if (json_is_true(json_object_get(variant, "default")))
			return cli_fill(variant, "{size:size}");
	return NULL;
}

static void tell_none(struct cli *cli, const struct session *s, const char *pattern)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	for (size_t i = 0; i < s->remotes.count; i++)
		for (size_t j = 0; j < s->remotes.at[i]->catalog.model_count; j++)
			str_list_add(&names, s->remotes.at[i]->catalog.models[j].id);
	const char *near =
		pattern ? text_nearest(pattern, (const char *const *)names.at, names.count) : NULL;
	if (near)
		report_note(cli->report, "no model matches; did you mean '%s'?", near);
	else
		report_note(cli->report, pattern ? "no model matches" : "the catalog is empty");
}

static int run(struct cli *cli, struct err *e)
{
	const struct list_opts *o = cli->opts;
	const char *pattern = cli->count ? cli->operands[0] : NULL;
	CLEANUP(session_release) struct session s = { 0 };
	int rc = session_open(cli, NULL, o->offline ? SESSION_OFFLINE : SESSION_ONLINE, &s, e);
	if (rc < 0)
		return rc;
	const struct cli_column columns[] = {
		{ "MODEL", s.remotes.count > 1 ? "{repository}/{id}" : "{id}", NULL },
		{ "VARIANTS", NULL, variants_text },
		{ ">SIZE", NULL, size_text },
		{ "LICENSE", "{license|-}", NULL },
		{ "TITLE", "{title}{deprecated? (deprecated):}", NULL },
	};
	CLEANUP(json_release) json_t *document = list(cli, &s, pattern);
	const json_t *models = json_object_get(document, "models");
	session_tell_faults(cli, &s);
	if (json_array_size(models) == 0)
		tell_none(cli, &s, pattern);
	cli_table(cli, models, columns, ARRAY_LEN(columns));
	return cli_result(cli, document, e);
}

const struct command cmd_list = {
	.name = "list",
	.asked = true,
	.summary = "list the models in the catalog",
	.synopsis = (const char *const[]){ "[PATTERN]", NULL },
	.description =
		"Refreshes the signed catalog and lists its models: name, variants (with a star if "
		"in the store), size of the default variant, license, title. PATTERN is a name "
		"with wildcards (* and ?), a part of a name, title or family, or a tag.",
	.opts = list_opts,
	.opts_size = sizeof(struct list_opts),
	.max_operands = 1,
	.operand_hint = HINT_MODEL,
	.run = run,
	.values = values_client,
};
