#include "mirror/mirror.h"

#include "http/url.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* -- opening --------------------------------------------------------------------- */

static const struct mirror_ops *kind_of(const struct mirror_ops *const *kinds, const char *name)
{
	for (; *kinds; kinds++)
		if (strcmp((*kinds)->kind, name) == 0)
			return *kinds;
	return NULL;
}

static struct mirror *mirror_new(const struct mirror_ops *ops, const char *id)
{
	struct mirror *m = NEW(struct mirror);
	m->ops = ops;
	m->id = mem_strdup(id);
	m->priority = 50;
	return m;
}

void mirror_close(struct mirror *m)
{
	if (!m)
		return;
	if (m->state)
		m->ops->close(m);
	free(m->id);
	free(m->url);
	free(m->region);
	free(m);
}

int mirror_open_url(const struct mirror_ops *const *kinds, const char *id, const char *url,
		    struct mirror **out, struct err *e)
{
	bool web = str_starts(url, "http://") || str_starts(url, "https://");
	const char *kind = web ? "http" : str_starts(url, "file:") ? "file" : "";
	const struct mirror_ops *ops = kind_of(kinds, kind);
	if (!ops) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url);
		err_set(e, ERR_USAGE, "'%.100s' is not a URL that can be read here", shown);
		if (strcmp(id, url) != 0)
			err_context(e, "mirror %s", id);
		return err_hint(e, "use a file://, http:// or https:// URL");
	}
	CLEANUP_PTR(mirror_close) struct mirror *m = mirror_new(ops, id);
	m->url = mem_strdup(url);
	if (ops->open(m, NULL, NULL, e) < 0)
		return err_context(e, "mirror %s", id);
	m->caps.can &= ~(unsigned)(MIRROR_CAN_WRITE | MIRROR_CAN_COPY | MIRROR_CAN_CREATE_ONLY |
				   MIRROR_CAN_REPLACE_IF);
	*out = STEAL(m);
	return 0;
}

/* -- calls ----------------------------------------------------------------------- */

static int check(struct mirror *m, const char *key, bool able, const char *verb, struct err *e)
{
	if (!able)
		return err_set(e, ERR_USAGE, "mirror %s: a mirror of kind %s cannot %s here", m->id,
			       m->ops->kind, verb);
	if (key && !path_is_key(key)) {
		CLEANUP(mem_free_ptr) char *shown = text_escaped(key);
		return err_set(e, ERR_USAGE, "mirror %s: '%.200s' cannot be an object's key", m->id,
			       shown);
	}
	return 0;
}

static int done(const struct mirror *m, const char *key, int rc, struct err *e)
{
	if (rc < 0)
		err_context(e, "%s", key);
	return rc < 0 ? err_context(e, "mirror %s", m->id) : 0;
}

int mirror_stat_key(struct mirror *m, const char *key, struct mirror_stat *out, struct err *e)
{
	struct mirror_stat st = { 0 };
	int rc = check(m, key, m->ops->stat, "tell an object's size", e);
	if (rc < 0)
		return rc;
	rc = m->ops->stat(m, key, &st, e);
	if (rc == 0 && out)
		*out = st;
	return done(m, key, rc, e);
}

/* Counts, so that no kind can pass off a part as the whole. */
struct counted {
	const struct mirror_sink *sink;
	uint64_t got;
};

static int counted_write(void *ctx, const void *data, size_t len, struct err *e)
{
	struct counted *c = ctx;
	c->got += len;
	return c->sink->write(c->sink->ctx, data, len, e);
}

int mirror_get(struct mirror *m, const char *key, uint64_t offset, uint64_t len,
	       const struct mirror_sink *sink, struct err *e)
{
	int rc = check(m, key, m->ops->get, "be read", e);
	if (rc < 0 || len == 0)
		return rc;
	struct counted c = { .sink = sink };
	struct mirror_sink counting = { .write = counted_write, .ctx = &c };
	uint64_t end;
	if (len != UINT64_MAX && !add_u64(offset, len, &end))
		rc = err_set(e, ERR_INTEGRITY, "a range past any end");
	else
		rc = m->ops->get(m, key, offset, len, &counting, e);
	if (rc == 0 && len != UINT64_MAX && c.got != len)
		rc = err_set(e, ERR_INTEGRITY, "gave %llu bytes where %llu were asked",
			     (unsigned long long)c.got, (unsigned long long)len);
	return done(m, key, rc, e);
}

static int into_buf(void *ctx, const void *data, size_t len, struct err *e)
{
	struct buf *b = ctx;
	buf_add(b, data, len);
	return buf_ok(b, "the object", e);
}

int mirror_get_small(struct mirror *m, const char *key, struct buf *out, struct err *e)
{
	buf_clear(out);
	return mirror_get(m, key, 0, UINT64_MAX,
			  &(struct mirror_sink){ .write = into_buf, .ctx = out }, e);
}

int mirror_put(struct mirror *m, const char *key, const struct mirror_body *body,
	       const struct mirror_put *how, struct mirror_stat *out, struct err *e)
{
	static const struct mirror_put plain = { 0 };
	struct mirror_stat st = { 0 };
	if (!how)
		how = &plain;
	unsigned can = m->caps.can;
	bool able = m->ops->put && (can & MIRROR_CAN_WRITE);
	int rc = check(m, key, able, "be written to", e);
	if (rc == 0 && how->only_if_absent)
		rc = check(m, key, can & MIRROR_CAN_CREATE_ONLY, "create without replacing", e);
	if (rc == 0 && how->only_if_etag)
		rc = check(m, key, can & MIRROR_CAN_REPLACE_IF, "replace on a condition", e);
	if (rc < 0)
		return rc;
	if (m->caps.max_object && body->grid.size > m->caps.max_object) {
		rc = err_set(e, ERR_USAGE, "of %llu bytes is larger than the %llu that fit there",
			     (unsigned long long)body->grid.size,
			     (unsigned long long)m->caps.max_object);
		return done(m, key, rc, e);
	}
	rc = m->ops->put(m, key, body, how, &st, e);
	if (rc == 0 && out)
		*out = st;
	return done(m, key, rc, e);
}

int mirror_copy(struct mirror *m, const char *from, const char *to, struct err *e)
{
	bool able = m->ops->copy && (m->caps.can & MIRROR_CAN_COPY);
	int rc = check(m, from, able, "copy", e);
	if (rc == 0)
		rc = check(m, to, able, "copy", e);
	if (rc < 0)
		return rc;
	return done(m, from, m->ops->copy(m, from, to, e), e);
}

int mirror_list(struct mirror *m, const char *prefix, mirror_entry_fn *fn, void *ctx,
		struct err *e)
{
	int rc = check(m, NULL, m->ops->list && (m->caps.can & MIRROR_CAN_LIST), "be listed", e);
	if (rc < 0)
		return rc;
	rc = m->ops->list(m, prefix, fn, ctx, e);
	return rc < 0 ? err_context(e, "mirror %s", m->id) : 0;
}

int mirror_remove(struct mirror *m, const char *key, struct err *e)
{
	bool able = m->ops->remove && (m->caps.can & MIRROR_CAN_WRITE);
	int rc = check(m, key, able, "be written to", e);
	if (rc < 0)
		return rc;
	return done(m, key, m->ops->remove(m, key, e), e);
}

/* -- bodies ---------------------------------------------------------------------- */

static int memory_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(data, (const char *)ctx + offset, len);
	return 0;
}

int mirror_put_small(struct mirror *m, const char *key, const void *data, size_t len,
		     const struct mirror_put *how, struct err *e)
{
	struct mirror_body body = { .read_at = memory_read_at, .ctx = (void *)(uintptr_t)data };
	int rc = grid_for(len, &body.grid, e);
	if (rc < 0)
		return rc;
	sha256_of(data, len, &body.sha256);
	return mirror_put(m, key, &body, how, NULL, e);
}

static int file_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct mirror_file_body *b = ctx;
	return file_pread(b->fd, data, len, offset, b->what, e);
}

void mirror_file_body_init(struct mirror_file_body *b, int fd, const char *what,
			   const struct grid *grid, const struct digest *sha256,
			   const struct digest *pieces)
{
	*b = (struct mirror_file_body){ .fd = fd, .what = what };
	b->body = (struct mirror_body){ .read_at = file_read_at, .ctx = b, .grid = *grid,
					.sha256 = *sha256, .pieces = pieces };
}
