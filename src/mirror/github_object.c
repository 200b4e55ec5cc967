/* An object as its assets: reading. */
#include "mirror/github.h"

#include "http/url.h"
#include "mirror/web.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- finding it ------------------------------------------------------------------ */

void mirror_github_object_release(struct mirror_github_object *o)
{
	free(o->parts);
	*o = (struct mirror_github_object){ 0 };
}

static bool add_part(struct mirror_github_object *o, const char *name)
{
	struct github_asset a;
	if (!mirror_github_asset(o->release, name, &a) || !a.uploaded)
		return false;
	o->parts[o->count++] = a;
	o->size += a.size;
	return true;
}

/* The first part gets its name when all others are there. */
static void add_parts(struct mirror_github_object *o, const char *key)
{
	CLEANUP(mem_free_ptr) char *whole = github_name_asset(key, 0);
	bool more = true;
	o->parts = mem_alloc((GITHUB_NAME_MAX_ASSETS + 1) * sizeof *o->parts);
	o->whole = add_part(o, whole);
	for (unsigned n = 1; more && !o->whole && n <= GITHUB_NAME_MAX_ASSETS; n++) {
		CLEANUP(mem_free_ptr) char *name = github_name_asset(key, n);
		more = add_part(o, name);
	}
}

int mirror_github_object(struct mirror_connection *c, const char *key,
			 struct mirror_github_object *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *tag = mirror_github_tag(c->mirror, key);
	struct mirror_github_release *r = NULL;
	int rc = mirror_github_find(c, tag, &r, e);
	if (rc < 0)
		return rc;
	*out = (struct mirror_github_object){ .release = r };
	if (r)
		add_parts(out, key);
	return 0;
}

/* ---- stat ----------------------------------------------------------------------- */

void mirror_github_fill_stat(const struct mirror_github_object *o, struct mirror_stat *out)
{
	*out = (struct mirror_stat){ .size = o->size };
	for (size_t i = 0; i < o->count; i++)
		out->modified_s = MAX(out->modified_s, o->parts[i].updated_s);
	snprintf(out->etag, sizeof out->etag, "%llu", (unsigned long long)o->parts[0].id);
	out->has_sha256 = o->count == 1 && o->parts[0].has_sha256;
	if (out->has_sha256)
		out->sha256 = o->parts[0].sha256;
}

static int not_found(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "not found");
}

int mirror_github_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		       struct err *e)
{
	CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
	int rc = mirror_github_object(c, key, &o, e);
	if (rc == 0 && !o.count)
		rc = not_found(e);
	if (rc == 0)
		mirror_github_fill_stat(&o, out);
	return rc;
}

/* ---- get ------------------------------------------------------------------------ */

/* One request: a part of one asset. */
struct fetch {
	const struct mirror_github_object *object;
	const char *key;
	unsigned part; /* 0: whole */
	uint64_t id;
	struct mirror_range range;
	const struct mirror_sink *sink;
	bool delivered;
};

static int on_data(void *ctx, const void *data, size_t len, struct err *e)
{
	struct fetch *f = ctx;
	f->delivered = true;
	return f->sink->write(f->sink->ctx, data, len, e);
}

/* A link that is signed for a few minutes: it is asked for anew each time. */
static int through_api(struct mirror_connection *c, struct fetch *f, struct err *e)
{
	CLEANUP(mem_free_ptr)
	char *path = mem_printf("/releases/assets/%llu", (unsigned long long)f->id);
	struct github_request q = {
		.path = path,
		.download = true,
		.offset = f->range.offset,
		.length = f->range.length == UINT64_MAX ? 0 : f->range.length,
		.deadline_ms = f->range.deadline_ms,
		.cancel = f->range.cancel,
		.write = on_data,
		.ctx = f,
	};
	return mirror_github_call(c, &q, NULL, e);
}

static bool is_public(struct mirror *m, const struct mirror_github_release *r)
{
	struct mirror_github *s = m->state;
	pthread_mutex_lock(&s->lock);
	bool is = m->url && !s->is_private && !r->about.draft && !r->gone;
	pthread_mutex_unlock(&s->lock);
	return is;
}

static int through_url(struct mirror_connection *c, struct fetch *f, struct err *e)
{
	CLEANUP(mem_free_ptr) char *asset = github_name_asset(f->key, f->part);
	CLEANUP(mem_free_ptr) char *at = mem_printf("%s/%s", f->object->release->about.tag, asset);
	CLEANUP(mem_free_ptr) char *url = url_join(c->mirror->url, at);
	struct web_file file = { .url = url };
	struct mirror_sink sink = { .write = on_data, .ctx = f };
	c->mirror->requests++;
	return web_get(c, &file, &f->range, &sink, e);
}

/* Public files cost nothing of the limit of requests; private ones need the token. */
static int fetch(struct mirror_connection *c, struct fetch *f, struct err *e)
{
	struct mirror_github *s = c->mirror->state;
	struct err why = ERR_INIT;
	if (!is_public(c->mirror, f->object->release))
		return through_api(c, f, e);
	int rc = through_url(c, f, &why);
	if (rc != -ERR_NOT_FOUND || f->delivered || !s->place.token) {
		*e = why;
		return rc;
	}
	rc = through_api(c, f, e);
	pthread_mutex_lock(&s->lock);
	s->is_private |= rc == 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* The bytes of the range that are in a part which begins at `at`. */
static bool overlap(const struct mirror_range *r, uint64_t at, uint64_t size,
		    struct mirror_range *out)
{
	uint64_t end = r->length == UINT64_MAX ? UINT64_MAX : r->offset + r->length;
	uint64_t first = MAX(r->offset, at), last = MIN(end, at + size);
	if (first >= last)
		return false;
	*out = (struct mirror_range){ .key = r->key,
				      .offset = first - at,
				      .length = last - first,
				      .deadline_ms = r->deadline_ms,
				      .cancel = r->cancel };
	return true;
}

static int check_range(const struct mirror_range *r, uint64_t size, struct err *e)
{
	uint64_t end = r->length == UINT64_MAX ? r->offset : r->offset + r->length;
	if (end <= size)
		return 0;
	return err_set(e, ERR_INTEGRITY, "has only %llu bytes, nothing at byte %llu",
		       (unsigned long long)size, (unsigned long long)MAX(size, r->offset));
}

int mirror_github_get(struct mirror_connection *c, const struct mirror_range *r,
		      const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
	uint64_t at = 0;
	int rc = mirror_github_object(c, r->key, &o, e);
	if (rc == 0 && !o.count)
		rc = not_found(e);
	if (rc == 0)
		rc = check_range(r, o.size, e);
	for (size_t i = 0; rc == 0 && i < o.count; at += o.parts[i++].size) {
		struct fetch f = { .object = &o, .key = r->key, .id = o.parts[i].id, .sink = sink };
		f.part = o.whole ? 0 : (unsigned)i + 1;
		if (overlap(r, at, o.parts[i].size, &f.range))
			rc = fetch(c, &f, e);
	}
	return rc;
}
