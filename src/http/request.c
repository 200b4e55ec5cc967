#include "http/internal.h"

#include "util/mem.h"

#include <string.h>

#define MAX_REDIRECTS 8

static int refuse_redirect(const char *to, const char *why, struct err *e)
{
	CLEANUP(mem_free_ptr) char *shown = url_redact(to);
	return err_set(e, ERR_INTEGRITY, "redirected to %.512s: %s", shown, why);
}

/* Takes the next hop's URL into *url. */
static int follow(const char *to, unsigned hop, struct url *url, struct err *e)
{
	struct url next = { 0 };
	struct err bad = ERR_INIT;
	if (hop == MAX_REDIRECTS)
		return refuse_redirect(to, "more than 8 redirects", e);
	if (url_parse(to, &next, &bad) < 0)
		return refuse_redirect(to, "not an http or https URL", e);
	if (strcmp(url->scheme, "https") == 0 && strcmp(next.scheme, "https") != 0) {
		url_release(&next);
		return refuse_redirect(to, "it leads from https to http", e);
	}
	url_release(url);
	*url = next;
	return 0;
}

/* RFC 9110 15.4: after a 303, and after a redirected POST, the method is GET. */
static void change_method(struct transfer *t)
{
	bool post = strcmp(t->method, "POST") == 0;
	bool moved = t->r->status == 301 || t->r->status == 302;
	if ((t->r->status == 303 && strcmp(t->method, "HEAD") != 0) || (moved && post)) {
		t->method = "GET";
		t->with_body = false;
	}
}

/* Only a plain request is a proxy's to answer. */
static void note_hop(struct http_response *r, const struct url *url, unsigned hop,
		     const char *proxy)
{
	bool answers = proxy && strcmp(url->scheme, "http") == 0 && !http_proxy_is_socks(proxy);
	free(r->url);
	free(r->proxy);
	r->url = mem_strdup(url->text);
	r->proxy = answers ? http_proxy_name(proxy) : NULL;
	r->redirects = hop;
}

static int perform(struct http_client *c, const struct http_request *q, const struct url *first,
		   struct http_response *r, struct err *e)
{
	CLEANUP(url_release) struct url url = { 0 };
	int rc = url_parse(q->url, &url, e);
	const char *method = q->method ? q->method : "GET";
	bool with_body = q->read_at != NULL;
	uint64_t end_ms = q->deadline_ms ? clock_now_ms(c->options.clock) + q->deadline_ms : 0;
	for (unsigned hop = 0; rc == 0; hop++) {
		struct transfer t = {
			.client = c,
			.q = q,
			.r = r,
			.e = e,
			.url = &url,
			.method = method,
			.with_body = with_body,
			.end_ms = end_ms,
			.stall_s = MAX(q->stall_s, c->options.stall_s),
		};
		t.with_secrets = url_same_origin(first, &url);
		t.access = http_access_find(c->options.access, &url);
		t.proxy = http_proxy_variable(&url, c->options.direct);
		note_hop(r, &url, hop, t.proxy);
		CLEANUP(mem_free_ptr) char *next = NULL;
		rc = http_access_check(&t, e);
		if (rc == 0)
			rc = http_transfer(&t, &next);
		if (rc < 0 || !next)
			return rc;
		change_method(&t);
		method = t.method;
		with_body = t.with_body;
		rc = follow(next, hop, &url, e);
	}
	return rc;
}

int http_perform(struct http_client *c, const struct http_request *q, struct http_response *out,
		 struct err *e)
{
	CLEANUP(http_response_release) struct http_response own = { 0 };
	CLEANUP(url_release) struct url first = { 0 };
	struct http_response *r = out ? out : &own;
	http_response_release(r);
	int rc = url_parse(q->url, &first, e);
	if (rc < 0)
		return rc; /* the text names the URL already */
	rc = perform(c, q, &first, r, e);
	if (rc < 0 && !q->what) {
		CLEANUP(mem_free_ptr) char *shown = url_redact(q->url);
		err_context(e, "%.512s", shown);
	} else if (rc < 0 && q->what[0]) {
		err_context(e, "%s", q->what);
	}
	return rc;
}
