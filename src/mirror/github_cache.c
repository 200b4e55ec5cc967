/* What is known of the releases and their assets. */
#include "mirror/github.h"

#include "util/mem.h"

#include <string.h>

/* Each release of the list contains its assets and notes. */
#define LIST_RELEASES "/releases?per_page=30"
#define MAX_RELEASES 10000

int mirror_github_call(struct mirror_connection *c, const struct github_request *q,
		       struct http_response *r, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	c->mirror->requests++;
	return github_call(c->state, &s->place, q, r, e);
}

char *mirror_github_tag(const struct mirror *m, const char *key)
{
	const struct mirror_github *s = m->state;
	return github_name_tag(s->tag, key, (unsigned)places_release_of(m->places, key));
}

/* ---- releases ------------------------------------------------------------------- */

/* With the lock. Of several drafts of one tag the oldest counts: two publishers may have made one
 * each. */
static struct mirror_github_release *known(const struct mirror_github *s, const char *tag)
{
	struct mirror_github_release *best = NULL;
	for (size_t i = 0; i < s->count; i++) {
		struct mirror_github_release *r = s->releases[i];
		if (r->gone || strcmp(r->about.tag, tag) != 0)
			continue;
		bool better = !best || (best->about.draft && !r->about.draft) ||
			      (best->about.draft == r->about.draft && r->about.id < best->about.id);
		best = better ? r : best;
	}
	return best;
}

/* With the lock. */
static struct mirror_github_release *with_id(const struct mirror_github *s, uint64_t id)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->releases[i]->about.id == id && !s->releases[i]->gone)
			return s->releases[i];
	return NULL;
}

/* With the lock. */
static void note(struct mirror_github *s, struct github_release *about)
{
	struct mirror_github_release *r = with_id(s, about->id);
	if (r && strcmp(r->about.tag, about->tag) == 0) {
		r->about.draft = about->draft;
		r->about.immutable = about->immutable;
		github_release_release(about);
		return;
	}
	if (r)
		r->gone = true;
	r = NEW(struct mirror_github_release);
	pthread_mutex_init(&r->lock, NULL);
	r->about = *about;
	s->releases = mem_grow(s->releases, s->count, &s->cap, sizeof *s->releases);
	s->releases[s->count++] = r;
}

/* Others may still have it: it is only taken out of sight. */
void mirror_github_forget_release(struct mirror_github *s, struct mirror_github_release *r)
{
	pthread_mutex_lock(&s->lock);
	r->gone = true;
	pthread_mutex_unlock(&s->lock);
}

bool mirror_github_is_draft(struct mirror_github *s, const struct mirror_github_release *r)
{
	pthread_mutex_lock(&s->lock);
	bool is = r->about.draft;
	pthread_mutex_unlock(&s->lock);
	return is;
}

bool mirror_github_is_fixed(struct mirror_github *s, const struct mirror_github_release *r)
{
	pthread_mutex_lock(&s->lock);
	bool is = r->about.immutable && !r->about.draft;
	pthread_mutex_unlock(&s->lock);
	return is;
}

bool mirror_github_is_used(struct mirror_github *s, const struct mirror_github_release *r)
{
	pthread_mutex_lock(&s->lock);
	bool is = known(s, r->about.tag) == r;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static int on_release(void *ctx, const json_t *item, struct err *e)
{
	struct mirror_github *s = ctx;
	struct github_release about = { 0 };
	unsigned number;
	const char *tag = json_text(item, "tag_name");
	if (!tag || !github_name_is_tag(s->tag, tag, &number))
		return 0;
	if (s->count >= MAX_RELEASES)
		return err_set(e, ERR_INTEGRITY, "the repository has too many releases");
	int rc = github_release_parse(item, &about, e);
	if (rc == 0)
		note(s, &about);
	return rc;
}

int mirror_github_note_release(struct mirror_github *s, const json_t *o, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	int rc = on_release(s, o, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* With the lock: drafts are only in the list of all. */
static int list_all(struct mirror_connection *c, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	if (s->listed)
		return 0;
	c->mirror->requests++;
	int rc = github_pages(c->state, &s->place, LIST_RELEASES, on_release, s, e);
	s->listed = rc == 0;
	return rc < 0 ? err_context(e, "listing the releases") : 0;
}

/* With the lock: one that is published. */
static int ask_for(struct mirror_connection *c, const char *tag, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(mem_free_ptr) char *path = mem_printf("/releases/tags/%s", tag);
	struct github_request q = { .path = path, .answer = &o };
	struct err why = ERR_INIT;
	if (known(s, tag))
		return 0;
	int rc = mirror_github_call(c, &q, NULL, &why);
	if (rc == 0)
		return on_release(s, o, e);
	if (rc != -ERR_NOT_FOUND)
		*e = why;
	return rc == -ERR_NOT_FOUND ? 0 : rc;
}

int mirror_github_find(struct mirror_connection *c, const char *tag,
		       struct mirror_github_release **out, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	pthread_mutex_lock(&s->lock);
	int rc = s->writes ? list_all(c, e) : ask_for(c, tag, e);
	struct mirror_github_release *r = rc == 0 ? known(s, tag) : NULL;
	pthread_mutex_unlock(&s->lock);
	if (rc == 0 && r)
		rc = mirror_github_assets(c, r, false, e);
	if (rc == 0)
		*out = r;
	return rc;
}

int mirror_github_all(struct mirror_connection *c, struct mirror_github_release ***out,
		      size_t *count, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	pthread_mutex_lock(&s->lock);
	int rc = list_all(c, e);
	if (rc == 0) {
		*out = mem_alloc((s->count + 1) * sizeof **out);
		*count = 0;
		for (size_t i = 0; i < s->count; i++)
			if (!s->releases[i]->gone)
				(*out)[(*count)++] = s->releases[i];
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* With the lock. If the answer is lost, the list is read again: the draft may be there. */
static int create(struct mirror_connection *c, const char *tag, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	CLEANUP(json_release) json_t *o = NULL;
	CLEANUP(json_release) json_t *body = json_object();
	struct github_request q = { .method = "POST",
				    .path = "/releases",
				    .json = body,
				    .once = true,
				    .creates = true,
				    .answer = &o };
	json_put_string(body, "tag_name", tag);
	json_put_string(body, "name", tag);
	json_put_bool(body, "draft", true);
	int rc = mirror_github_call(c, &q, NULL, e);
	if (rc == 0)
		rc = on_release(s, o, e);
	if (rc < 0)
		s->listed = false;
	return rc < 0 ? err_context(e, "making the release %s", tag) : 0;
}

int mirror_github_create(struct mirror_connection *c, const char *tag,
			 struct mirror_github_release **out, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	pthread_mutex_lock(&s->lock);
	int rc = list_all(c, e);
	if (rc == 0 && !known(s, tag))
		rc = create(c, tag, e);
	struct mirror_github_release *r = rc == 0 ? known(s, tag) : NULL;
	pthread_mutex_unlock(&s->lock);
	if (rc == 0 && !r)
		rc = err_set(e, ERR_INTEGRITY, "GitHub made a release with another tag than %s",
			     tag);
	if (rc == 0)
		rc = mirror_github_assets(c, r, false, e);
	if (rc == 0)
		*out = r;
	return rc;
}

/* ---- assets --------------------------------------------------------------------- */

/* With the lock. */
static void drop_assets(struct mirror_github_release *r)
{
	for (size_t i = 0; i < r->count; i++)
		github_asset_release(&r->assets[i]);
	r->count = 0;
}

static int on_asset(void *ctx, const json_t *item, struct err *e)
{
	struct mirror_github_release *r = ctx;
	struct github_asset a = { 0 };
	int rc = github_asset_parse(item, &a, e);
	if (rc < 0)
		return rc;
	r->assets = mem_grow(r->assets, r->count, &r->cap, sizeof *r->assets);
	r->assets[r->count++] = a;
	return 0;
}

int mirror_github_assets(struct mirror_connection *c, struct mirror_github_release *r, bool again,
			 struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/%llu/assets?per_page=100",
				(unsigned long long)r->about.id);
	int rc = 0;
	pthread_mutex_lock(&r->lock);
	if (!r->listed || again) {
		drop_assets(r);
		c->mirror->requests++;
		rc = github_pages(c->state, &s->place, path, on_asset, r, e);
		r->listed = rc == 0;
	}
	pthread_mutex_unlock(&r->lock);
	return rc < 0 ? err_context(e, "listing the assets of release %s", r->about.tag) : 0;
}

bool mirror_github_asset(struct mirror_github_release *r, const char *name,
			 struct github_asset *out)
{
	bool found = false;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count && !found; i++) {
		found = strcmp(r->assets[i].name, name) == 0;
		if (found)
			*out = r->assets[i];
	}
	pthread_mutex_unlock(&r->lock);
	if (found)
		out->name = out->label = NULL;
	return found;
}

/* With the lock. */
static void forget(struct mirror_github_release *r, uint64_t id)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->assets[i].id != id)
			continue;
		github_asset_release(&r->assets[i]);
		r->assets[i--] = r->assets[--r->count];
	}
}

void mirror_github_note_asset(struct mirror_github_release *r, struct github_asset *a)
{
	pthread_mutex_lock(&r->lock);
	forget(r, a->id);
	r->assets = mem_grow(r->assets, r->count, &r->cap, sizeof *r->assets);
	r->assets[r->count++] = *a;
	r->changed = true;
	pthread_mutex_unlock(&r->lock);
	*a = (struct github_asset){ 0 };
}

void mirror_github_forget_asset(struct mirror_github_release *r, uint64_t id)
{
	pthread_mutex_lock(&r->lock);
	forget(r, id);
	pthread_mutex_unlock(&r->lock);
}
