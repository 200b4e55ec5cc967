#include "http/http.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "util/mem.h"

#include <string.h>

static const char *const keys[] = { "netrc", NULL };
static const char *const schemes[] = { "http://", "https://", NULL };

static int check_base(const struct mirror *m, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(m->url, &url, e);
	if (rc == 0 && url.query) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url.text);
		err_set(e, ERR_USAGE, "the base URL %s has a query", shown);
		rc = err_hint(e, "leave out the '?' and what follows it");
	}
	return rc;
}

static int http_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	if (!m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind http needs 'url'");
	struct http_options *options = NEW(struct http_options);
	m->state = options;
	m->can = MIRROR_CAN_RANGE;
	options->stall_s = m->env.stall_s;
	options->rate = m->env.rate;
	options->cancel = m->env.cancel;
	options->clock = m->env.clock;
	int rc = c ? conf_get_bool(c, s, "netrc", &options->netrc, e) : 0;
	return rc < 0 ? rc : check_base(m, e);
}

static void http_close(struct mirror *m)
{
	mem_free_ptr(&m->state);
}

static int http_connect(struct mirror_connection *c, struct err *e)
{
	struct http_client *client = NULL;
	int rc = http_client_new(c->mirror->state, &client, e);
	c->state = client;
	return rc;
}

static void http_disconnect(struct mirror_connection *c)
{
	http_client_free(c->state);
}

static int perform(struct mirror_connection *c, const char *key, struct http_request *q,
		   struct http_response *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = url_join(c->mirror->url, key);
	q->url = url;
	q->what = "";
	int rc = http_perform(c->state, q, r, e);
	if (r->range_ignored)
		c->mirror->can &= ~(unsigned)MIRROR_CAN_RANGE;
	return rc;
}

/* -- stat ------------------------------------------------------------------------ */

static int refuse_html(const char *key, const struct http_response *r, struct err *e)
{
	if (!r->html || str_ends(key, ".html") || str_ends(key, ".htm"))
		return 0;
	return http_fault_page(r, e);
}

/* The result that stops a probing GET once its headers have arrived. */
static int stop(void *ctx, const struct http_response *r, struct err *e)
{
	*(bool *)ctx = r->status != 0;
	return err_set(e, ERR_CONFLICT, "stopped");
}

/* For servers that refuse HEAD or answer it without a length. */
static int stat_by_get(struct mirror_connection *c, const char *key, struct http_response *r,
		       struct err *e)
{
	bool seen = false;
	struct err local = ERR_INIT;
	struct http_request q = {
		.length = 1,
		.ignored_range = HTTP_IGNORED_RESTART,
		.begin = stop,
		.ctx = &seen,
	};
	int rc = perform(c, key, &q, r, &local);
	if (rc < 0 && !seen && r->status == 416 && r->has_total && r->total == 0)
		return 0; /* an empty object has no first byte */
	if (rc < 0 && !seen) {
		*e = local;
		return rc;
	}
	return 0;
}

static int http_stat(struct mirror_connection *c, const char *key, struct mirror_stat *out,
		     struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct http_request q = { .method = "HEAD" };
	struct err local = ERR_INIT;
	int rc = perform(c, key, &q, &r, &local);
	bool refused = rc < 0 &&
		       (r.status == 400 || r.status == 403 || r.status == 405 || r.status == 501);
	if (rc < 0 && !refused) {
		*e = local;
		return rc;
	}
	if (refused || !r.has_total)
		rc = stat_by_get(c, key, &r, e);
	if (rc == 0)
		rc = refuse_html(key, &r, e);
	if (rc == 0 && !r.has_total)
		rc = err_set(e, ERR_USAGE, "the server does not report the size of the object");
	if (rc < 0)
		return rc;
	out->size = r.total;
	out->modified_s = r.modified_s;
	memcpy(out->etag, r.etag, sizeof r.etag);
	return 0;
}

/* -- get ------------------------------------------------------------------------- */

struct delivery {
	const char *key;
	const struct mirror_sink *sink;
};

static int on_begin(void *ctx, const struct http_response *r, struct err *e)
{
	const struct delivery *d = ctx;
	return refuse_html(d->key, r, e);
}

static int on_write(void *ctx, const void *data, size_t len, struct err *e)
{
	const struct delivery *d = ctx;
	return d->sink->write(d->sink->ctx, data, len, e);
}

static int http_get(struct mirror_connection *c, const struct mirror_range *range,
		    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct delivery d = { .key = range->key, .sink = sink };
	struct http_request q = {
		.offset = range->offset,
		.length = range->length == UINT64_MAX ? 0 : range->length,
		.deadline_ms = range->deadline_ms,
		.begin = on_begin,
		.write = on_write,
		.ctx = &d,
	};
	return perform(c, range->key, &q, &r, e);
}

/* -- probing --------------------------------------------------------------------- */

#define PROBE_KEY "metadata/timestamp.json"

static int take_byte(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx, (void)data, (void)len, (void)e;
	return 0;
}

/* Asks for the first byte of a file that every repository has. */
static int http_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct mirror_sink sink = { .write = take_byte };
	struct mirror_range first = { .key = PROBE_KEY, .length = 1 };
	struct err why = ERR_INIT;
	int rc = http_get(c, &first, &sink, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc < 0) {
		err_context(&why, "%s", PROBE_KEY);
		mirror_findings_fault(out, "read", &why);
		return 0;
	}
	mirror_findings_add(out, "read", MIRROR_FINDING_OK, "yes");
	if (mirror_can(c->mirror, MIRROR_CAN_RANGE))
		mirror_findings_add(out, "ranges", MIRROR_FINDING_OK, "yes");
	else
		mirror_findings_add(out, "ranges", MIRROR_FINDING_LACKS,
				    "the server sends only whole files: interrupted downloads read "
				    "again what they have");
	return 0;
}

const struct mirror_ops mirror_http = {
	.kind = "http",
	.keys = keys,
	.schemes = schemes,
	.open = http_open,
	.close = http_close,
	.connect = http_connect,
	.disconnect = http_disconnect,
	.stat = http_stat,
	.get = http_get,
	.probe = http_probe,
};
