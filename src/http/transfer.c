#include "http/internal.h"

#include "util/cancel.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define MAX_HEADERS (128 * KIB)
#define MAX_DISCARD (64 * KIB)
#define POLL_MS 100

static bool is_success(long status)
{
	return (status >= 200 && status <= 299) || status == 304;
}

static bool is_redirect(const struct http_response *r)
{
	return (r->status == 301 || r->status == 302 || r->status == 303 || r->status == 307 ||
		r->status == 308) &&
	       http_response_header(r, "location");
}

/* -- headers --------------------------------------------------------------------- */

static void forget_answer(struct transfer *t)
{
	struct http_response *r = t->r;
	str_list_release(&r->headers);
	*r = (struct http_response){
		.url = r->url,
		.redirects = r->redirects,
		.proxy = r->proxy,
		.times = r->times,
		.certificate_expires_s = r->certificate_expires_s,
	};
	t->answered = false;
}

static void read_fields(struct http_response *r, const struct clock *clock)
{
	const char *v;
	uint64_t left, reset_s;
	struct content_range range;
	if ((v = http_response_header(r, "content-length")))
		r->has_length = parse_u64(v, &r->length);
	if ((v = http_response_header(r, "content-type")))
		header_media_type(v, r->type);
	if ((v = http_response_header(r, "etag")))
		header_etag(v, r->etag);
	if ((v = http_response_header(r, "last-modified")))
		header_date(v, &r->modified_s);
	if ((v = http_response_header(r, "retry-after")))
		header_retry_after(v, clock_wall_s(clock), &r->retry_after_s);
	else if (r->status == 429 && (v = http_response_header(r, "ratelimit")) &&
		 header_rate_limit(v, &left, &reset_s) && !left)
		r->retry_after_s = reset_s;
	if ((v = http_response_header(r, "content-disposition")))
		header_file_name(v, r->file_name);
	if (r->status == 416 && (v = http_response_header(r, "content-range")) &&
	    header_content_range(v, &range) && range.has_total) {
		r->has_total = true;
		r->total = range.total;
	}
	r->html = strcmp(r->type, "text/html") == 0 ||
		  strcmp(r->type, "application/xhtml+xml") == 0;
}

static int headers_complete(struct transfer *t)
{
	curl_easy_getinfo(t->client->easy, CURLINFO_RESPONSE_CODE, &t->r->status);
	if (t->r->status < 200)
		return 0;
	t->answered = true;
	read_fields(t->r, t->client->options.clock);
	const char *ends = t->q->answer_header;
	t->redirected = is_redirect(t->r) && !(ends && http_response_header(t->r, ends));
	return is_success(t->r->status) ? http_range_judge(t) : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * count;
	char *name, *value;
	t->header_bytes += len;
	if (t->header_bytes > MAX_HEADERS) {
		t->rc = err_set(t->e, ERR_INTEGRITY, "headers of more than %llu KiB",
				(unsigned long long)(MAX_HEADERS / KIB));
		return 0;
	}
	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		forget_answer(t);
		return len;
	}
	if (t->answered) /* trailers after a chunked body */
		return len;
	if (len <= 2 && (data[0] == '\r' || data[0] == '\n')) {
		t->rc = headers_complete(t);
		return t->rc < 0 ? 0 : len;
	}
	CLEANUP(mem_free_ptr) char *line = mem_strndup(data, len);
	if (header_split(line, &name, &value))
		str_list_take(&t->r->headers, mem_printf("%s: %s", name, value));
	return len;
}

/* -- the answer's body ----------------------------------------------------------- */

static int begin(struct transfer *t)
{
	if (t->began)
		return 0;
	t->began = true;
	return t->q->begin ? t->q->begin(t->q->ctx, t->r, t->e) : 0;
}

/* An unwanted body: a little of it is read, so that the connection can be reused. */
static int discard(struct transfer *t, const char *data, size_t len)
{
	struct buf *b = t->q->error_body;
	size_t known = strlen(t->refusal);
	if (t->r->status == 400)
		memcpy(t->refusal + known, data, MIN(len, sizeof t->refusal - 1 - known));
	if (b && !t->redirected)
		buf_add(b, data, MIN(len, b->max - b->len));
	t->discarded += len;
	if (t->discarded > MAX_DISCARD) {
		t->enough = true;
		return -1;
	}
	return 0;
}

static int deliver(struct transfer *t, const char *data, size_t len)
{
	const struct http_request *q = t->q;
	struct http_response *r = t->r;
	uint64_t left = t->want == UINT64_MAX ? UINT64_MAX : t->want - r->received;
	bool more = len > left;
	if (more && !r->range_ignored)
		return err_set(t->e, ERR_INTEGRITY, "sent more than the announced %llu bytes",
			       (unsigned long long)t->want);
	len = more ? (size_t)left : len;
	int rc = 0;
	if (len && q->into) {
		buf_add(q->into, data, len);
		rc = buf_ok(q->into, "the answer", t->e);
	} else if (len && q->write) {
		rc = q->write(q->ctx, data, len, t->e);
	}
	if (rc < 0)
		return rc;
	r->received += len;
	t->enough = more;
	return more ? -1 : 0;
}

static int take_body(struct transfer *t, const char *data, size_t len)
{
	if (t->redirected || !is_success(t->r->status))
		return discard(t, data, len);
	if (!t->began && t->skip == 0 && t->r->offset == 0 && header_body_is_html(data, len))
		t->r->html = true;
	size_t skipped = (size_t)MIN(t->skip, len);
	t->skip -= skipped;
	if (skipped == len)
		return 0;
	int rc = begin(t);
	return rc < 0 ? rc : deliver(t, data + skipped, len - skipped);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * count;
	int rc = rate_take(t->client->options.rate, len, t->client->options.cancel, t->e);
	if (rc == 0 && t->access)
		rc = rate_take(&t->access->rate, len, t->client->options.cancel, t->e);
	if (rc == 0)
		rc = take_body(t, data, len);
	if (rc < 0 && !t->enough)
		t->rc = rc;
	return rc < 0 ? CURL_WRITEFUNC_ERROR : len;
}

/* -- the request's body ---------------------------------------------------------- */

static size_t on_read(char *data, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	const struct http_request *q = t->q;
	size_t len = (size_t)MIN(size * count, q->body_size - t->sent);
	if (len == 0)
		return 0;
	int rc = rate_take(t->client->options.rate, len, t->client->options.cancel, t->e);
	if (rc == 0)
		rc = q->read_at(q->body_ctx, t->sent, data, len, t->e);
	if (rc < 0) {
		t->rc = rc;
		return CURL_READFUNC_ABORT;
	}
	t->sent += len;
	if (q->body_sent)
		q->body_sent(q->body_ctx, (int64_t)len);
	return len;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct transfer *t = ctx;
	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->q->body_size)
		return CURL_SEEKFUNC_CANTSEEK;
	if (t->q->body_sent)
		t->q->body_sent(t->q->body_ctx, (int64_t)offset - (int64_t)t->sent);
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* -- the hop --------------------------------------------------------------------- */

static bool is_secret_header(const char *line)
{
	static const char *const names[] = { "authorization:", "cookie:", "x-amz-", "x-aws-" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static struct curl_slist *request_headers(const struct transfer *t)
{
	/* R2 and many others have no 100-continue: waiting for it costs a second. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	for (const char *const *h = t->q->headers; h && *h; h++)
		if (t->with_secrets || !is_secret_header(*h))
			list = curl_slist_append(list, *h);
	if (t->access && t->access->header && t->with_secrets)
		list = curl_slist_append(list, t->access->header);
	CLEANUP(mem_free_ptr) char *token = http_access_header(t);
	if (token) {
		list = curl_slist_append(list, token);
		mem_wipe(token, strlen(token));
	}
	if (t->q->if_range && (t->q->offset || t->q->length)) {
		CLEANUP(mem_free_ptr) char *line = mem_printf("If-Range: %s", t->q->if_range);
		list = curl_slist_append(list, line);
	}
	return list;
}

static void setup_range(const struct transfer *t)
{
	const struct http_request *q = t->q;
	char range[48];
	if (!q->offset && !q->length)
		return;
	if (q->length)
		snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)q->offset,
			 (unsigned long long)(q->offset + q->length - 1));
	else
		snprintf(range, sizeof range, "%llu-", (unsigned long long)q->offset);
	curl_easy_setopt(t->client->easy, CURLOPT_RANGE, range);
}

static void setup_deadline(const struct transfer *t)
{
	uint64_t now = clock_now_ms(t->client->options.clock);
	if (!t->end_ms)
		return;
	curl_easy_setopt(t->client->easy, CURLOPT_TIMEOUT_MS,
			 (long)(t->end_ms > now ? t->end_ms - now : 1));
	/* Otherwise cleanup would wait for the name resolution. */
	curl_easy_setopt(t->client->easy, CURLOPT_QUICK_EXIT, 1L);
}

static void setup(struct transfer *t, struct curl_slist *headers)
{
	CURL *easy = t->client->easy;
	http_client_setup(t->client);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)t->stall_s);
	curl_easy_setopt(easy, CURLOPT_URL, t->url->text);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	if (strcmp(t->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (t->with_body) {
		curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->q->body_size);
		curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(easy, CURLOPT_READDATA, t);
		curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
	} else if (strcmp(t->method, "GET") != 0) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
	}
	/* ~/.netrc may name the host that a redirect leads to. */
	bool netrc = t->with_secrets &&
		     (t->client->options.netrc || (t->access && t->access->netrc));
	curl_easy_setopt(easy, CURLOPT_NETRC,
			 (long)(netrc ? CURL_NETRC_OPTIONAL : CURL_NETRC_IGNORED));
	if (t->with_secrets && t->url->user) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, t->url->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, t->url->password ? t->url->password : "");
	}
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, t->q->once ? 1L : 0L);
	http_access_setup(t);
	setup_range(t);
	setup_deadline(t);
	http_observe_setup(t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
}

/* Uses the multi interface, because curl_easy_perform() sleeps up to a second and does not wake
 * up for a signal. */
static int run(struct transfer *t, CURLcode *code)
{
	struct http_client *c = t->client;
	int running = 1, left, rc = 0;
	if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
		return err_set(t->e, ERR_SYSTEM, "libcurl refused the request");
	while (running && rc == 0) {
		CURLMcode bad = curl_multi_perform(c->multi, &running);
		if (bad == CURLM_OK && running)
			bad = curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
		if (bad != CURLM_OK)
			rc = err_set(t->e, ERR_SYSTEM, "%s", curl_multi_strerror(bad));
		else
			rc = cancel_check(c->options.cancel, t->e);
		if (rc == 0)
			rc = cancel_check(t->q->cancel, t->e);
	}
	CURLMsg *message = curl_multi_info_read(c->multi, &left);
	if (message && message->msg == CURLMSG_DONE)
		*code = message->data.result;
	/* Otherwise removing the handle would wait for the name resolution. */
	if (rc < 0)
		curl_easy_setopt(c->easy, CURLOPT_QUICK_EXIT, 1L);
	return rc;
}

/* A range that starts at the end of the file: nothing is left, which is not an error. */
static bool is_at_end(const struct transfer *t)
{
	return t->r->status == 416 && t->r->has_total && t->q->offset == t->r->total &&
	       t->q->length == 0;
}

static int conclude(struct transfer *t, CURLcode code, char **next)
{
	if (t->rc < 0)
		return t->rc;
	if (t->answered && (code == CURLE_OK || t->enough || t->r->status >= 300)) {
		if (t->redirected) {
			char *to = NULL;
			curl_easy_getinfo(t->client->easy, CURLINFO_REDIRECT_URL, &to);
			if (to)
				*next = mem_strdup(to);
			return to ? 0 : http_fault_status(t, t->e);
		}
		if (is_at_end(t)) {
			t->r->html = false; /* that was the error page */
			return begin(t);
		}
		if (!is_success(t->r->status))
			return http_fault_status(t, t->e);
		bool bodiless = strcmp(t->method, "HEAD") == 0 || t->r->status == 304;
		if (!bodiless && t->want != UINT64_MAX && t->r->received < t->want)
			return http_fault_curl(t, CURLE_PARTIAL_FILE, t->e);
		return begin(t);
	}
	return http_fault_curl(t, code == CURLE_OK ? CURLE_GOT_NOTHING : code, t->e);
}

int http_transfer(struct transfer *t, char **next)
{
	CURLcode code = CURLE_OK;
	struct curl_slist *headers = request_headers(t);
	t->want = UINT64_MAX;
	*next = NULL;
	setup(t, headers);
	int rc = run(t, &code);
	http_observe(t);
	if (rc == 0)
		rc = conclude(t, code, next);
	curl_multi_remove_handle(t->client->multi, t->client->easy);
	curl_easy_reset(t->client->easy);
	curl_slist_free_all(headers);
	return rc;
}
