#include "s3/s3.h"

#include "http/url.h"
#include "s3/xml.h"
#include "s3/region.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_ERROR (64 * KIB)
#define MAX_HEADERS 24
#define MAX_URL (16 * KIB)

/* One request to one region with one set of keys. */
struct attempt {
	struct s3_place *place;
	const struct s3_request *q;
	struct s3_keys keys;
	char region[S3_REGION];
	char *url;
	struct url parts;
	int64_t now_s;
	struct buf error; /* body of a failed answer */
	int64_t sent;     /* bytes of the body that were reported */
};

static void attempt_release(struct attempt *a)
{
	s3_keys_release(&a->keys);
	free(a->url);
	url_release(&a->parts);
	buf_release(&a->error);
}

/* -- the URL ---------------------------------------------------------------------- */

/* Where the bucket is, without a '/' at the end. */
static void add_base(struct buf *out, const struct s3_place *p, const char *region)
{
	const char *rest = p->endpoint ? strstr(p->endpoint, "://") + 3 : NULL;
	if (p->aws && p->path_style)
		buf_addf(out, "https://s3.%s.%s/%s", region, region_domain(region), p->bucket);
	else if (p->aws)
		buf_addf(out, "https://%s.s3.%s.%s", p->bucket, region, region_domain(region));
	else if (p->path_style)
		buf_addf(out, "%s/%s", p->endpoint, p->bucket);
	else
		buf_addf(out, "%.*s%s.%s", (int)(rest - p->endpoint), p->endpoint, p->bucket, rest);
}

/* The URL of a key as it is sent, without a query. */
static int make_url(struct attempt *a, const char *key, struct err *e)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT(MAX_URL);
	add_base(&url, a->place, a->region);
	buf_addc(&url, '/');
	if (key)
		sigv4_path(&url, key);
	int rc = buf_ok(&url, "the URL", e);
	if (rc == 0)
		rc = url_parse(buf_str(&url), &a->parts, e);
	if (rc == 0)
		a->url = buf_steal(&url);
	return rc;
}

static int prepare(struct attempt *a, const char *key, struct err *e)
{
	struct s3_place *p = a->place;
	pthread_mutex_lock(&p->lock);
	snprintf(a->region, sizeof a->region, "%s", p->region);
	pthread_mutex_unlock(&p->lock);
	a->now_s = clock_wall_s(p->clock);
	buf_init(&a->error, MAX_ERROR);
	int rc = s3_credentials_get(p->credentials, &a->keys, e);
	return rc < 0 ? rc : make_url(a, key, e);
}

/* -- signing ---------------------------------------------------------------------- */

static void body_digest(const struct s3_request *q, char hex[DIGEST_HEX])
{
	struct digest d;
	if (!q->sha256)
		sha256_of(q->body ? q->body : "", q->body_len, &d);
	digest_hex(hex, q->sha256 ? q->sha256 : &d);
}

/* A line break in a value would start another header. The value may be secret: it is not shown. */
static int check_line(const char *line, struct err *e)
{
	for (const char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(e, ERR_USAGE,
				       "the header %.*s would have a control character: check the "
				       "access keys and the settings of the mirror",
				       (int)strcspn(line, ":"), line);
	return 0;
}

static int check_lines(const struct str_list *lines, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < lines->count && rc == 0; i++)
		rc = check_line(lines->at[i], e);
	return rc;
}

/* The header lines to send, the signature among them. */
static void sign(const struct attempt *a, struct str_list *lines)
{
	const struct s3_request *q = a->q;
	struct sigv4_pair headers[MAX_HEADERS];
	char hex[DIGEST_HEX], date[SIGV4_DATE];
	CLEANUP(mem_free_ptr) char *host = url_host_header(&a->parts);
	CLEANUP(buf_release) struct buf authorization = BUF_INIT(MAX_URL);
	size_t n = 0;
	body_digest(q, hex);
	headers[n++] = (struct sigv4_pair){ "host", host };
	headers[n++] = (struct sigv4_pair){ "x-amz-content-sha256", hex };
	headers[n++] = (struct sigv4_pair){ "x-amz-date", sigv4_date(date, a->now_s) };
	if (a->keys.token)
		headers[n++] = (struct sigv4_pair){ "x-amz-security-token", a->keys.token };
	for (size_t i = 0; i < q->header_count && n < MAX_HEADERS; i++)
		headers[n++] = q->headers[i];
	struct sigv4_request r = { .method = q->method ? q->method : "GET",
				   .path = a->parts.path,
				   .query = q->query,
				   .query_count = q->query_count,
				   .headers = headers,
				   .header_count = n,
				   .payload = hex };
	struct sigv4_scope scope = { a->region, "s3", a->now_s };
	struct sigv4_keys keys = { a->keys.id, a->keys.secret, a->keys.token };
	sigv4_sign(&authorization, &r, &scope, &keys);
	for (size_t i = 1; i < n; i++) /* libcurl sends the host */
		str_list_take(lines, mem_printf("%s: %s", headers[i].name, headers[i].value));
	str_list_take(lines, mem_printf("authorization: %s", buf_str(&authorization)));
}

/* -- performing ------------------------------------------------------------------- */

static int body_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct attempt *a = ctx;
	(void)e;
	memcpy(data, (const char *)a->q->body + offset, len);
	return 0;
}

static void body_sent(void *ctx, int64_t bytes)
{
	struct attempt *a = ctx;
	a->sent += bytes;
	if (a->q->body_sent)
		a->q->body_sent(a->q->body_ctx, bytes);
}

/* PUT and POST have a body, even if it is empty: some servers require its length. */
static bool has_body(const struct s3_request *q)
{
	return q->method && (strcmp(q->method, "PUT") == 0 || strcmp(q->method, "POST") == 0);
}

static int perform(struct attempt *a, struct http_client *c, struct http_response *r, struct err *e)
{
	const struct s3_request *q = a->q;
	CLEANUP(str_list_wipe) struct str_list lines = { 0 };
	CLEANUP(buf_release) struct buf url = BUF_INIT(2 * MAX_URL);
	sign(a, &lines);
	int rc = check_lines(&lines, e);
	if (rc < 0)
		return rc;
	buf_adds(&url, a->url);
	buf_adds(&url, q->query_count ? "?" : "");
	sigv4_query(&url, q->query, q->query_count);
	str_list_take(&lines, NULL);
	struct http_request h = {
		.method = q->method,
		.url = buf_str(&url),
		.what = "",
		.headers = (const char *const *)lines.at,
		.offset = q->offset,
		.length = q->length,
		.deadline_ms = q->deadline_ms,
		.cancel = q->cancel,
		.once = q->once,
		.stall_s = q->works ? S3_WORK_S : 0,
		.read_at = has_body(q) ? body_at : NULL,
		.body_sent = body_sent,
		.body_ctx = a,
		.body_size = q->body_len,
		.into = q->into,
		.begin = q->begin,
		.write = q->write,
		.ctx = q->ctx,
		.answer_header = S3_REGION_HEADER, /* the new host wants another signature */
		.error_body = &a->error,
	};
	if (q->into)
		buf_clear(q->into);
	return http_perform(c, &h, r, e);
}

/* -- judging ---------------------------------------------------------------------- */

struct root {
	const char *want;
	bool is_error, right;
};

/* The root element ends last. */
static int on_element(void *ctx, const char *path, const char *text, struct err *e)
{
	struct root *r = ctx;
	(void)text, (void)e;
	r->is_error = strcmp(path, "Error") == 0;
	r->right = strcmp(path, r->want) == 0;
	return 0;
}

/* Checks the document of an answer with a success status. */
static int judge(const struct attempt *a, struct http_response *r, char *code, struct err *e)
{
	struct err bad = ERR_INIT;
	struct err http = ERR_INIT;
	struct root root = { .want = a->q->root };
	const struct buf *b = a->q->into;
	int rc = s3_xml_parse(buf_str(b), b->len, on_element, &root, &bad);
	if (rc == 0 && root.right)
		return 0;
	if (rc == 0 && root.is_error) {
		/* The server failed after it had begun to answer: it may succeed later. */
		err_set(&http, ERR_NETWORK, "the server failed");
		err_cause(&http, CAUSE_SERVER, 0);
		struct s3_failure f = { r, b->data, b->len, a->now_s, &http };
		return s3_fault(&f, code, e);
	}
	err_set(e, ERR_INTEGRITY, "the answer is not a <%s> document of S3 (%s)", a->q->root,
		rc < 0 ? bad.text : "it has another root element");
	return err_hint(e, "check that the endpoint is that of an S3-compatible server");
}

static int attempt(struct attempt *a, struct http_client *c, struct http_response *r, char *code,
		   struct err *e)
{
	struct err http = ERR_INIT;
	int rc = perform(a, c, r, &http);
	/* No bucket redirects to a web page; a network that wants a login does. */
	if (rc == 0 && r->html && r->redirects)
		return http_fault_page(r, e);
	if (rc == 0)
		return a->q->root ? judge(a, r, code, e) : 0;
	struct s3_failure f = { r, buf_str(&a->error), a->error.len, a->now_s, &http };
	return s3_fault(&f, code, e);
}

/* -- trying once more -------------------------------------------------------------- */

/* Is the bucket in another region? Then later requests go there. */
static bool moved(const struct attempt *a, const struct http_response *r)
{
	struct s3_failure f = { r, buf_str(&a->error), a->error.len, a->now_s, NULL };
	struct s3_place *p = a->place;
	char region[S3_REGION];
	if (r->status != 301 && r->status != 307 && r->status != 400)
		return false;
	s3_fault_region(&f, region);
	if (!region[0] || strcmp(region, a->region) == 0 || !path_is_id(region))
		return false;
	pthread_mutex_lock(&p->lock);
	free(p->region);
	p->region = mem_strdup(region);
	pthread_mutex_unlock(&p->lock);
	return true;
}

static bool expired(const struct attempt *a, const char *code)
{
	bool gone = s3_fault_renews(code);
	if (gone)
		s3_credentials_refuse(a->place->credentials, &a->keys);
	return gone;
}

int s3_call(struct http_client *c, struct s3_place *p, const struct s3_request *q,
	    struct http_response *out, struct err *e)
{
	CLEANUP(http_response_release) struct http_response own = { 0 };
	struct http_response *r = out ? out : &own;
	char code[S3_CODE] = "";
	int rc = 0;
	for (int tries = 0; tries < 2; tries++) {
		CLEANUP(attempt_release) struct attempt a = { .place = p, .q = q };
		struct err why = ERR_INIT;
		rc = prepare(&a, q->key, &why);
		if (rc == 0)
			rc = attempt(&a, c, r, code, &why);
		bool again = rc < 0 && tries == 0 && a.url && (moved(&a, r) || expired(&a, code));
		if (rc < 0 && !again)
			*e = why;
		if (again)
			body_sent(&a, -a.sent); /* it is sent anew */
		if (!again)
			break;
	}
	if (q->code)
		memcpy(q->code, code, sizeof code);
	return rc;
}

int s3_presign(struct s3_place *p, const char *key, uint64_t expires_s, char **out, struct err *e)
{
	CLEANUP(attempt_release) struct attempt a = { .place = p };
	CLEANUP(buf_release) struct buf url = BUF_INIT(2 * MAX_URL);
	int rc = prepare(&a, key, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *host = url_host_header(&a.parts);
	struct sigv4_pair headers[] = { { "host", host } };
	struct sigv4_request r = { .method = "GET",
				   .path = a.parts.path,
				   .headers = headers,
				   .header_count = 1,
				   .payload = SIGV4_UNSIGNED };
	struct sigv4_scope scope = { a.region, "s3", a.now_s };
	struct sigv4_keys keys = { a.keys.id, a.keys.secret, a.keys.token };
	buf_addf(&url, "%s?", a.url);
	sigv4_presign(&url, &r, &scope, &keys, expires_s);
	*out = buf_steal(&url);
	return 0;
}
