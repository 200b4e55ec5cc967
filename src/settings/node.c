#include "settings/node.h"

#include "http/url.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

#define HOOK_TIMEOUT_S 300
#define REMOVE_MOST 3
#define KEEP_MOST 1000

static const char *const machine_keys[] = {
	"engine", "owner", "copy",         "keep",   "memory",      "context",
	"health", "hook",  "hook-timeout", "remove", "remove-most", NULL,
};

static const char *const model_keys[] = {
	"model", "engine", "owner",   "to",     "as",   "copy",
	"keep",  "memory", "context", "health", "hook", NULL,
};

static void release(struct settings_node_model *m)
{
	free(m->name);
	free(m->reference);
	free(m->engine);
	free(m->owner);
	free(m->to);
	free(m->as);
	free(m->health);
	str_list_release(&m->hook);
}

void settings_node_release(struct settings_node *n)
{
	for (size_t i = 0; i < n->count; i++)
		release(&n->at[i]);
	free(n->at);
	str_list_release(&n->hook);
	*n = (struct settings_node){ 0 };
}

/* ---- a model ---- */

struct reading {
	const struct conf *c;
	const struct conf_section *machine, *s; /* [node], which may be missing; [node.NAME] */
	struct err *e;
};

/* The section that sets the key, for its value and the line of messages. */
static const struct conf_section *where(const struct reading *r, const char *key)
{
	return conf_get(r->s, key) ? r->s : r->machine;
}

static char *text_of(const struct reading *r, const char *key)
{
	const char *value = conf_get(where(r, key), key);
	return value && *value ? mem_strdup(value) : NULL;
}

/* A program that is a path is relative to the file's folder, as all paths. */
static int read_hook(const struct conf *c, const struct conf_section *s, struct str_list *out,
		     struct err *e)
{
	conf_get_words(s, "hook", out);
	for (size_t i = 0; i < out->count; i++)
		if (strchr("\"'", out->at[i][0]))
			return conf_err(c, s, "hook", e,
					"hook: no shell reads it, so quotes do not join words; "
					"put the command into a script, and name that");
	if (!out->count || !strchr(out->at[0], '/'))
		return 0;
	CLEANUP(mem_free_ptr) char *joined = path_join(c->dir ? c->dir : ".", out->at[0]);
	free(out->at[0]);
	out->at[0] = path_absolute(joined);
	return 0;
}

/* Credentials in it would be read by whoever sees the report. */
static int read_health(const struct reading *r, struct settings_node_model *m)
{
	CLEANUP(url_release) struct url url = { 0 };
	struct err ignored = ERR_INIT;
	m->health = text_of(r, "health");
	if (!m->health)
		return 0;
	if (url_parse(m->health, &url, &ignored) < 0)
		return conf_err(r->c, where(r, "health"), "health", r->e,
				"health: must be a URL of http or https");
	if (url.user || url.password)
		return conf_err(r->c, where(r, "health"), "health", r->e,
				"health: the URL must have no user and no password");
	return 0;
}

static int read_numbers(const struct reading *r, struct settings_node_model *m)
{
	m->keep = SETTINGS_NODE_KEEP_UNSET;
	int rc = conf_get_u64(r->c, where(r, "keep"), "keep", &m->keep, r->e);
	if (rc == 0 && m->keep > KEEP_MOST && m->keep != SETTINGS_NODE_KEEP_UNSET)
		rc = conf_err(r->c, where(r, "keep"), "keep", r->e,
			      "keep: must be at most %d earlier versions", KEEP_MOST);
	if (rc == 0)
		rc = conf_get_size(r->c, where(r, "memory"), "memory", &m->memory, r->e);
	if (rc == 0)
		rc = conf_get_u64(r->c, where(r, "context"), "context", &m->context, r->e);
	if (rc == 0)
		rc = conf_get_bool(r->c, where(r, "copy"), "copy", &m->copy, r->e);
	return rc;
}

/* "none" takes the default of [node] back. */
static void read_engine(const struct reading *r, struct settings_node_model *m)
{
	m->engine = text_of(r, "engine");
	if (m->engine && strcmp(m->engine, "none") == 0)
		mem_free_ptr(&m->engine);
}

static int read_texts(const struct reading *r, struct settings_node_model *m)
{
	const char *model = conf_get(r->s, "model");
	m->name = mem_strdup(r->s->name);
	m->reference = mem_strdup(model ? model : "");
	m->owner = text_of(r, "owner");
	m->to = conf_get_path(r->c, r->s, "to");
	m->as = text_of(r, "as");
	read_engine(r, m);
	int rc = read_hook(r->c, where(r, "hook"), &m->hook, r->e);
	if (rc < 0)
		return rc;
	if (!*m->reference)
		return conf_err(r->c, r->s, "model", r->e,
				"model: is missing: MODEL[:VARIANT][@VERSION] or MODEL:auto");
	if (m->to && !m->engine)
		return conf_err(r->c, r->s, "to", r->e,
				"to: needs an engine; `directory` lays out plain files");
	return 0;
}

static int read_model(const struct reading *r, struct settings_node_model *m)
{
	int rc = conf_check_keys(r->c, r->s, model_keys, r->e);
	if (rc == 0)
		rc = read_texts(r, m);
	if (rc == 0)
		rc = read_numbers(r, m);
	return rc < 0 ? rc : read_health(r, m);
}

static int read_models(const struct conf *c, const struct conf_section *machine,
		       struct settings_node *n, struct err *e)
{
	const struct conf_section *s;
	int rc = 0;
	for (size_t i = 0; rc == 0 && (s = conf_nth(c, "node", i)); i++) {
		const struct reading r = { c, machine, s, e };
		if (!*s->name)
			continue;
		if (n->count == SETTINGS_NODE_MAX_MODELS)
			return conf_err(c, s, NULL, e, "more than %d models",
					SETTINGS_NODE_MAX_MODELS);
		n->at = mem_grow(n->at, n->count + 1, &n->cap, sizeof *n->at);
		n->at[n->count] = (struct settings_node_model){ 0 };
		rc = read_model(&r, &n->at[n->count++]);
	}
	return rc;
}

/* ---- the machine ---- */

static int read_remove(const struct conf *c, const struct conf_section *s, struct settings_node *n,
		       struct err *e)
{
	static const char *const words[] = { "own", "all", "no" };
	const char *value = conf_get(s, "remove");
	size_t i = 0;
	while (value && i < ARRAY_LEN(words) && strcmp(value, words[i]) != 0)
		i++;
	if (i == ARRAY_LEN(words))
		return conf_err(c, s, "remove", e, "remove: must be own, all or no");
	n->remove = (enum settings_node_remove)i;
	n->remove_most = REMOVE_MOST;
	return conf_get_u64(c, s, "remove-most", &n->remove_most, e);
}

static int read_machine(const struct conf *c, const struct conf_section *s, struct settings_node *n,
			struct err *e)
{
	int rc = conf_check_keys(c, s, machine_keys, e);
	if (rc == 0)
		rc = read_remove(c, s, n, e);
	n->hook_timeout_s = HOOK_TIMEOUT_S;
	if (rc == 0)
		rc = conf_get_size(c, s, "memory", &n->memory, e);
	if (rc == 0)
		rc = conf_get_duration(c, s, "hook-timeout", &n->hook_timeout_s, e);
	if (rc == 0 && !n->hook_timeout_s)
		rc = conf_err(c, s, "hook-timeout", e, "hook-timeout: must be at least 1s");
	return rc < 0 ? rc : read_hook(c, s, &n->hook, e);
}

int settings_node_read(const struct conf *c, struct settings_node *out, struct err *e)
{
	CLEANUP(settings_node_release) struct settings_node n = { 0 };
	const struct conf_section *machine = conf_find(c, "node", "");
	int rc = read_machine(c, machine, &n, e);
	if (rc == 0)
		rc = read_models(c, machine, &n, e);
	if (rc < 0)
		return rc;
	*out = n;
	n = (struct settings_node){ 0 };
	return 0;
}
