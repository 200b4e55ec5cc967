#include "cli/session.h"
#include "util/mem.h"

#include <fnmatch.h>
#include <string.h>

extern const struct command cmd_list;

struct list_opts {
	bool offline;
};

static const struct opt list_opts[] = {
	OPT_ENTRY(OPT_FLAG, list_opts, offline, 0, "offline", NULL,
		  "show the catalog that was verified last; ask nobody"),
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

static void add_row(struct cli_table *t, const struct session *s, const struct remote *c,
		    const struct card *m)
{
	CLEANUP(buf_release) struct buf variants = BUF_INIT(64 * KIB);
	const struct card_variant *chosen = card_variant(m, NULL);
	char size[SIZE_TEXT] = "";
	for (size_t i = 0; i < m->variant_count; i++) {
		const struct card_variant *v = &m->variants[i];
		buf_addf(&variants, "%s%s%s", i ? " " : "", v->id,
			 in_store(&s->store, v) ? "*" : "");
	}
	CLEANUP(mem_free_ptr) char *name = s->remotes.count > 1
		? mem_printf("%s/%s", c->repository, m->id) : mem_strdup(m->id);
	CLEANUP(mem_free_ptr) char *title =
		mem_printf("%s%s", m->title, m->deprecated ? " (deprecated)" : "");
	if (chosen)
		format_size(size, chosen->size);
	cli_table_add(t, (const char *const[]){ name, buf_str(&variants), size,
						m->license ? m->license : "-", title });
}

static json_t *variant_json(const struct session *s, const struct card *m,
			    const struct card_variant *v)
{
	json_t *object = json_object();
	json_put_string(object, "id", v->id);
	json_put_string(object, "quantization", v->quantization);
	json_put_u64(object, "size", v->size);
	json_put_bool(object, "default", v == card_variant(m, NULL));
	json_put_bool(object, "in_store", in_store(&s->store, v));
	return object;
}

static json_t *model_json(const struct session *s, const struct remote *c, const struct card *m)
{
	json_t *object = json_object(), *variants = json_array();
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
	for (size_t i = 0; i < m->variant_count; i++)
		json_push(variants, variant_json(s, m, &m->variants[i]));
	json_put(object, "variants", variants);
	return object;
}

static json_t *repository_json(const struct remote *c)
{
	json_t *object = json_object();
	json_put_string(object, "name", c->repository);
	json_put_string(object, "title", c->catalog.title);
	json_put_string(object, "updated", c->catalog.updated);
	json_put_bool(object, "offline", c->offline);
	json_put_string(object, "expired", c->expired);
	return object;
}

static int run(struct cli *cli, void *opts, int count, char **operands, struct err *e)
{
	static const char *const titles[] = { "MODEL", "VARIANTS", ">SIZE", "LICENSE", "TITLE" };
	const struct list_opts *o = opts;
	const char *pattern = count ? operands[0] : NULL;
	CLEANUP(session_release) struct session s = { 0 };
	int rc = session_open(cli, NULL, o->offline, &s, e);
	if (rc < 0)
		return rc;
	struct cli_table *table = cli->json ? NULL : cli_table_new(titles, ARRAY_LEN(titles));
	json_t *document = json_object(), *repositories = json_array(), *models = json_array();
	size_t shown = 0;
	for (size_t i = 0; i < s.remotes.count; i++) {
		const struct remote *c = s.remotes.at[i];
		json_push(repositories, repository_json(c));
		for (size_t j = 0; j < c->catalog.model_count; j++) {
			const struct card *m = &c->catalog.models[j];
			if (!matches(m, pattern))
				continue;
			if (table)
				add_row(table, &s, c, m);
			json_push(models, model_json(&s, c, m));
			shown++;
		}
	}
	json_put_string(document, "command", "list");
	json_put(document, "repositories", repositories);
	json_put(document, "models", models);
	session_tell_faults(cli, &s);
	if (!shown)
		report_note(cli->report, pattern ? "no model matches" : "the catalog is empty");
	if (!table)
		return cli_print_json(cli, document, e);
	json_decref(document);
	cli_table_print(cli, table);
	return 0;
}

const struct command cmd_list = {
	.name = "list",
	.summary = "list the models of the catalog",
	.synopsis = (const char *const[]){ "[PATTERN]", NULL },
	.description = "Refreshes the signed catalog and lists its models: name, variants (a star: in "
		       "the store), size of the default variant, license, title. PATTERN is a name "
		       "(with * and ?), a part of name, title or family, or a tag.",
	.opts = list_opts,
	.opts_size = sizeof(struct list_opts),
	.max_operands = 1,
	.run = run,
};
