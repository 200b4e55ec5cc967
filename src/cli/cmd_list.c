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

static bool tags_match(const struct index_model *m, const char *pattern)
{
	const json_t *tag;
	size_t i;
	json_array_foreach ((json_t *)m->tags, i, tag)
		if (json_is_string(tag) && str_eq_nocase(json_string_value(tag), pattern))
			return true;
	return false;
}

/* A name pattern ("phi-*"), a part of name, title or family, or a tag. */
static bool matches(const struct index_model *m, const char *pattern)
{
	return !pattern || fnmatch(pattern, m->id, 0) == 0 || contains_nocase(m->id, pattern) ||
	       contains_nocase(m->title, pattern) || contains_nocase(m->family, pattern) ||
	       tags_match(m, pattern);
}

/* -- the document -------------------------------------------------------------------------- */

struct listing {
	struct store_variants stored;
	const struct remote *remote;
	const char *pattern;
	json_t *models;
	struct str_list names; /* of all models */
};

static bool in_store(const struct listing *l, const char *model, const struct index_variant *v)
{
	for (size_t i = 0; i < l->stored.count; i++) {
		const struct store_variant *have = &l->stored.at[i];
		if (have->complete && strcmp(have->repository, l->remote->repository) == 0 &&
		    strcmp(have->model, model) == 0 && strcmp(have->variant, v->id) == 0 &&
		    have->version == v->version)
			return true;
	}
	return false;
}

static void put_variant(const struct listing *l, json_t *object, const struct index_model *m,
			const struct index_variant *v)
{
	json_put_string(object, "id", v->id);
	json_put_string(object, "kind", v->kind);
	json_put_string(object, "quantization", v->quantization);
	json_put_u64(object, "size", v->size);
	json_put_u64(object, "version", v->version);
	json_put_bool(object, "default", v->is_default);
	json_put_bool(object, "withdrawn", m->withdrawn || v->withdrawn);
	json_put_bool(object, "in_store", in_store(l, m->id, v));
}

static int put_model(void *ctx, const struct index_model *m, struct err *e)
{
	struct listing *l = ctx;
	(void)e;
	str_list_add(&l->names, m->id);
	if (!matches(m, l->pattern))
		return 0;
	json_t *object = json_push_object(l->models);
	json_put_string(object, "repository", l->remote->repository);
	json_put_string(object, "id", m->id);
	json_put_string(object, "title", m->title);
	json_put_string(object, "family", m->family);
	json_put_string(object, "license", m->license);
	if (m->parameters)
		json_put_u64(object, "parameters", m->parameters);
	if (m->context_length)
		json_put_u64(object, "context_length", m->context_length);
	json_put_bool(object, "deprecated", m->deprecated);
	json_put_bool(object, "withdrawn", m->withdrawn);
	json_put_string(object, "replacement", m->replacement);
	json_t *variants = json_put_array(object, "variants");
	for (size_t i = 0; i < m->variant_count; i++)
		put_variant(l, json_push_object(variants), m, &m->variants[i]);
	return 0;
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

static int list(const struct session *s, struct listing *l, json_t *document, struct err *e)
{
	json_t *repositories = json_put_array(document, "repositories");
	l->models = json_put_array(document, "models");
	int rc = store_list(&s->store, &l->stored, e);
	for (size_t i = 0; rc == 0 && i < s->remotes.count; i++) {
		l->remote = s->remotes.at[i];
		put_repository(json_push_object(repositories), l->remote);
		rc = remote_each_model(s->remotes.at[i], put_model, l, e);
	}
	return rc;
}

static void listing_release(struct listing *l)
{
	store_variants_release(&l->stored);
	str_list_release(&l->names);
}

/* -- for people ---------------------------------------------------------------------------- */

static char *variants_text(const json_t *model)
{
	return cli_join(json_object_get(model, "variants"),
			"{id}{kind? (:}{kind|}{kind?):}{in_store?*:}", " ");
}

static char *title_text(const json_t *model)
{
	return cli_fill(model, json_flag(model, "withdrawn")
				       ? "{title} (withdrawn)"
				       : "{title}{deprecated? (deprecated):}");
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

static void tell_none(struct cli *cli, const struct str_list *names, const char *pattern)
{
	const char *near = pattern ? text_nearest(pattern, (const char *const *)names->at,
						  names->count)
				   : NULL;
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
		{ "TITLE", NULL, title_text },
	};
	CLEANUP(json_release) json_t *document = cli_document(cli);
	CLEANUP(listing_release) struct listing l = { .pattern = pattern };
	rc = list(&s, &l, document, e);
	if (rc < 0)
		return rc;
	const json_t *models = json_object_get(document, "models");
	session_tell_faults(cli, &s);
	if (json_array_size(models) == 0)
		tell_none(cli, &l.names, pattern);
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
