#include "s3/credentials_internal.h"

#include "http/http.h"
#include "util/encoding.h"
#include "util/file.h"
#include "util/text.h"

#include <string.h>

#define MAX_TOKEN (20 * KIB)
#define DEADLINE_MS 30000
#define NEARBY_DEADLINE_MS 2000
#define NEARBY_CONNECT_S 1

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct buf *body = ctx;
	(void)e;
	memcpy(data, body->data + offset, len);
	return 0;
}

int credentials_ask(const struct credentials_search *s, const struct credentials_request *q,
		    struct buf *answer, long *status, struct buf *fault, struct err *e)
{
	CLEANUP_PTR(http_client_free) struct http_client *client = NULL;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	const struct http_options options = {
		.connect_timeout_s = q->nearby ? NEARBY_CONNECT_S : 0,
		.cancel = s->cancel,
		.direct = q->nearby,
	};
	const struct http_request request = {
		.method = q->method,
		.url = q->url,
		.what = q->what,
		.headers = q->headers,
		.deadline_ms = q->nearby ? NEARBY_DEADLINE_MS : DEADLINE_MS,
		.read_at = q->body ? read_body : NULL,
		.body_ctx = (void *)q->body,
		.body_size = q->body ? q->body->len : 0,
		.into = answer,
		.error_body = fault,
	};
	int rc = http_client_new(&options, &client, e);
	if (rc == 0)
		rc = http_perform(client, &request, &r, e);
	*status = r.status;
	return rc;
}

int credentials_token_file(const char *path, struct buf *out, struct err *e)
{
	out->max = MAX_TOKEN;
	int rc = file_read_named(path, out, e);
	if (rc < 0)
		return err_class_set(e, ERR_USAGE);
	encoding_to_utf8(out);
	while (out->len && strchr(" \t\r\n", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	size_t blanks = strspn(buf_str(out), " \t\r\n");
	if (blanks) {
		out->len -= blanks;
		memmove(out->data, out->data + blanks, out->len + 1);
	}
	if (!out->len || strlen(out->data) != out->len || strpbrk(out->data, "\r\n"))
		return err_set(e, ERR_USAGE, "%s: not a token of one line", path);
	return 0;
}
