/* Changes to the assets of releases. */
#include "mirror/github.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

void mirror_github_target_release(struct mirror_github_target *t)
{
	mem_free_ptr(&t->name);
	mem_free_ptr(&t->label);
}

void mirror_github_note_closed(struct mirror *m, const struct mirror_github_release *r)
{
	pthread_mutex_lock(&m->lock);
	if (!str_list_has(&m->closed, r->about.tag))
		str_list_add(&m->closed, r->about.tag);
	pthread_mutex_unlock(&m->lock);
}

int mirror_github_closed(struct mirror *m, const struct mirror_github_release *r, const char *why,
			 struct err *e)
{
	mirror_github_note_closed(m, r);
	err_set(e, ERR_CONFLICT, "the release %s %s", r->about.tag, why);
	return err_hint(e, "run `ferry catalog sign`, which gives what is missing there a further "
			   "release, then push again");
}

/* ---- comparing ------------------------------------------------------------------- */

static int hash_data(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)e;
	sha256_add(ctx, data, len);
	return 0;
}

int mirror_github_compare(struct mirror_connection *c, const struct github_asset *a,
			  const struct digest *want, bool *same, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/assets/%llu", (unsigned long long)a->id);
	struct github_request q = { .path = path, .download = true, .write = hash_data, .ctx = h };
	struct digest d = a->sha256;
	int rc = a->has_sha256 ? 0 : mirror_github_call(c, &q, NULL, e);
	if (rc < 0)
		return err_context(e, "reading it back");
	if (!a->has_sha256)
		sha256_final(h, &d);
	*same = digest_equal(&d, want);
	return 0;
}

/* ---- removing and renaming ---------------------------------------------------------- */

static int remove_path(struct mirror_connection *c, const char *path, struct err *e)
{
	struct github_request q = { .method = "DELETE", .path = path };
	struct err why = ERR_INIT;
	int rc = mirror_github_call(c, &q, NULL, &why);
	if (rc == 0 || rc == -ERR_NOT_FOUND)
		return 0;
	*e = why;
	return rc;
}

int mirror_github_remove_asset(struct mirror_connection *c, struct mirror_github_release *r,
			       uint64_t id, struct err *e)
{
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/assets/%llu", (unsigned long long)id);
	int rc = remove_path(c, path, e);
	if (rc == 0)
		mirror_github_forget_asset(r, id);
	return rc;
}

int mirror_github_remove_release(struct mirror_connection *c, struct mirror_github_release *r,
				 struct err *e)
{
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/%llu", (unsigned long long)r->about.id);
	int rc = remove_path(c, path, e);
	if (rc == 0)
		mirror_github_forget_release(c->mirror->state, r);
	return rc;
}

int mirror_github_rename_asset(struct mirror_connection *c, struct mirror_github_release *r,
			       uint64_t id, const char *name, struct err *e)
{
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(json_release) json_t *body = json_object();
	CLEANUP(github_asset_release) struct github_asset a = { 0 };
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/assets/%llu", (unsigned long long)id);
	struct github_request q = { .method = "PATCH", .path = path, .json = body, .answer = &o };
	json_put_string(body, "name", name);
	int rc = mirror_github_call(c, &q, NULL, e);
	if (rc == 0)
		rc = github_asset_parse(o, &a, e);
	if (rc == 0 && strcmp(a.name, name) != 0)
		rc = err_set(e, ERR_INTEGRITY, "GitHub gave the asset another name than %s", name);
	if (rc == 0)
		mirror_github_note_asset(r, &a);
	return rc;
}

struct removal {
	struct mirror_connection *c;
	struct mirror_github_release *release;
	const char *key;
	bool first; /* only what readers look for first */
};

static int remove_one(void *ctx, const struct github_asset *a, const struct github_name *n,
		      struct err *e)
{
	const struct removal *r = ctx;
	bool first = n->part <= 1 && !n->pending;
	if (strcmp(n->key, r->key) != 0 || first != r->first)
		return 0;
	return mirror_github_remove_asset(r->c, r->release, a->id, e);
}

/* From the first part on, so that nobody takes the rest for a complete object. */
int mirror_github_remove(struct mirror_connection *c, const char *key, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tag = mirror_github_tag(c->mirror, key);
	struct removal r = { .c = c, .key = key, .first = true };
	int rc = mirror_github_find(c, tag, &r.release, e);
	if (rc < 0 || !r.release)
		return rc;
	rc = mirror_github_each(c->mirror->state, r.release, remove_one, &r, e);
	r.first = false;
	if (rc == 0)
		rc = mirror_github_each(c->mirror->state, r.release, remove_one, &r, e);
	return rc;
}

/* ---- sending -------------------------------------------------------------------- */

static int post(struct mirror_connection *c, struct mirror_github_target *t,
		const struct http_request *body, char code[GITHUB_CODE], struct github_asset *out,
		struct err *e)
{
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(t->name, "");
	CLEANUP(mem_free_ptr) char *label = path_percent_encode(t->label, "");
	CLEANUP(mem_free_ptr)
	char *url = mem_printf("%s?name=%s&label=%s", t->release->about.upload_url, name, label);
	struct github_request q = {
		.method = "POST",
		.url = url,
		.body = body,
		.content_type = t->content_type ? t->content_type : "application/octet-stream",
		.once = true,
		.creates = true,
		.answer = &o,
		.code = code,
	};
	int rc = mirror_github_call(c, &q, NULL, e);
	return rc < 0 ? rc : github_asset_parse(o, out, e);
}

/* What was stored under our name, as GitHub says. */
static int verify(struct mirror_connection *c, struct mirror_github_target *t,
		  struct github_asset *a, struct err *e)
{
	bool same = false;
	int rc = 0;
	if (strcmp(a->name, t->name) != 0) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(a->name);
		rc = err_set(e, ERR_INTEGRITY, "GitHub renamed the asset to %.200s", shown);
	} else if (!a->uploaded) {
		rc = err_set(e, ERR_NETWORK, "GitHub has not completed the upload");
		err_cause(e, CAUSE_SERVER, 0);
	} else if (a->size == t->size) {
		rc = mirror_github_compare(c, a, &t->sha256, &same, e);
	}
	if (rc == 0 && !same)
		rc = err_set(e, ERR_INTEGRITY, "GitHub stored other bytes than were sent");
	struct err ignored = ERR_INIT;
	if (rc < 0 && rc != -ERR_CANCELLED)
		(void)!mirror_github_remove_asset(c, t->release, a->id, &ignored);
	else if (rc == 0)
		mirror_github_note_asset(t->release, a);
	return rc;
}

/* An asset has the name already, after our request failed. One that is not complete is of a request
 * of ours that failed, or somebody else is sending it now: what was there before was removed. */
static int settle(struct mirror_connection *c, struct mirror_github_target *t,
		  const struct github_asset *a, const struct err *why, struct err *e)
{
	bool same = false, taken = err_is(why, ERR_CONFLICT);
	int rc = 0;
	if (a->uploaded && a->size == t->size && t->is_hashed)
		rc = mirror_github_compare(c, a, &t->sha256, &same, e);
	if (rc < 0 || same)
		return rc;
	if (taken && a->uploaded)
		return err_set(e, ERR_CONFLICT,
			       "somebody else has put another file there under its name");
	if (taken && !t->failed)
		return err_set(e, ERR_CONFLICT, "somebody else is uploading it");
	rc = mirror_github_remove_asset(c, t->release, a->id, e);
	if (rc < 0)
		return rc;
	*e = *why;
	if (taken)
		err_class_set(e, ERR_NETWORK);
	return -(int)e->class;
}

/* Does the release take no more assets at all? */
static int judge_release(struct mirror_connection *c, struct mirror_github_release *r,
			 const char *code, const struct err *why, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/%llu", (unsigned long long)r->about.id);
	struct github_request q = { .path = path, .answer = &o };
	struct err now = ERR_INIT;
	int rc = mirror_github_call(c, &q, NULL, &now);
	if (rc == 0)
		rc = mirror_github_note_release(s, o, &now);
	if (rc == -ERR_NOT_FOUND) {
		mirror_github_forget_release(s, r);
		err_set(e, ERR_CONFLICT, "somebody has removed the release %s", r->about.tag);
		return err_hint(e, "push again");
	}
	if (rc == 0 && mirror_github_is_fixed(s, r))
		return mirror_github_closed(c->mirror, r, "is immutable", e);
	if (strcmp(code, "file_count") == 0)
		return mirror_github_closed(c->mirror, r, "is full", e);
	*e = *why;
	if (rc == 0 && err_is(why, ERR_NOT_FOUND)) {
		err_class_set(e, ERR_CONFLICT);
		err_hint(e, "another push has removed it while it was sent: push again when that "
			    "push has ended");
	}
	return -(int)e->class;
}

/* The answer may be lost, or say that the name is taken: what is there now decides. */
static int reconcile(struct mirror_connection *c, struct mirror_github_target *t, const char *code,
		     const struct err *why, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct github_asset a;
	t->failed |= err_is(why, ERR_NETWORK);
	bool worth_it = err_is(why, ERR_NETWORK) || err_is(why, ERR_CONFLICT) ||
			err_is(why, ERR_USAGE) || err_is(why, ERR_NOT_FOUND);
	if (!worth_it || why->cause == CAUSE_THROTTLED ||
	    mirror_github_assets(c, t->release, true, &ignored) < 0) {
		*e = *why;
		return -(int)e->class;
	}
	if (mirror_github_asset(t->release, t->name, &a))
		return settle(c, t, &a, why, e);
	return judge_release(c, t->release, code, why, e);
}

int mirror_github_send(struct mirror_connection *c, struct mirror_github_target *t,
		       const struct http_request *body, struct err *e)
{
	CLEANUP(github_asset_release) struct github_asset sent = { 0 };
	struct github_asset there;
	struct err why = ERR_INIT;
	char code[GITHUB_CODE];
	int rc = 0;
	if (mirror_github_asset(t->release, t->name, &there) && !there.uploaded)
		rc = mirror_github_remove_asset(c, t->release, there.id, e);
	if (rc < 0)
		return rc;
	rc = post(c, t, body, code, &sent, &why);
	return rc < 0 ? reconcile(c, t, code, &why, e) : verify(c, t, &sent, e);
}
