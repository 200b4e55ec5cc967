/* What all files of the kind use: names, requests, and what one HEAD tells. */
#include "mirror/s3.h"

#include "util/base64.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

char *mirror_s3_name(const struct mirror *m, const char *key)
{
	const struct mirror_s3 *s = m->state;
	return mem_printf("%s%s", s->prefix, key);
}

char *mirror_s3_source(const struct mirror *m, const char *name)
{
	const struct mirror_s3 *s = m->state;
	CLEANUP(buf_release) struct buf b = BUF_INIT(8 * KIB);
	buf_addf(&b, "/%s/", s->place.bucket);
	sigv4_path(&b, name);
	return buf_steal(&b);
}

int mirror_s3_call(struct mirror_connection *c, const struct s3_request *q, struct http_response *r,
		   struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	return s3_call(c->state, &s->place, q, r, e);
}

void mirror_s3_etag(char out[256], const char *etag)
{
	size_t len = strlen(etag);
	if (len >= 2 && etag[0] == '"' && etag[len - 1] == '"') {
		etag++;
		len -= 2;
	}
	snprintf(out, 256, "%.*s", (int)len, etag);
}

int64_t mirror_s3_time(const char *text)
{
	int64_t s = 0;
	char whole[TIME_TEXT];
	/* "2026-01-02T03:04:05.678Z" */
	if (strlen(text) > 20 && text[19] == '.') {
		snprintf(whole, sizeof whole, "%.19sZ", text);
		text = whole;
	}
	return parse_time(text, &s) ? s : 0;
}

void mirror_s3_xml_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			buf_adds(out, "&amp;");
		else if (*text == '<')
			buf_adds(out, "&lt;");
		else if (*text == '>')
			buf_adds(out, "&gt;");
		else if (*text == '"')
			buf_adds(out, "&quot;");
		else
			buf_addc(out, *text);
	}
}

/* "<base64>" is the SHA-256 of the object, "<base64>-<parts>" that of its parts' digests. */
static void take_checksum(struct mirror_stat *out, const char *text)
{
	uint8_t raw[DIGEST_SIZE];
	const char *dash = strchr(text, '-');
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	if (!base64_decode(raw, sizeof raw, text, len))
		return;
	memcpy(dash ? out->pieces_sha256.bytes : out->sha256.bytes, raw, sizeof raw);
	if (dash)
		out->has_pieces_sha256 = true;
	else
		out->has_sha256 = true;
}

static void take_stat(struct mirror_stat *out, const struct http_response *r)
{
	const char *sum = http_response_header(r, "x-amz-checksum-sha256");
	const char *meta = http_response_header(r, "x-amz-meta-sha256");
	*out = (struct mirror_stat){ .size = r->total, .modified_s = r->modified_s };
	mirror_s3_etag(out->etag, r->etag);
	if (meta && digest_parse(&out->sha256, meta))
		out->has_sha256 = true;
	if (sum)
		take_checksum(out, sum);
}

int mirror_s3_head(struct mirror_connection *c, const char *name, struct mirror_stat *out,
		   struct http_response *r, struct err *e)
{
	struct sigv4_pair mode = { "x-amz-checksum-mode", "ENABLED" };
	struct s3_request q = { .method = "HEAD", .key = name, .headers = &mode };
	q.header_count = mirror_s3_has(c->mirror, S3_CHECKSUMS);
	int rc = mirror_s3_call(c, &q, r, e);
	if (rc == 0 && !r->has_total)
		rc = err_set(e, ERR_USAGE, "the server does not report the size of the object");
	if (rc == 0)
		take_stat(out, r);
	return rc;
}
