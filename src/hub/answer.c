#include "hub/answer.h"

#include "util/mem.h"
#include "util/path.h"

#include <stdlib.h>
#include <string.h>

void hub_model_release(struct hub_model *m)
{
	free(m->repo);
	json_release(&m->card);
	*m = (struct hub_model){ 0 };
}

void hub_files_release(struct hub_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->at[i].path);
	free(f->at);
	*f = (struct hub_files){ 0 };
}

/* ---- the model ---------------------------------------------------------------------- */

static int take_model(const json_t *json, struct hub_model *m, struct err *e)
{
	const char *repo, *commit;
	int rc = json_get_string(json, "", "id", &repo, e);
	if (rc == 0)
		rc = json_get_string(json, "", "sha", &commit, e);
	if (rc < 0)
		return rc;
	if (!hub_name_is_repo(repo) || !hub_name_is_commit(commit))
		return err_set(e, ERR_INTEGRITY, "no repository and commit");
	m->repo = mem_strdup(repo);
	memcpy(m->commit, commit, sizeof m->commit);
	json_t *card = json_object_get(json, "cardData");
	m->card = json_is_object(card) ? json_incref(card) : NULL;
	return 0;
}

int hub_answer_model(const char *text, size_t len, const char *what, struct hub_model *out,
		     struct err *e)
{
	CLEANUP(json_release) json_t *json = NULL;
	CLEANUP(hub_model_release) struct hub_model m = { 0 };
	int rc = json_lenient(text, len, HUB_ANSWER_MAX, what, &json, e);
	if (rc < 0)
		return rc;
	if (take_model(json, &m, e) < 0)
		return err_context(e, "%s", what);
	*out = m;
	m = (struct hub_model){ 0 };
	return 0;
}

/* ---- the files ---------------------------------------------------------------------- */

static int take_lfs(const json_t *lfs, struct hub_file *f, struct err *e)
{
	uint64_t size;
	int rc = json_get_hex(lfs, "lfs", "oid", f->sha256.bytes, DIGEST_SIZE, e);
	if (rc == 0)
		rc = json_get_u64(lfs, "lfs", "size", &size, e);
	if (rc == 0 && size != f->size)
		rc = err_set(e, ERR_INTEGRITY, "two sizes");
	f->lfs = true;
	return rc;
}

static int take_file(const json_t *entry, struct hub_files *out, struct err *e)
{
	struct hub_file f = { 0 };
	const char *path;
	json_t *lfs;
	int rc = json_get_string(entry, "", "path", &path, e);
	if (rc < 0 || !path_is_key(path))
		return rc;
	rc = json_get_u64(entry, "", "size", &f.size, e);
	if (rc == 0)
		rc = json_opt_object(entry, "", "lfs", &lfs, e);
	if (rc == 0)
		rc = lfs ? take_lfs(lfs, &f, e)
			 : json_get_hex(entry, "", "oid", f.blob, sizeof f.blob, e);
	if (rc < 0)
		return rc;
	if (out->count == HUB_FILES_MAX)
		return err_set(e, ERR_INTEGRITY, "more than %d files", HUB_FILES_MAX);
	f.path = mem_strdup(path);
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = f;
	return 0;
}

int hub_answer_files(const char *text, size_t len, const char *what, struct hub_files *out,
		     struct err *e)
{
	CLEANUP(json_release) json_t *json = NULL;
	const json_t *entry;
	size_t i;
	int rc = json_lenient(text, len, HUB_ANSWER_MAX, what, &json, e);
	if (rc < 0)
		return rc;
	if (!json_is_array(json))
		return err_set(e, ERR_INTEGRITY, "%s: not a list", what);
	json_array_foreach (json, i, entry) {
		const char *type = json_string_value(json_object_get(entry, "type"));
		if (type && strcmp(type, "file") == 0 && take_file(entry, out, e) < 0)
			return err_context(e, "%s: entry %zu", what, i + 1);
	}
	return 0;
}

/* ---- pages -------------------------------------------------------------------------- */

/* The parameters behind one link, up to the next one, say that it is the next page. */
static bool is_next(const char *parameters, size_t len)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup(parameters, len);
	return strstr(text, "rel=\"next\"") || strstr(text, "rel=next");
}

char *hub_answer_next(const char *link)
{
	for (const char *p = strchr(link, '<'); p; p = strchr(p + 1, '<')) {
		const char *end = strchr(p, '>');
		if (!end)
			return NULL;
		const char *after = end + strcspn(end, "<");
		const char *query = memchr(p, '?', (size_t)(end - p));
		if (query && is_next(end, (size_t)(after - end)))
			return mem_strndup(query + 1, (size_t)(end - query - 1));
		p = end;
	}
	return NULL;
}
