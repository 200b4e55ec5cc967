#include "oci/registry.h"

#include "http/url.h"
#include "util/mem.h"

#include <string.h>

#define ERROR_MAX (16 * KIB)
#define DEADLINE_MS 120000 /* of a small request */

void oci_registry_open(struct oci_registry *r, struct oci_reference *place,
		       const struct oci_auth_options *o)
{
	struct oci_auth_options options = *o;
	r->place = *place;
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
	r->requests++;
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

/* -- blobs ---------------------------------------------------------------------------- */

static char *blob_url(const struct oci_registry *r, const struct digest *d)
{
	char digest[OCI_DIGEST];
	return mem_printf("%s/blobs/%s", r->place.base, oci_digest_text(digest, d));
}

static int stop(void *ctx, const struct http_response *r, struct err *e)
{
	*(bool *)ctx = r->status != 0;
	return err_set(e, ERR_CONFLICT, "stopped");
}

/* For registries that redirect HEAD to an address that is signed for GET. */
static int stat_by_get(struct oci_registry *r, struct http_client *c, const struct digest *d,
		       struct http_response *out, struct err *e)
{
	bool seen = false;
	struct err why = ERR_INIT;
	struct http_request q = { .length = 1,
				  .ignored_range = HTTP_IGNORED_RESTART,
				  .deadline_ms = DEADLINE_MS,
				  .begin = stop,
				  .ctx = &seen };
	int rc = oci_blob_get(r, c, d, &q, out, &why);
	if (rc < 0 && !seen && out->status == 416) { /* an empty one has no first byte */
		out->has_total = true;
		return 0;
	}
	if (rc < 0 && !seen) {
		*e = why;
		return rc;
	}
	return 0;
}

int oci_blob_stat(struct oci_registry *r, struct http_client *c, const struct digest *d,
		  uint64_t *size, struct err *e)
{
	CLEANUP(http_response_release) struct http_response out = { 0 };
	CLEANUP(mem_free_ptr) char *url = blob_url(r, d);
	struct http_request q = { .method = "HEAD", .url = url, .deadline_ms = DEADLINE_MS };
	struct err why = ERR_INIT;
	int rc = oci_call(r, c, &q, &out, &why);
	bool refused = rc < 0 && (out.redirects || out.status == 405);
	if (refused || (rc == 0 && !out.has_total)) {
		err_clear(&why);
		rc = stat_by_get(r, c, d, &out, &why);
	}
	if (rc == 0 && !out.has_total)
		rc = err_set(&why, ERR_USAGE, "the registry does not report the size of a blob");
	if (rc < 0) {
		*e = why;
		return rc;
	}
	*size = out.total;
	return 0;
}

int oci_blob_get(struct oci_registry *r, struct http_client *c, const struct digest *d,
		 struct http_request *q, struct http_response *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = blob_url(r, d);
	struct http_request own = { .url = url,
				    .offset = q->offset,
				    .length = q->length,
				    .deadline_ms = q->deadline_ms,
				    .ignored_range = q->ignored_range,
				    .into = q->into,
				    .begin = q->begin,
				    .write = q->write,
				    .ctx = q->ctx };
	return oci_call(r, c, &own, out, e);
}

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)e;
	if (len)
		memcpy(data, (const char *)ctx + offset, len);
	return 0;
}

int oci_blob_put(struct oci_registry *r, struct http_client *c, const void *data, size_t len,
		 struct digest *d, struct err *e)
{
	CLEANUP(mem_free_ptr) char *location = NULL;
	struct err absent = ERR_INIT;
	uint64_t size;
	sha256_of(data, len, d);
	if (oci_blob_stat(r, c, d, &size, &absent) == 0 && size == len)
		return 0;
	struct http_request q = { .read_at = read_memory,
				  .body_ctx = (void *)data,
				  .body_size = len };
	int rc = oci_upload_begin(r, c, &location, e);
	return rc < 0 ? rc : oci_upload_end(r, c, location, d, &q, e);
}

/* -- manifests ------------------------------------------------------------------------ */

static char *manifest_url(const struct oci_registry *r, const char *ref)
{
	return mem_printf("%s/manifests/%s", r->place.base, ref);
}

int oci_manifest_get(struct oci_registry *r, struct http_client *c, const char *ref,
		     struct buf *out, struct digest *d, struct err *e)
{
	static const char *const headers[] = { OCI_ACCEPT, NULL };
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	struct http_request q = {
		.url = url, .headers = headers, .deadline_ms = DEADLINE_MS, .into = out
	};
	int rc = oci_call(r, c, &q, NULL, e);
	if (rc == 0)
		sha256_of(buf_str(out), out->len, d);
	return rc;
}

int oci_manifest_head(struct oci_registry *r, struct http_client *c, const char *ref,
		      struct digest *d, struct err *e)
{
	static const char *const headers[] = { OCI_ACCEPT, NULL };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(OCI_MANIFEST_MAX);
	CLEANUP(http_response_release) struct http_response out = { 0 };
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	struct http_request q = {
		.method = "HEAD", .url = url, .headers = headers, .deadline_ms = DEADLINE_MS
	};
	int rc = oci_call(r, c, &q, &out, e);
	const char *told = http_response_header(&out, "docker-content-digest");
	if (rc < 0 || (told && oci_digest_parse(told, d)))
		return rc;
	return oci_manifest_get(r, c, ref, &bytes, d, e);
}

int oci_manifest_put(struct oci_registry *r, struct http_client *c, const char *ref,
		     const char *type, const struct buf *bytes, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = manifest_url(r, ref);
	CLEANUP(mem_free_ptr) char *line = mem_printf("Content-Type: %s", type);
	const char *const headers[] = { line, NULL };
	struct http_request q = { .method = "PUT",
				  .url = url,
				  .headers = headers,
				  .deadline_ms = DEADLINE_MS,
				  .read_at = read_memory,
				  .body_ctx = bytes->data,
				  .body_size = bytes->len };
	return oci_call(r, c, &q, NULL, e);
}

/* -- tags ----------------------------------------------------------------------------- */

static int take_page(const struct buf *body, struct str_list *out, struct err *e)
{
	static const struct json_limits limits = { .max_bytes = 8 * MIB };
	CLEANUP(json_release) json_t *root = NULL;
	json_t *tags = NULL;
	int rc = json_parse(buf_str(body), body->len, &limits, "the list of tags", &root, e);
	if (rc == 0)
		rc = json_opt_array(root, "", "tags", OCI_TAGS, &tags, e);
	for (size_t i = 0; rc == 0 && i < json_array_size(tags); i++) {
		const char *tag = json_string_value(json_array_get(tags, i));
		if (tag && oci_tag_is_valid(tag))
			str_list_add(out, tag);
	}
	if (rc == 0 && out->count > OCI_TAGS)
		rc = err_set(e, ERR_INTEGRITY, "there are more than %d tags", OCI_TAGS);
	return rc;
}

/* RFC 8288: <URL>; rel="next". NULL: this was the last page. */
static int next_page(const struct http_response *r, const char *url, char **out, struct err *e)
{
	const char *link = http_response_header(r, "link");
	const char *end = link && *link == '<' ? strchr(link, '>') : NULL;
	*out = NULL;
	if (!end || !strstr(end, "next"))
		return 0;
	CLEANUP(mem_free_ptr) char *to = mem_strndup(link + 1, (size_t)(end - link - 1));
	int rc = oci_location(url, to, out, e);
	if (rc == 0 && strcmp(*out, url) == 0) {
		mem_free_ptr(out);
		rc = err_set(e, ERR_INTEGRITY, "the list of tags leads to the same page again");
	}
	return rc;
}

int oci_tags(struct oci_registry *r, struct http_client *c, struct str_list *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *url = mem_printf("%s/tags/list?n=1000", r->place.base);
	int rc = 0;
	while (rc == 0 && url) {
		CLEANUP(buf_release) struct buf body = BUF_INIT(8 * MIB);
		CLEANUP(http_response_release) struct http_response answer = { 0 };
		struct err why = ERR_INIT;
		char *next = NULL;
		struct http_request q = { .url = url, .deadline_ms = DEADLINE_MS, .into = &body };
		rc = oci_call(r, c, &q, &answer, &why);
		if (rc == -ERR_NOT_FOUND && !out->count)
			return 0;
		size_t before = out->count;
		if (rc == 0)
			rc = take_page(&body, out, &why);
		/* A page without tags is the last one, whatever it says. */
		if (rc == 0 && out->count > before)
			rc = next_page(&answer, url, &next, &why);
		if (rc < 0)
			*e = why;
		free(url);
		url = next;
	}
	return rc;
}
