/*
 * How a blob is uploaded. One request with all of it, whose body the pieces become as they are put
 * (stream.h), works with every registry, but begins anew when it fails. Where probing found that a
 * registry continues an upload in chunks (OCI_CHUNKS), each piece is a chunk; if that does not work
 * after all, the upload goes on as one request.
 */
#include "mirror/oci.h"
#include "mirror/stream.h"
#include "util/mem.h"

#include <string.h>

struct mirror_oci_upload {
	struct digest digest;
	bool done;                    /* the blob is there */
	bool whole;                   /* no chunks (any more) */
	char *location;               /* of the upload in chunks; NULL: not begun */
	bool sure;                    /* the registry has exactly the pieces that were put */
	struct mirror_stream *stream; /* or NULL */
};

/* -- what is there --------------------------------------------------------------------- */

static int check_name(const struct mirror_upload *u, struct err *e)
{
	struct digest named;
	if (mirror_oci_is_blob(u->key, &named) && !digest_equal(&named, &u->how.sha256))
		return err_set(e, ERR_USAGE, "its name has another SHA-256 than its content");
	return 0;
}

/* *there: the blob is in the repository, in full. */
static int look(struct mirror_connection *c, const struct mirror_upload *u, bool *there,
		struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct err why = ERR_INIT;
	uint64_t size = 0;
	int rc = oci_blob_stat(&s->registry, c->state, &u->how.sha256, &size, &why);
	*there = rc == 0 && size == u->how.grid.size;
	if (rc < 0 && rc != -ERR_NOT_FOUND) {
		*e = why;
		return rc;
	}
	return 0;
}

/* Mounting is only a shortcut: its errors do not matter. */
static bool mount(struct mirror_connection *c, const struct mirror_upload *u)
{
	struct mirror_oci *s = c->mirror->state;
	bool mounted = false, there = false;
	for (size_t i = 0; i < s->mount_from.count && !mounted; i++) {
		CLEANUP(mem_free_ptr) char *location = NULL;
		struct err ignored = ERR_INIT;
		(void)!oci_blob_mount(&s->registry, c->state, &u->how.sha256, s->mount_from.at[i],
				      &mounted, &location, &ignored);
		if (location)
			oci_upload_cancel(&s->registry, c->state, location);
	}
	struct err ignored = ERR_INIT;
	return mounted && look(c, u, &there, &ignored) == 0 && there;
}

/* -- uploads that were closed ------------------------------------------------------------ */

static void keep_session(struct mirror_oci *s, struct mirror_oci_upload *o)
{
	struct mirror_oci_session *n = NEW(struct mirror_oci_session);
	n->digest = o->digest;
	n->location = STEAL(o->location);
	pthread_mutex_lock(&s->lock);
	n->next = s->sessions;
	s->sessions = n;
	pthread_mutex_unlock(&s->lock);
}

/* The caller frees it; NULL: there is none. */
static char *take_session(struct mirror_oci *s, const struct digest *d)
{
	char *location = NULL;
	pthread_mutex_lock(&s->lock);
	struct mirror_oci_session **at = &s->sessions;
	while (*at && !digest_equal(&(*at)->digest, d))
		at = &(*at)->next;
	struct mirror_oci_session *n = *at;
	if (n) {
		*at = n->next;
		location = n->location;
		free(n);
	}
	pthread_mutex_unlock(&s->lock);
	return location;
}

/* Whole pieces that the registry has of it count as there. */
static void resume(struct mirror_connection *c, struct mirror_upload *u)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	struct err ignored = ERR_INIT;
	uint64_t size = 0;
	o->location = take_session(s, &o->digest);
	if (!o->location)
		return;
	if (oci_upload_size(&s->registry, c->state, &o->location, &size, &ignored) < 0) {
		mem_free_ptr(&o->location);
		return;
	}
	for (uint32_t i = 0; i < u->how.grid.count; i++)
		if (grid_offset(&u->how.grid, i) + grid_length(&u->how.grid, i) <= size)
			mirror_upload_found(u, i);
}

int mirror_oci_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	bool there = false;
	int rc = check_name(u, e);
	if (rc == 0 && !u->how.was_wrong)
		rc = look(c, u, &there, e);
	if (rc < 0)
		return rc;
	if (!there && !u->how.was_wrong)
		there = mount(c, u);
	struct mirror_oci_upload *o = NEW(struct mirror_oci_upload);
	u->state = o;
	o->digest = u->how.sha256;
	o->done = there;
	o->whole = !(s->traits & OCI_CHUNKS);
	for (uint32_t i = 0; there && i < u->how.grid.count; i++)
		mirror_upload_found(u, i);
	if (!there)
		resume(c, u);
	return 0;
}

void mirror_oci_upload_close(struct mirror_upload *u)
{
	struct mirror_oci_upload *o = u->state;
	mirror_stream_free(o->stream);
	if (o->location && !o->done)
		keep_session(u->mirror->state, o);
	free(o->location);
	free(o);
	u->state = NULL;
}

/* -- one request ------------------------------------------------------------------------ */

static int begin_and_end(struct mirror_oci *s, struct http_client *client, const struct digest *d,
			 struct http_request *body, struct err *e)
{
	CLEANUP(mem_free_ptr) char *location = NULL;
	int rc = oci_upload_begin(&s->registry, client, &location, e);
	return rc < 0 ? rc : oci_upload_end(&s->registry, client, location, d, body, e);
}

static int send_stream(void *ctx, struct mirror_stream *stream, struct http_client *client,
		       struct err *e)
{
	const struct mirror_upload *u = ctx;
	const struct mirror_oci_upload *o = u->state;
	struct http_request q = { 0 };
	mirror_stream_body(stream, &q);
	return begin_and_end(u->mirror->state, client, &o->digest, &q, e);
}

static int put_stream(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		      const void *data, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	if (!o->stream) {
		const struct mirror_stream_how how = { .upload = u,
						       .count = u->how.grid.count,
						       .next = piece,
						       .http = s->http,
						       .send = send_stream,
						       .ctx = u };
		o->stream = mirror_stream_new(&how);
	}
	return mirror_stream_put(o->stream, piece, data, e);
}

/* -- from memory ------------------------------------------------------------------------ */

struct body {
	struct mirror_upload *u;
	const uint8_t *data;
	int64_t sent;
};

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct body *b = ctx;
	(void)e;
	memcpy(data, b->data + offset, len);
	return 0;
}

static void count_body(void *ctx, int64_t bytes)
{
	struct body *b = ctx;
	b->sent += bytes;
	mirror_upload_advance(b->u, bytes);
}

static void set_body(struct http_request *q, struct body *b, uint64_t len)
{
	q->read_at = read_body;
	q->body_sent = count_body;
	q->body_ctx = b;
	q->body_size = len;
}

static int put_only_piece(struct mirror_connection *c, struct mirror_upload *u, const void *data,
			  struct err *e)
{
	struct mirror_oci_upload *o = u->state;
	struct body b = { .u = u, .data = data };
	struct http_request q = { 0 };
	set_body(&q, &b, u->how.grid.size);
	int rc = begin_and_end(c->mirror->state, c->state, &o->digest, &q, e);
	o->done = rc == 0;
	if (rc < 0)
		mirror_upload_advance(u, -b.sent);
	return rc;
}

/* -- chunks ----------------------------------------------------------------------------- */

/* How much of the piece the registry has, after a chunk that failed. ERR_CONFLICT: what it has
 * cannot be continued. */
static int ask_for_rest(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			uint64_t *have, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	uint64_t start = grid_offset(&u->how.grid, piece), size = 0;
	int rc = oci_upload_size(&s->registry, c->state, &o->location, &size, e);
	/* An empty upload is reported as "0-0", too. */
	if (rc == 0 && start == 0 && size == 1)
		size = 0;
	if (rc == 0 && (size < start || size > start + grid_length(&u->how.grid, piece)))
		rc = err_set(e, ERR_CONFLICT, "the registry has %llu bytes of the upload",
			     (unsigned long long)size);
	*have = size - start;
	return rc;
}

static int send_chunk(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		      const uint8_t *data, uint64_t have, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	struct body b = { .u = u, .data = data + have };
	struct http_request q = { 0 };
	uint64_t len = grid_length(&u->how.grid, piece);
	if (have < len) {
		set_body(&q, &b, len - have);
		int rc = oci_upload_chunk(&s->registry, c->state, &o->location,
					  grid_offset(&u->how.grid, piece) + have, &q, e);
		if (rc < 0) {
			mirror_upload_advance(u, -b.sent);
			return rc;
		}
	}
	mirror_upload_advance(u, (int64_t)have);
	return 0;
}

/* A failed chunk is continued by the next call: what the registry has then is what counts. */
static int put_chunk(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		     const void *data, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	uint64_t have = 0;
	int rc = 0;
	if (!o->location)
		rc = oci_upload_begin(&s->registry, c->state, &o->location, e);
	else if (!o->sure)
		rc = ask_for_rest(c, u, piece, &have, e);
	if (rc == 0)
		rc = send_chunk(c, u, piece, data, have, e);
	o->sure = rc == 0;
	return rc;
}

/* The registry does not do what it did when it was probed: all of it goes as one request. */
static void give_up_chunks(struct mirror_connection *c, struct mirror_upload *u)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	if (o->location)
		oci_upload_cancel(&s->registry, c->state, o->location);
	mem_free_ptr(&o->location);
	o->whole = true;
}

int mirror_oci_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const void *data, struct err *e)
{
	struct mirror_oci_upload *o = u->state;
	struct err why = ERR_INIT;
	if (u->how.grid.count == 1)
		return put_only_piece(c, u, data, e);
	if (!o->whole) {
		int rc = put_chunk(c, u, piece, data, &why);
		bool final = rc == -ERR_NETWORK || rc == -ERR_AUTH || rc == -ERR_CANCELLED ||
			     rc == -ERR_SYSTEM;
		if (rc == 0 || final) {
			if (rc < 0)
				*e = why;
			return rc;
		}
		give_up_chunks(c, u);
	}
	return put_stream(c, u, piece, data, e);
}

/* -- the end ---------------------------------------------------------------------------- */

static int end_upload(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	struct http_request none = { 0 };
	struct digest d;
	if (o->done)
		return 0;
	if (o->stream)
		return mirror_stream_finish(o->stream, e);
	if (o->location)
		return oci_upload_end(&s->registry, c->state, o->location, &o->digest, &none, e);
	return oci_blob_put(&s->registry, c->state, "", 0, &d, e);
}

/* The registry may have finished it before its answer was lost. */
static int finish(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_oci_upload *o = u->state;
	struct err ignored = ERR_INIT;
	int rc = end_upload(c, u, e);
	if (rc < 0 && !o->stream && look(c, u, &o->done, &ignored) == 0 && o->done) {
		err_clear(e);
		rc = 0;
	}
	o->done = o->done || rc == 0;
	return rc;
}

int mirror_oci_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			     struct mirror_stat *out, struct err *e)
{
	const struct mirror_oci_upload *o = u->state;
	struct digest named;
	int rc = finish(c, u, e);
	if (rc < 0)
		return rc;
	if (!mirror_oci_is_blob(u->key, &named))
		mirror_oci_stage(c->mirror->state, u->key, &o->digest, u->how.grid.size);
	mirror_oci_describe(out, &o->digest, u->how.grid.size);
	return 0;
}

int mirror_oci_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_oci *s = c->mirror->state;
	struct mirror_oci_upload *o = u->state;
	(void)e;
	mirror_stream_free(STEAL(o->stream));
	if (o->location)
		oci_upload_cancel(&s->registry, c->state, o->location);
	mem_free_ptr(&o->location);
	return 0;
}
