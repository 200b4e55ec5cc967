/* Drafts become releases, with notes. */
#include "mirror/github.h"

#include "util/mem.h"

#include <string.h>

/* What a release says about itself. */
struct words {
	const char *title, *notes;
};

static bool has_complete(struct mirror_github *s, struct mirror_github_release *r)
{
	bool found = false;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count && !found; i++) {
		const struct github_asset *a = &r->assets[i];
		CLEANUP(github_name_release) struct github_name n = { 0 };
		found = a->uploaded &&
			github_name_parse(s->tag, r->about.tag, a->name, a->label, &n) &&
			!n.pending && n.part <= 1;
	}
	pthread_mutex_unlock(&r->lock);
	return found;
}

/* ---- which words ------------------------------------------------------------------ */

static bool has_tag(const struct mirror_connection *c, const struct mirror_file *files,
		    size_t count, const char *tag)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(mem_free_ptr) char *its = mirror_github_tag(c->mirror, files[i].key);
		if (strcmp(its, tag) == 0)
			return true;
	}
	return false;
}

/* The model whose objects are there; else the words of the repository. */
static struct words words_for(const struct mirror_connection *c, const struct mirror_publication *p,
			      const char *tag)
{
	for (size_t i = 0; i < p->model_count; i++) {
		const struct mirror_model *m = &p->models[i];
		if (has_tag(c, m->files, m->file_count, tag))
			return (struct words){ m->card->title, m->notes };
	}
	return (struct words){ p->title ? p->title : p->name, NULL };
}

/* ---- one release ------------------------------------------------------------------- */

/* A tag that an immutable release had once cannot be used again. */
static int judge(struct mirror_connection *c, const struct mirror_github_release *r,
		 const char *code, const struct err *why, struct err *e)
{
	*e = *why;
	if (err_is(e, ERR_CONFLICT))
		return err_hint(e, "another publisher has published a release with this tag: push "
				   "again, then `ferry mirror cleanup` removes the draft");
	if (!err_is(e, ERR_USAGE) || strcmp(code, "tag_name") != 0)
		return -(int)e->class;
	err_clear(e);
	mirror_github_closed(c->mirror, r, "cannot be published", e);
	return err_context(e, "%.300s", why->text);
}

static int update(struct mirror_connection *c, struct mirror_github_release *r,
		  const struct words *w, struct err *e)
{
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(json_release) json_t *body = json_object();
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/%llu", (unsigned long long)r->about.id);
	char code[GITHUB_CODE];
	struct github_request q = {
		.method = "PATCH", .path = path, .json = body, .answer = &o, .code = code
	};
	struct err why = ERR_INIT;
	json_put_bool(body, "draft", false);
	json_put_string(body, "make_latest", "false");
	json_put_string(body, "name", w->title && *w->title ? w->title : r->about.tag);
	if (w->notes)
		json_put_string(body, "body", w->notes);
	int rc = mirror_github_call(c, &q, NULL, &why);
	if (rc < 0)
		return judge(c, r, code, &why, e);
	return mirror_github_note_release(c->mirror->state, o, e);
}

/* Counts the files that go there. */
static int look(struct mirror_connection *c, const struct mirror_file *files, size_t count,
		const char *tag, size_t *there, size_t *missing, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
		CLEANUP(mem_free_ptr) char *its = mirror_github_tag(c->mirror, files[i].key);
		if (strcmp(its, tag) != 0)
			continue;
		rc = mirror_github_object(c, files[i].key, &o, e);
		*(o.count ? there : missing) += 1;
	}
	return rc;
}

/* After a push of some objects only, others of the draft may be missing or unfinished: then it
 * stays a draft. So does one that has none of the files. */
static int is_whole(struct mirror_connection *c, const struct mirror_publication *p,
		    const char *tag, bool *whole, struct err *e)
{
	size_t there = 0, missing = 0;
	int rc = look(c, p->others, p->other_count, tag, &there, &missing, e);
	for (size_t i = 0; rc == 0 && i < p->model_count; i++)
		rc = look(c, p->models[i].files, p->models[i].file_count, tag, &there, &missing, e);
	*whole = there && !missing;
	return rc;
}

static int publish_one(struct mirror_connection *c, const struct mirror_publication *p,
		       struct mirror_github_release *r, struct mirror_findings *out, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	bool draft = mirror_github_is_draft(s, r);
	bool whole = true;
	int rc = 0;
	/* Another publisher's draft, or ours that another one was faster than. */
	if (!mirror_github_is_used(s, r))
		return 0;
	if (draft)
		rc = mirror_github_assets(c, r, false, e);
	if (rc < 0 || (!draft && !r->changed) || (draft && !has_complete(s, r)))
		return rc;
	if (draft && p->partial)
		rc = is_whole(c, p, r->about.tag, &whole, e);
	if (rc < 0 || !whole)
		return rc;
	struct words w = words_for(c, p, r->about.tag);
	rc = update(c, r, &w, e);
	if (rc < 0)
		return err_context(e, "publishing the release %s", r->about.tag);
	pthread_mutex_lock(&r->lock);
	r->changed = false;
	pthread_mutex_unlock(&r->lock);
	/* So that the next signature places what is new elsewhere, before a push fails. */
	if (mirror_github_is_fixed(s, r))
		mirror_github_note_closed(c->mirror, r);
	mirror_findings_add(out, "release", MIRROR_FINDING_CHANGED, "%s %s", r->about.tag,
			    draft ? "published" : "has new assets");
	return 0;
}

int mirror_github_publish(struct mirror_connection *c, const struct mirror_publication *p,
			  struct mirror_findings *out, struct err *e)
{
	CLEANUP(mem_free_ptr) struct mirror_github_release **all = NULL;
	size_t count = 0;
	if (p->shown || p->staged)
		return 0;
	int rc = mirror_github_all(c, &all, &count, e);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = publish_one(c, p, all[i], out, e);
	return rc;
}
