#include "node/state.h"

#include "settings/node.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define FORMAT "model-ferry-node"
#define MAX_ENTRIES 10000
#define LOCK_WAIT_MS 2000

static void release(struct node_state_model *m)
{
	free(m->name);
	free(m->reference);
	free(m->repository);
	free(m->model);
	free(m->variant);
	free(m->told);
}

void node_state_release(struct node_state *s)
{
	for (size_t i = 0; i < s->count; i++)
		release(&s->at[i]);
	free(s->at);
	str_list_release(&s->brought);
	str_list_release(&s->layouts);
	*s = (struct node_state){ 0 };
}

static char *path_of(const struct store *s, const char *name)
{
	return mem_printf("%s/node/%s", s->home, name);
}

/* -- reading --------------------------------------------------------------------------------- */

static int parse_model(const json_t *object, struct node_state *s, struct err *e)
{
	struct {
		const char *key, *value;
	} all[] = { { "name", NULL },  { "reference", NULL }, { "repository", NULL },
		    { "model", NULL }, { "variant", NULL },   { "told", NULL } };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(all); i++)
		rc = json_get_string(object, "models", all[i].key, &all[i].value, e);
	if (rc < 0)
		return rc;
	struct node_state_model *m = node_state_of(s, all[0].value);
	char **to[] = { NULL, &m->reference, &m->repository, &m->model, &m->variant, &m->told };
	for (size_t i = 1; i < ARRAY_LEN(all); i++) {
		free(*to[i]);
		*to[i] = mem_strdup(all[i].value);
	}
	return 0;
}

static int parse_models(const json_t *object, struct node_state *s, struct err *e)
{
	json_t *models, *one;
	size_t i;
	int rc = json_get_array(object, "", "models", MAX_ENTRIES, &models, e);
	if (rc < 0)
		return rc;
	json_array_foreach (models, i, one) {
		rc = parse_model(one, s, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_list(const json_t *object, const char *key, struct str_list *out, struct err *e)
{
	json_t *array, *one;
	size_t i;
	int rc = json_get_array(object, "", key, MAX_ENTRIES, &array, e);
	if (rc < 0)
		return rc;
	json_array_foreach (array, i, one) {
		if (!json_is_string(one))
			return err_set(e, ERR_INTEGRITY, "%s[%zu]: not a string", key, i);
		node_state_add(out, json_string_value(one));
	}
	return 0;
}

static int parse_head(const json_t *object, struct node_state *s, struct err *e)
{
	const char *format, *applied;
	uint64_t version;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0 && strcmp(format, FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "it is not a state of ferry node");
	if (rc == 0)
		rc = json_get_u64(object, "", "version", &version, e);
	if (rc == 0 && version != 1)
		rc = err_set(e, ERR_INTEGRITY, "it is of a later version of Model Ferry");
	if (rc == 0)
		rc = json_get_string(object, "", "applied", &applied, e);
	if (rc == 0 && !parse_time(applied, &s->applied_s))
		rc = err_set(e, ERR_INTEGRITY, "applied: not a time");
	return rc < 0 ? rc : json_get_u64(object, "", "faults", &s->faults, e);
}

int node_state_parse(const void *data, size_t len, struct node_state *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = NODE_STATE_MAX_BYTES };
	CLEANUP(json_release) json_t *object = NULL;
	CLEANUP(node_state_release) struct node_state s = { 0 };
	int rc = json_parse(data, len, &limits, "node/state.json", &object, e);
	if (rc == 0)
		rc = parse_head(object, &s, e);
	if (rc == 0)
		rc = parse_models(object, &s, e);
	if (rc == 0)
		rc = parse_list(object, "brought", &s.brought, e);
	if (rc == 0)
		rc = parse_list(object, "layouts", &s.layouts, e);
	if (rc < 0)
		return rc;
	*out = s;
	s = (struct node_state){ 0 };
	return 0;
}

int node_state_load(const struct store *s, struct node_state *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(s, "state.json");
	CLEANUP(buf_release) struct buf text = BUF_INIT(NODE_STATE_MAX_BYTES);
	struct err why = ERR_INIT;
	*out = (struct node_state){ 0 };
	if (!file_exists(path))
		return 0;
	int rc = file_read_all(path, &text, &why);
	if (rc < 0 && !err_is(&why, ERR_INTEGRITY)) {
		*e = why;
		return rc;
	}
	if (rc == 0)
		rc = node_state_parse(text.data, text.len, out, &why);
	if (rc < 0)
		report_warn(s->report,
			    "%s cannot be read (%s): nothing that earlier runs brought is removed, "
			    "and hooks run once more",
			    path, why.text);
	return 0;
}

/* -- writing --------------------------------------------------------------------------------- */

static json_t *json_of(const struct node_state *s)
{
	json_t *object = json_object();
	json_put_string(object, "format", FORMAT);
	json_put_u64(object, "version", 1);
	json_put_time(object, "applied", s->applied_s);
	json_put_u64(object, "faults", s->faults);
	json_t *models = json_put_array(object, "models");
	for (size_t i = 0; i < s->count; i++) {
		const struct node_state_model *m = &s->at[i];
		json_t *one = json_push_object(models);
		json_put_string(one, "name", m->name);
		json_put_string(one, "reference", m->reference);
		json_put_string(one, "repository", m->repository);
		json_put_string(one, "model", m->model);
		json_put_string(one, "variant", m->variant);
		json_put_string(one, "told", m->told);
	}
	json_put(object, "brought", json_strings(&s->brought));
	json_put(object, "layouts", json_strings(&s->layouts));
	return object;
}

int node_state_save(const struct store *s, const struct node_state *state, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(s, "state.json");
	CLEANUP(json_release) json_t *object = json_of(state);
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : json_write_file(path, object, FILE_MODE, e);
}

int node_state_lock(const struct store *s, int *fd, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_of(s, "lock");
	*fd = -1;
	int rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = file_lock(path, LOCK_WAIT_MS, s->cancel, fd, e);
	return rc == -ERR_CONFLICT ? err_context(e, "another ferry node apply is at work") : rc;
}

/* -- entries --------------------------------------------------------------------------------- */

struct node_state_model *node_state_find(const struct node_state *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->at[i].name, name) == 0)
			return &s->at[i];
	return NULL;
}

struct node_state_model *node_state_of(struct node_state *s, const char *name)
{
	struct node_state_model *m = node_state_find(s, name);
	if (m)
		return m;
	s->at = mem_grow(s->at, s->count + 1, &s->cap, sizeof *s->at);
	m = &s->at[s->count++];
	*m = (struct node_state_model){ mem_strdup(name), mem_strdup(""), mem_strdup(""),
					mem_strdup(""),   mem_strdup(""), mem_strdup("") };
	return m;
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = mem_strdup(with);
}

void node_state_resolve(struct node_state_model *m, const char *reference,
			const struct store_variant *v)
{
	replace(&m->reference, reference);
	replace(&m->repository, v->repository);
	replace(&m->model, v->model);
	replace(&m->variant, v->variant);
}

void node_state_drop(struct node_state *s, const char *name)
{
	struct node_state_model *m = node_state_find(s, name);
	if (!m)
		return;
	release(m);
	memmove(m, m + 1, (size_t)(s->at + s->count - m - 1) * sizeof *m);
	s->count--;
}

char *node_state_variant(const struct store_variant *v)
{
	return mem_printf("%s/%s:%s", v->repository, v->model, v->variant);
}

void node_state_add(struct str_list *list, const char *text)
{
	if (!str_list_has(list, text))
		str_list_add(list, text);
}

void node_state_take_out(struct str_list *list, const char *text)
{
	size_t n = 0;
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i], text) == 0)
			free(list->at[i]);
		else
			list->at[n++] = list->at[i];
	list->count = n;
}
