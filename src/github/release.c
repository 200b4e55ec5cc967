#include "github/release.h"

#include "util/mem.h"
#include "util/text.h"

#include <string.h>

static int get_text(const json_t *o, const char *key, char **out, struct err *e)
{
	const char *text;
	int rc = json_get_string(o, "", key, &text, e);
	if (rc == 0 && (!*text || strlen(text) > GITHUB_MAX_TEXT))
		rc = err_set(e, ERR_INTEGRITY, "%s: is empty or too long", key);
	if (rc == 0)
		*out = mem_strdup(text);
	return rc;
}

static int64_t get_time(const json_t *o, const char *key)
{
	const char *text = json_text(o, key);
	int64_t time_s;
	return text && parse_time(text, &time_s) ? time_s : 0;
}

/* -- assets ----------------------------------------------------------------------- */

void github_asset_release(struct github_asset *a)
{
	free(a->name);
	free(a->label);
	*a = (struct github_asset){ 0 };
}

/* Other algorithms than SHA-256 may come. */
static void take_digest(struct github_asset *a, const char *text)
{
	if (text && str_starts(text, "sha256:"))
		a->has_sha256 = digest_parse(&a->sha256, text + strlen("sha256:"));
}

int github_asset_parse(const json_t *o, struct github_asset *out, struct err *e)
{
	CLEANUP(github_asset_release) struct github_asset a = { 0 };
	int rc = json_get_u64(o, "", "id", &a.id, e);
	if (rc == 0)
		rc = get_text(o, "name", &a.name, e);
	if (rc == 0)
		rc = json_get_u64(o, "", "size", &a.size, e);
	if (rc == 0)
		rc = json_opt_u64(o, "", "download_count", 0, &a.downloads, e);
	if (rc < 0)
		return err_context(e, "an asset");
	const char *label = json_text(o, "label"), *state = json_text(o, "state");
	if (label && *label && strlen(label) <= GITHUB_MAX_TEXT)
		a.label = mem_strdup(label);
	a.uploaded = state && strcmp(state, "uploaded") == 0;
	take_digest(&a, json_text(o, "digest"));
	a.created_s = get_time(o, "created_at");
	a.updated_s = get_time(o, "updated_at");
	*out = a;
	a = (struct github_asset){ 0 };
	return 0;
}

/* -- releases --------------------------------------------------------------------- */

void github_release_release(struct github_release *r)
{
	free(r->tag);
	free(r->upload_url);
	free(r->notes);
	*r = (struct github_release){ 0 };
}

int github_release_parse(const json_t *o, struct github_release *out, struct err *e)
{
	CLEANUP(github_release_release) struct github_release r = { 0 };
	int rc = json_get_u64(o, "", "id", &r.id, e);
	if (rc == 0)
		rc = get_text(o, "tag_name", &r.tag, e);
	if (rc == 0)
		rc = get_text(o, "upload_url", &r.upload_url, e);
	if (rc < 0)
		return err_context(e, "a release");
	const char *notes = json_text(o, "body");
	r.upload_url[strcspn(r.upload_url, "{")] = '\0';
	r.notes = notes ? mem_strdup(notes) : NULL;
	r.draft = json_flag(o, "draft");
	r.immutable = json_flag(o, "immutable");
	r.created_s = get_time(o, "created_at");
	*out = r;
	r = (struct github_release){ 0 };
	return 0;
}
