#include "oci/registry.h"

#include "http/url.h"
#include "util/mem.h"

#include <string.h>

#define ERROR_MAX (16 * KIB)
#define DEADLINE_MS 120000 /* of a small request */

void oci_registry_open(struct oci_registry *r, struct oci_reference *place,
		       const struct oci_auth_options *o, atomic_ullong *requests)
{
	struct oci_auth_options options = *o;
	r->place = *place;
	r->requests = requests;
	*place = (struct oci_reference){ 0 };
	options.place = &r->place;
	r->auth = oci_auth_new(&options);
}

void oci_registry_close(struct oci_registry *r)
{
	oci_auth_free(r->auth);
	r->auth = NULL;
	oci_reference_release(&r->place);
}

/* -- errors -------------------------------------------------------------------------- */

/* https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#error-codes */
static enum err_class class_of(const char *code, enum err_class otherwise)
{
	static const struct {
		const char *code;
		enum err_class class;
	} known[] = {
		{ "UNAUTHORIZED", ERR_AUTH },          { "DENIED", ERR_AUTH },
		{ "BLOB_UNKNOWN", ERR_NOT_FOUND },     { "BLOB_UPLOAD_UNKNOWN", ERR_NOT_FOUND },
		{ "MANIFEST_UNKNOWN", ERR_NOT_FOUND }, { "NAME_UNKNOWN", ERR_NOT_FOUND },
		{ "DIGEST_INVALID", ERR_INTEGRITY },   { "SIZE_INVALID", ERR_INTEGRITY },
		{ "TOOMANYREQUESTS", ERR_NETWORK },    { "UNSUPPORTED", ERR_USAGE },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(code, known[i].code) == 0)
			return known[i].class;
	return otherwise;
}

/* Sets e from what HTTP says, and from the document of the answer if there is one. */
static int fault(const struct buf *body, const struct err *http, struct err *e)
{
	CLEANUP(json_release) json_t *root = NULL;
	struct err ignored = ERR_INIT;
	*e = *http;
	if (!body->len ||
	    json_lenient(buf_str(body), body->len, ERROR_MAX, "answer", &root, &ignored) < 0)
		return -(int)e->class;
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *code = json_string_value(json_object_get(first, "code"));
	const char *message = json_string_value(json_object_get(first, "message"));
	if (!code)
		return -(int)e->class;
	CLEANUP(mem_free_ptr) char *shown_code = text_escaped(code);
	CLEANUP(mem_free_ptr) char *shown = text_escaped(message ? message : "no message");
	err_clear(e);
	err_set(e, class_of(code, http->class), "%.300s (%.60s)", shown, shown_code);
	e->cause = http->cause;
	e->retry_after_s = http->retry_after_s;
	return -(int)e->class;
}

static void explain_auth(struct oci_registry *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *source = oci_auth_source(r->auth);
	e->hint[0] = '\0'; /* this one knows more */
	if (oci_auth_has_credentials(r->auth))
		err_hint(e, "the credentials are those of %.200s: are they allowed to do this?",
			 source);
	else
		err_hint(e,
			 "there are no credentials for %.100s (looked at: %.200s); man "
			 "ferry-oci lists their sources",
			 r->place.host, *source ? source : "none");
}

/* -- one request ---------------------------------------------------------------------- */

struct attempt {
	struct http_request q;
	void (*sent_fn)(void *ctx, int64_t bytes);
	int (*read_fn)(void *ctx, uint64_t offset, void *data, size_t len, struct err *e);
	void *body_ctx;
	int64_t sent;
	unsigned tries, limit; /* so far, and of those that may follow the first one */
};

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct attempt *a = ctx;
	return a->read_fn(a->body_ctx, offset, data, len, e);
}

static void count_sent(void *ctx, int64_t bytes)
{
	struct attempt *a = ctx;
	a->sent += bytes;
	if (a->sent_fn)
		a->sent_fn(a->body_ctx, bytes);
}

/* Does the URL belong to the registry, so that it may see the credentials? */
static bool is_at_home(const struct oci_registry *r, const char *text)
{
	CLEANUP(url_release) struct url url = { 0 }, home = { 0 };
	struct err ignored = ERR_INIT;
	return url_parse(text, &url, &ignored) == 0 &&
	       url_parse(r->place.origin, &home, &ignored) == 0 && url_same_origin(&url, &home);
}

static int perform(struct oci_registry *r, struct http_client *c, struct attempt *a,
		   char *authorization, struct http_response *out, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **headers = NULL;
	size_t count = 0;
	while (a->q.headers && a->q.headers[count])
		count++;
	headers = mem_alloc((count + 2) * sizeof *headers);
	if (count)
		memcpy(headers, a->q.headers, count * sizeof *headers);
	headers[count] = authorization;
	struct http_request q = a->q;
	q.headers = headers;
	if (r->requests)
		++*r->requests;
	return http_perform(c, &q, out, e);
}

/* The address that the registry redirected to was refused: it may have expired on the way. */
static bool is_refused_elsewhere(const struct http_response *r)
{
	return r->redirects && (r->status == 400 || r->status == 401 || r->status == 403);
}

static int refused_elsewhere(const struct http_response *r, struct err *e)
{
	err_set(e, ERR_NETWORK, "the storage that the registry redirects to refused (HTTP %ld)",
		r->status);
	err_cause(e, CAUSE_SERVER, 0);
	return -ERR_NETWORK;
}

/* 0: done, 1: send it again. */
static int try_once(struct oci_registry *r, struct http_client *c, struct attempt *a,
		    struct http_response *out, struct err *e)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT(ERROR_MAX);
	struct err http = ERR_INIT;
	char *authorization = NULL;
	unsigned turn = 0;
	bool home = is_at_home(r, a->q.url);
	int rc = home ? oci_auth_header(r->auth, c, &authorization, &turn, e) : 0;
	if (rc < 0)
		return rc;
	/* Without a header, the first answer says what is asked for. */
	if (!a->tries)
		a->limit = authorization ? 1 : 2;
	bool last = a->tries++ >= a->limit;
	a->q.error_body = &body;
	a->sent = 0;
	if (a->q.into)
		buf_clear(a->q.into);
	rc = perform(r, c, a, authorization, out, &http);
	if (authorization)
		mem_wipe(authorization, strlen(authorization));
	free(authorization);
	if (rc == 0)
		return 0;
	if (is_refused_elsewhere(out))
		return last ? refused_elsewhere(out, e) : 1;
	if (out->status == 401 && home && !last) {
		rc = oci_auth_refused(r->auth, c, out, turn, e);
		if (rc <= 0)
			return rc < 0 ? rc : 1;
	}
	fault(&body, &http, e);
	if (err_is(e, ERR_AUTH) && home)
		explain_auth(r, e);
	return -(int)e->class;
}

int oci_call(struct oci_registry *r, struct http_client *c, struct http_request *q,
	     struct http_response *out, struct err *e)
{
	CLEANUP(http_response_release) struct http_response own = { 0 };
	struct attempt a = {
		.q = *q, .sent_fn = q->body_sent, .read_fn = q->read_at, .body_ctx = q->body_ctx
	};
	a.q.what = "";
	if (q->read_at) {
		a.q.read_at = read_body;
		a.q.body_sent = count_sent;
		a.q.body_ctx = &a;
	}
	int rc = 1;
	while (rc == 1) {
		rc = try_once(r, c, &a, out ? out : &own, e);
		if (rc != 0)
			count_sent(&a, -a.sent);
	}
	return rc;
}

int oci_ping(struct oci_registry *r, struct http_client *c, struct http_response *out,
	     struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/v2/", r->place.origin);
	CLEANUP(buf_release) struct buf body = BUF_INIT(ERROR_MAX);
	struct http_request q = { .url = url, .deadline_ms = DEADLINE_MS, .into = &body };
	int rc = oci_call(r, c, &q, out, e);
	if (rc == -ERR_NOT_FOUND || (rc == 0 && out->html)) {
		err_clear(e);
		err_set(e, ERR_USAGE, "%s is not a registry: it does not answer /v2/",
			r->place.origin);
		return -ERR_USAGE;
	}
	return rc;
}
