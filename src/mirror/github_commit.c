#include "mirror/github_upload.h"

#include "util/mem.h"

#include <string.h>

/* ---- objects that were kept in memory ------------------------------------------------ */

struct memory {
	struct mirror_upload *u;
	const uint8_t *data;
	int64_t sent;
};

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct memory *m = ctx;
	(void)e;
	memcpy(data, m->data + offset, len);
	return 0;
}

static void on_sent(void *ctx, int64_t bytes)
{
	struct memory *m = ctx;
	m->sent += bytes;
	mirror_upload_advance(m->u, bytes);
}

static int send_from_memory(struct mirror_connection *c, struct mirror_upload *u, uint32_t part,
			    struct err *e)
{
	const struct mirror_github *s = u->mirror->state;
	const struct mirror_github_upload *up = u->state;
	CLEANUP(mirror_github_target_release) struct mirror_github_target t = { 0 };
	struct memory m = { .u = u, .data = up->whole + (up->split ? part * s->part_size : 0) };
	mirror_github_part_target(u, part, false, &t);
	sha256_of(m.data, (size_t)t.size, &t.sha256);
	t.is_hashed = true;
	struct http_request body = {
		.read_at = read_memory,
		.body_sent = on_sent,
		.body_ctx = &m,
		.body_size = t.size,
	};
	int rc = mirror_github_send(c, &t, &body, e);
	/* Also when GitHub had it already, and received only a part. */
	mirror_upload_advance(u, (rc == 0 ? (int64_t)t.size : 0) - m.sent);
	return rc;
}

/* *done: the same bytes are there. What differs makes room. */
static int look_at_present(struct mirror_connection *c, struct mirror_upload *u, bool *done,
			   struct err *e)
{
	CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
	int rc = mirror_github_object(c, u->key, &o, e);
	if (rc < 0 || !o.count)
		return rc;
	if (u->how.only_if_absent)
		return err_set(e, ERR_CONFLICT, "exists already");
	*done = o.count == 1 && o.size == u->how.grid.size && o.parts[0].has_sha256 &&
		digest_equal(&o.parts[0].sha256, &u->how.sha256) && !u->how.was_wrong;
	if (*done) {
		mirror_upload_advance(u, (int64_t)o.size);
		return 0;
	}
	return mirror_github_remove(c, u->key, e);
}

/* The first part last: with it, the object is there. */
static int put_whole(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	bool done = false;
	int rc = look_at_present(c, u, &done, e);
	if (rc == 0 && !done)
		rc = mirror_github_need_release(c, u, e);
	for (uint32_t i = up->count; rc == 0 && !done && i > 0; i--)
		rc = send_from_memory(c, u, i - 1, e);
	return rc;
}

/* ---- objects that were sent in parts -------------------------------------------------- */

static int gone(struct err *e)
{
	err_set(e, ERR_CONFLICT, "another run has completed or removed the upload");
	return err_hint(e, "push again");
}

/* Something has the name already: the same, because another run was faster, or because the answer
 * to our request was lost? */
static int settle(struct mirror_connection *c, struct mirror_upload *u, const char *name,
		  const char *pending, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	struct github_asset a, rest;
	bool same = false;
	if (!mirror_github_asset(up->release, name, &a) || !a.uploaded)
		return gone(e);
	int rc = mirror_github_compare(c, &a, &up->parts[0].sha256, &same, e);
	if (rc == 0 && !same)
		return err_set(e, ERR_CONFLICT,
			       "somebody else has put another file there under its name");
	if (rc == 0 && mirror_github_asset(up->release, pending, &rest))
		rc = mirror_github_remove_asset(c, up->release, rest.id, e);
	return rc;
}

static int show(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	CLEANUP(mem_free_ptr) char *name = mirror_github_part_name(u, 0, false);
	CLEANUP(mem_free_ptr) char *pending = mirror_github_part_name(u, 0, true);
	struct github_asset a;
	struct err why = ERR_INIT;
	if (!mirror_github_asset(up->release, pending, &a))
		return settle(c, u, name, pending, e);
	int rc = mirror_github_rename_asset(c, up->release, a.id, name, &why);
	if (rc == 0)
		return 0;
	if (rc == -ERR_CONFLICT || rc == -ERR_NOT_FOUND || rc == -ERR_NETWORK) {
		struct err ignored = ERR_INIT;
		bool known = mirror_github_assets(c, up->release, true, &ignored) == 0;
		if (known && (rc != -ERR_NETWORK || mirror_github_asset(up->release, name, &a)))
			return settle(c, u, name, pending, e);
	}
	*e = why;
	return rc;
}

/* ---- commit and abandon ------------------------------------------------------------- */

/* Each asset was compared with its digest. */
static void vouch(const struct mirror_upload *u, struct mirror_stat *out)
{
	if (out->has_sha256 || !u->how.pieces)
		return;
	out->has_pieces_sha256 = true;
	grid_root(u->how.pieces, u->how.grid.count, &out->pieces_sha256);
}

int mirror_github_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
				struct mirror_stat *out, struct err *e)
{
	const struct mirror_github_upload *up = u->state;
	int rc = up->whole ? put_whole(c, u, e) : show(c, u, e);
	if (rc == 0)
		rc = mirror_github_stat(c, u->key, out, e);
	if (rc == 0 && out->size != u->how.grid.size)
		rc = err_set(e, ERR_INTEGRITY, "has %llu bytes there, not %llu",
			     (unsigned long long)out->size, (unsigned long long)u->how.grid.size);
	if (rc == 0)
		vouch(u, out);
	return rc;
}

int mirror_github_upload_abandon(struct mirror_connection *c, struct mirror_upload *u,
				 struct err *e)
{
	struct mirror_github_upload *up = u->state;
	CLEANUP(mem_free_ptr) char *final = mirror_github_part_name(u, 0, false);
	struct github_asset a;
	int rc = 0;
	mirror_stream_free(up->stream);
	up->stream = NULL;
	up->is_open = false;
	/* A complete object is not this upload's to remove. */
	if (!up->release || mirror_github_asset(up->release, final, &a))
		return 0;
	for (uint32_t i = 0; i < up->count && rc == 0; i++) {
		CLEANUP(mem_free_ptr) char *name = mirror_github_part_name(u, i, true);
		if (mirror_github_asset(up->release, name, &a))
			rc = mirror_github_remove_asset(c, up->release, a.id, e);
	}
	return rc;
}
