#include "http/http.h"

#include "http/url.h"
#include "mirror/kinds.h"
#include "util/mem.h"

#include <string.h>

struct http_mirror {
	struct http_options options;
	struct http_client *client;     /* made by the first call */
};

void mirror_http_tune(struct mirror *m, const struct http_options *options)
{
	if (m->ops == &mirror_http)
		((struct http_mirror *)m->state)->options = *options;
}

static int check_base(const struct mirror *m, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(m->url, &url, e);
	if (rc == 0 && url.query) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(url.text);
		err_set(e, ERR_USAGE, "the base URL %s has a query", shown);
		rc = err_hint(e, "leave out what follows the '?'");
	}
	return rc;
}

static int read_conf(struct http_mirror *h, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	if (!c)
		return 0;
	const struct conf_section *fetch = conf_find(c, "fetch", "");
	int rc = conf_get_bool(c, s, "netrc", &h->options.netrc, e);
	if (rc == 0)
		rc = conf_get_duration(c, fetch, "stall-time", &h->options.stall_s, e);
	if (rc == 0)
		rc = conf_get_size(c, fetch, "limit-rate", &h->options.limit_rate, e);
	return rc;
}

static int http_open(struct mirror *m, const struct conf *c, const struct conf_section *s,
		     struct err *e)
{
	if (!m->url)
		return conf_err(c, s, NULL, e, "a mirror of kind http needs 'url'");
	struct http_mirror *h = NEW(struct http_mirror);
	m->state = h;
	m->caps = (struct mirror_caps){ .can = MIRROR_CAN_RANGE };
	int rc = read_conf(h, c, s, e);
	return rc < 0 ? rc : check_base(m, e);
}

static void http_close(struct mirror *m)
{
	struct http_mirror *h = m->state;
	http_client_free(h->client);
	free(h);
	m->state = NULL;
}

static int perform(struct mirror *m, const char *key, struct http_request *q,
		   struct http_response *r, struct err *e)
{
	struct http_mirror *h = m->state;
	CLEANUP(mem_free_ptr) char *url = url_join(m->url, key);
	if (!h->client && http_client_new(&h->options, &h->client, e) < 0)
		return -(int)e->class;
	q->url = url;
	q->what = "";
	int rc = http_perform(h->client, q, r, e);
	if (r->range_ignored)
		m->caps.can &= ~(unsigned)MIRROR_CAN_RANGE;
	return rc;
}

/* -- stat ------------------------------------------------------------------------ */

static int refuse_html(const char *key, const struct http_response *r, struct err *e)
{
	if (!r->html || str_ends(key, ".html") || str_ends(key, ".htm"))
		return 0;
	err_set(e, ERR_INTEGRITY, "answered with an HTML page instead of the file");
	return err_hint(e, "a login page, an error page or a portal of the network is in the way; "
			   "open the mirror's URL in a browser to see it");
}

/* What a probing GET is stopped with once its headers are there. */
static int stop(void *ctx, const struct http_response *r, struct err *e)
{
	*(bool *)ctx = r->status != 0;
	return err_set(e, ERR_CONFLICT, "stopped");
}

/* For servers that refuse HEAD, or answer it without a length. */
static int stat_by_get(struct mirror *m, const char *key, struct http_response *r, struct err *e)
{
	bool seen = false;
	struct err local = ERR_INIT;
	struct http_request q = { .length = 1, .ignored_range = HTTP_IGNORED_RESTART,
				  .begin = stop, .ctx = &seen };
	int rc = perform(m, key, &q, r, &local);
	if (rc < 0 && !seen && r->status == 416 && r->has_total && r->total == 0)
		return 0;       /* an empty object has no first byte */
	if (rc < 0 && !seen) {
		*e = local;
		return rc;
	}
	return 0;
}

static int http_stat(struct mirror *m, const char *key, struct mirror_stat *out, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct http_request q = { .method = "HEAD" };
	struct err local = ERR_INIT;
	int rc = perform(m, key, &q, &r, &local);
	bool refused = rc < 0 && (r.status == 400 || r.status == 403 || r.status == 405 ||
				  r.status == 501);
	if (rc < 0 && !refused) {
		*e = local;
		return rc;
	}
	if (refused || !r.has_total)
		rc = stat_by_get(m, key, &r, e);
	if (rc == 0)
		rc = refuse_html(key, &r, e);
	if (rc == 0 && !r.has_total)
		rc = err_set(e, ERR_USAGE, "the server does not tell the object's size");
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

static int http_get(struct mirror *m, const char *key, uint64_t offset, uint64_t len,
		    const struct mirror_sink *sink, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct delivery d = { .key = key, .sink = sink };
	struct http_request q = { .offset = offset, .length = len == UINT64_MAX ? 0 : len,
				  .deadline_ms = m->deadline_ms, .begin = on_begin, .write = on_write, .ctx = &d };
	return perform(m, key, &q, &r, e);
}

const struct mirror_ops mirror_http = {
	.kind = "http",
	.open = http_open,
	.close = http_close,
	.stat = http_stat,
	.get = http_get,
};
