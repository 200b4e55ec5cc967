#include "mirror/web.h"

#include "mirror/probe.h"
#include "util/mem.h"

#include <string.h>

void web_options(const struct mirror *m, struct http_options *out)
{
	out->stall_s = m->env.stall_s;
	out->rate = m->env.rate;
	out->cancel = m->env.cancel;
	out->clock = m->env.clock;
	out->access = m->env.access;
}

int web_connect(struct mirror_connection *c, struct err *e)
{
	struct http_client *client = NULL;
	int rc = http_client_new(c->mirror->state, &client, e);
	c->state = client;
	return rc;
}

void web_disconnect(struct mirror_connection *c)
{
	http_client_free(c->state);
}

/* A web page that came in place of the file says nothing about ranges. */
static void note_ranges(struct mirror *m, const struct http_response *r)
{
	if (r->range_ignored && !r->html)
		m->can &= ~(unsigned)MIRROR_CAN_RANGE;
}

static int perform(struct mirror_connection *c, const struct web_file *f, struct http_request *q,
		   struct http_response *r, struct err *e)
{
	q->url = f->url;
	q->headers = f->headers;
	q->what = "";
	int rc = http_perform(c->state, q, r, e);
	note_ranges(c->mirror, r);
	return rc;
}

/* -- stat ------------------------------------------------------------------------ */

static int refuse_html(const struct web_file *f, const struct http_response *r, struct err *e)
{
	return r->html && !f->page ? http_fault_page(r, e) : 0;
}

/* The result that stops a probing GET once its headers have arrived. */
static int stop(void *ctx, const struct http_response *r, struct err *e)
{
	*(bool *)ctx = r->status != 0;
	return err_set(e, ERR_CONFLICT, "stopped");
}

/* For servers that refuse HEAD or answer it without a length. */
static int stat_by_get(struct mirror_connection *c, const struct web_file *f,
		       struct http_response *r, struct err *e)
{
	bool seen = false;
	struct err local = ERR_INIT;
	struct http_request q = {
		.length = 1,
		.ignored_range = HTTP_IGNORED_RESTART,
		.begin = stop,
		.ctx = &seen,
	};
	int rc = perform(c, f, &q, r, &local);
	if (rc < 0 && !seen && r->status == 416 && r->has_total && r->total == 0)
		return 0; /* an empty object has no first byte */
	if (rc < 0 && !seen) {
		*e = local;
		return rc;
	}
	return 0;
}

#define LINKED_ETAG "x-linked-etag"
#define LINKED_SIZE "x-linked-size"

/* Files that are not in LFS have the id of a git blob there. */
static bool read_linked(const struct http_response *r, struct mirror_stat *out)
{
	const char *size = http_response_header(r, LINKED_SIZE);
	const char *etag = http_response_header(r, LINKED_ETAG);
	if (r->status / 100 != 3 || !size || !etag || !parse_u64(size, &out->size))
		return false;
	if (*etag == '"' && strlen(etag) == DIGEST_HEX + 1) {
		CLEANUP(mem_free_ptr) char *hex = mem_strndup(etag + 1, DIGEST_HEX - 1);
		out->has_sha256 = digest_parse(&out->sha256, hex);
	}
	return true;
}

static int ask(struct mirror_connection *c, const struct web_file *f, struct http_response *r,
	       struct mirror_stat *out, struct err *e)
{
	struct http_request q = {
		.method = "HEAD",
		.answer_header = f->linked ? LINKED_ETAG : NULL,
	};
	struct err local = ERR_INIT;
	int rc = perform(c, f, &q, r, &local);
	if (f->linked && read_linked(r, out))
		return 0;
	bool refused = rc < 0 && (r->status == 400 || r->status == 403 || r->status == 405 ||
				  r->status == 501);
	if (rc < 0 && !refused) {
		*e = local;
		return rc;
	}
	if (refused || !r->has_total)
		rc = stat_by_get(c, f, r, e);
	if (rc == 0)
		rc = refuse_html(f, r, e);
	if (rc == 0 && !r->has_total)
		rc = err_set(e, ERR_USAGE, "the server does not report the size of the object");
	if (rc == 0)
		out->size = r->total;
	return rc;
}

int web_stat(struct mirror_connection *c, const struct web_file *f, struct mirror_stat *out,
	     struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	int rc = ask(c, f, &r, out, e);
	if (rc < 0)
		return rc;
	out->modified_s = r.modified_s;
	memcpy(out->etag, r.etag, sizeof r.etag);
	return 0;
}

/* -- get ------------------------------------------------------------------------- */

struct delivery {
	const struct web_file *file;
	struct mirror *mirror;
	const struct mirror_sink *sink;
};

static int on_begin(void *ctx, const struct http_response *r, struct err *e)
{
	const struct delivery *d = ctx;
	/* Now, because other threads may be about to ask for ranges. */
	note_ranges(d->mirror, r);
	return refuse_html(d->file, r, e);
}

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct delivery *d = ctx;
	return d->sink->write(d->sink->ctx, data, len, e);
}

int web_get(struct mirror_connection *c, const struct web_file *f, const struct mirror_range *range,
	    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct delivery d = { .file = f, .mirror = c->mirror, .sink = sink };
	struct err why = ERR_INIT;
	struct http_request q = {
		.offset = range->offset,
		.length = range->length == UINT64_MAX ? 0 : range->length,
		.deadline_ms = range->deadline_ms,
		.cancel = range->cancel,
		.begin = on_begin,
		.write = on_write,
		.ctx = &d,
	};
	int rc = perform(c, f, &q, &r, &why);
	/* A page that is shorter than the range is found by its length first. */
	if (rc == -ERR_INTEGRITY && r.status == 200 && r.html && !f->page)
		return http_fault_page(&r, e);
	if (rc < 0)
		*e = why;
	return rc;
}

/* -- probing --------------------------------------------------------------------- */

int web_probe(struct mirror_connection *c, const struct web_file *f, const char *what,
	      struct mirror_findings *out, struct err *e)
{
	struct mirror_range first = { .key = what, .length = 1 };
	struct err why = ERR_INIT;
	int rc = web_get(c, f, &first, &mirror_probe_sink, &why);
	return mirror_probe_read(c->mirror, what, "the server", rc, &why, out, e);
}
