#include "publish/plan_file.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_TEXT 4096
#define MAX_SETTINGS 64

static void mirror_release(struct plan_file_mirror *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->steps[i].key);
	free(m->steps);
	free(m->id);
	free(m->kind);
	free(m->place);
	free(m->etag);
	json_decref(m->settings);
}

void plan_file_release(struct plan_file *p)
{
	for (size_t i = 0; i < p->count; i++)
		mirror_release(&p->mirrors[i]);
	free(p->mirrors);
	free(p->repository);
	str_list_release(&p->only);
	*p = (struct plan_file){ 0 };
}

/* ---- small parts ----------------------------------------------------------------- */

static int read_text(const json_t *o, const char *at, const char *key, char **out, struct err *e)
{
	const char *text;
	int rc = json_get_string(o, at, key, &text, e);
	if (rc == 0 && strlen(text) > MAX_TEXT)
		rc = err_set(e, ERR_INTEGRITY, "%s.%s: too long", at, key);
	if (rc == 0)
		*out = mem_strdup(text);
	return rc;
}

/* The index of a word; its names are those of a function. */
static int read_word(const json_t *o, const char *at, const char *key, int first, int last,
		     const char *(*name)(int), int *out, struct err *e)
{
	const char *text;
	int rc = json_get_string(o, at, key, &text, e);
	for (int i = first; rc == 0 && i <= last; i++)
		if (strcmp(text, name(i)) == 0) {
			*out = i;
			return 0;
		}
	return rc < 0 ? rc : err_set(e, ERR_INTEGRITY, "%s.%s: unknown word", at, key);
}

static const char *action_name(int i)
{
	return push_action_name((enum push_action)i);
}

static const char *state_name(int i)
{
	return release_state_name((enum release_state)i);
}

/* ---- a mirror -------------------------------------------------------------------- */

static int read_step(const json_t *o, const char *at, struct plan_file_step *out, struct err *e)
{
	int action = STEP_CHECK;
	int rc = read_text(o, at, "key", &out->key, e);
	if (rc == 0 && !path_is_key(out->key))
		rc = err_set(e, ERR_INTEGRITY, "%s.key: not a valid key", at);
	if (rc == 0)
		rc = read_word(o, at, "action", STEP_CHECK, STEP_REPLACE, action_name, &action, e);
	if (rc == 0)
		rc = json_get_u64(o, at, "size", &out->size, e);
	if (rc == 0)
		rc = json_get_hex(o, at, "sha256", out->sha256.bytes, DIGEST_SIZE, e);
	out->action = (enum push_action)action;
	return rc;
}

static int compare_steps(const void *a, const void *b)
{
	const struct plan_file_step *x = a, *y = b;
	return strcmp(x->key, y->key);
}

static int read_steps(const json_t *o, const char *at, struct plan_file_mirror *out, struct err *e)
{
	json_t *steps;
	int rc = json_get_array(o, at, "steps", PLAN_FILE_MAX_STEPS, &steps, e);
	if (rc < 0)
		return rc;
	size_t n = json_array_size(steps);
	out->steps = mem_alloc((n + 1) * sizeof *out->steps);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		CLEANUP(mem_free_ptr) char *place = mem_printf("%s.steps[%zu]", at, i);
		rc = read_step(json_array_get(steps, i), place, &out->steps[out->count++], e);
	}
	if (rc < 0)
		return rc;
	qsort(out->steps, out->count, sizeof *out->steps, compare_steps);
	for (size_t i = 1; i < out->count; i++)
		if (strcmp(out->steps[i - 1].key, out->steps[i].key) == 0)
			return err_set(e, ERR_INTEGRITY, "%s.steps: a key is there twice", at);
	return 0;
}

static int read_settings(const json_t *o, const char *at, json_t **out, struct err *e)
{
	json_t *settings, *value;
	const char *key;
	int rc = json_get_object(o, at, "settings", &settings, e);
	if (rc < 0)
		return rc;
	bool fits = json_object_size(settings) <= MAX_SETTINGS;
	json_object_foreach (settings, key, value)
		fits = fits && json_is_string(value);
	if (!fits)
		return err_set(e, ERR_INTEGRITY, "%s.settings: not the settings of a mirror", at);
	*out = json_incref(settings);
	return 0;
}

static int read_shown(const json_t *o, const char *at, struct plan_file_mirror *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *place = mem_printf("%s.shows", at);
	json_t *shows;
	int state = RELEASE_NONE;
	int rc = json_get_object(o, at, "shows", &shows, e);
	if (rc == 0)
		rc = read_word(shows, place, "state", RELEASE_NONE, RELEASE_OTHER, state_name,
			       &state, e);
	if (rc == 0)
		rc = json_opt_u64(shows, place, "version", 0, &out->version, e);
	if (rc == 0)
		rc = read_text(shows, place, "etag", &out->etag, e);
	out->state = (enum release_state)state;
	return rc;
}

static int read_mirror(const json_t *o, const char *at, struct plan_file_mirror *out, struct err *e)
{
	const char *holds;
	int rc = read_text(o, at, "id", &out->id, e);
	if (rc == 0)
		rc = read_text(o, at, "kind", &out->kind, e);
	if (rc == 0)
		rc = read_text(o, at, "place", &out->place, e);
	if (rc == 0)
		rc = json_get_string(o, at, "holds", &holds, e);
	if (rc == 0 && !holds_parse(holds, &out->holds))
		rc = err_set(e, ERR_INTEGRITY, "%s.holds: unknown word", at);
	if (rc == 0)
		rc = json_opt_bool(o, at, "stage", false, &out->stage, e);
	if (rc == 0)
		rc = json_opt_bool(o, at, "examined", false, &out->examined, e);
	if (rc == 0)
		rc = read_settings(o, at, &out->settings, e);
	if (rc == 0)
		rc = read_shown(o, at, out, e);
	return rc < 0 ? rc : read_steps(o, at, out, e);
}

/* ---- the document ---------------------------------------------------------------- */

static int read_format(const json_t *o, struct err *e)
{
	const char *format;
	uint64_t version;
	int rc = json_get_string(o, "", "format", &format, e);
	if (rc == 0 && strcmp(format, PLAN_FILE_FORMAT) != 0)
		rc = err_set(e, ERR_INTEGRITY, "not a plan of `ferry push --plan`");
	if (rc == 0)
		rc = json_get_u64(o, "", "version", &version, e);
	if (rc == 0 && version != 1)
		rc = err_set(e, ERR_INTEGRITY,
			     "a plan of version %llu, which this program does "
			     "not know",
			     (unsigned long long)version);
	return rc;
}

static int read_only_list(const json_t *o, struct str_list *out, struct err *e)
{
	json_t *only;
	int rc = json_get_array(o, "", "only", PLAN_FILE_MAX_MIRRORS, &only, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(only); i++) {
		const char *name = json_string_value(json_array_get(only, i));
		if (!name)
			return err_set(e, ERR_INTEGRITY, "only[%zu]: not a string", i);
		str_list_add(out, name);
	}
	return rc;
}

static int read_head(const json_t *o, struct plan_file *out, struct err *e)
{
	const char *repository;
	int rc = read_format(o, e);
	if (rc == 0)
		rc = json_opt_string(o, "", "repository", &repository, e);
	if (rc == 0 && repository)
		out->repository = mem_strdup(repository);
	if (rc == 0)
		rc = json_get_u64(o, "", "release", &out->release, e);
	if (rc == 0)
		rc = json_get_hex(o, "", "timestamp_sha256", out->timestamp.bytes, DIGEST_SIZE, e);
	if (rc == 0 && json_object_get(o, "snapshot_sha256"))
		rc = json_get_hex(o, "", "snapshot_sha256", out->snapshot.bytes, DIGEST_SIZE, e);
	if (rc == 0)
		rc = json_get_u64(o, "", "quorum", &out->quorum, e);
	if (rc == 0)
		rc = json_opt_bool(o, "", "stage", false, &out->stage, e);
	if (rc == 0)
		rc = json_opt_bool(o, "", "recheck", false, &out->recheck, e);
	return rc < 0 ? rc : read_only_list(o, &out->only, e);
}

static int read_mirrors(const json_t *o, struct plan_file *out, struct err *e)
{
	json_t *mirrors;
	int rc = json_get_array(o, "", "mirrors", PLAN_FILE_MAX_MIRRORS, &mirrors, e);
	if (rc < 0)
		return rc;
	size_t n = json_array_size(mirrors);
	out->mirrors = mem_alloc((n + 1) * sizeof *out->mirrors);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		CLEANUP(mem_free_ptr) char *at = mem_printf("mirrors[%zu]", i);
		rc = read_mirror(json_array_get(mirrors, i), at, &out->mirrors[out->count++], e);
	}
	return rc;
}

int plan_file_parse(const void *data, size_t len, const char *what, struct plan_file *out,
		    struct err *e)
{
	static const struct json_limits limits = { .max_bytes = PLAN_FILE_MAX_BYTES,
						   .max_depth = 8 };
	CLEANUP(plan_file_release) struct plan_file p = { 0 };
	CLEANUP(json_release) json_t *json = NULL;
	int rc = json_parse(data, len, &limits, what, &json, e);
	if (rc < 0)
		return rc;
	rc = read_head(json, &p, e);
	if (rc == 0)
		rc = read_mirrors(json, &p, e);
	if (rc < 0)
		return err_context(e, "%s", what);
	*out = p;
	p = (struct plan_file){ 0 };
	return 0;
}

int plan_file_read(const char *path, struct plan_file *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(PLAN_FILE_MAX_BYTES);
	int rc = file_read_named(path, &text, e);
	if (rc == 0)
		rc = plan_file_parse(buf_str(&text), text.len, path, out, e);
	return rc == -ERR_INTEGRITY ? err_hint(e, "plans are written by `ferry push --plan`") : rc;
}
