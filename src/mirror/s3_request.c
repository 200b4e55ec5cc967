/* Used by all files of the kind: names, requests, HEAD and listings. */
#include "mirror/s3.h"

#include "util/base64.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/clock.h"
#include "util/retry.h"

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
	c->mirror->requests++;
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

int mirror_s3_on_upload_id(void *ctx, const char *path, const char *text, struct err *e)
{
	char **id = ctx;
	(void)e;
	if (strcmp(path, "InitiateMultipartUploadResult/UploadId") == 0) {
		free(*id);
		*id = mem_strdup(text);
	}
	return 0;
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
	const char *meta = http_response_header(r, MIRROR_S3_META_SHA256);
	*out = (struct mirror_stat){ .size = r->total, .modified_s = r->modified_s };
	mirror_s3_etag(out->etag, r->etag);
	if (sum)
		take_checksum(out, sum);
	/* A checksum of the server takes precedence over what was uploaded with the object. */
	if (!out->has_sha256 && !out->has_pieces_sha256 && meta)
		out->has_sha256 = digest_parse(&out->sha256, meta);
}

void mirror_s3_foreign(const char *code, struct err *why)
{
	struct err foreign = ERR_INIT;
	bool is_foreign = !code[0] && why->cause != CAUSE_TLS && why->cause != CAUSE_PROXY &&
			  (err_is(why, ERR_NOT_FOUND) || err_is(why, ERR_USAGE) ||
			   err_is(why, ERR_INTEGRITY));
	if (!is_foreign)
		return;
	err_set(&foreign, ERR_USAGE, "the endpoint does not answer as an S3 server does: %s",
		why->text);
	err_hint(&foreign, "check the endpoint in ferry.conf");
	*why = foreign;
}

int mirror_s3_reach(struct mirror_connection *c, struct http_response *r, struct err *e)
{
	const struct mirror_s3 *s = c->mirror->state;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct err why = ERR_INIT;
	char code[S3_CODE] = "";
	struct sigv4_pair query[] = {
		{ "list-type", "2" },
		{ "max-keys", "1" },
		{ "delimiter", "/" },
		{ "prefix", s->prefix },
	};
	struct s3_request q = { .method = "GET",
				.query = query,
				.query_count = 4,
				.root = "ListBucketResult",
				.into = &answer,
				.code = code };
	int rc = mirror_s3_call(c, &q, r, &why);
	if (rc == 0)
		return 0;
	mirror_s3_foreign(code, &why);
	*e = why;
	return -(int)e->class;
}

/* The answer to HEAD has no body, so it does not say why it was refused; that to a listing does. If
 * the listing works (it may have renewed the keys), the HEAD is tried once more. */
static int refused(struct mirror_connection *c, const struct s3_request *q, struct http_response *r,
		   struct err *why)
{
	struct err reason = ERR_INIT;
	int rc = mirror_s3_reach(c, NULL, &reason);
	if (rc == 0)
		return mirror_s3_call(c, q, r, why);
	if (err_is(&reason, ERR_AUTH))
		*why = reason;
	return -(int)why->class;
}

/* Status 400 is how AWS answers an expired session. */
static bool is_refused(int rc, const struct http_response *r)
{
	return rc == -ERR_AUTH || (rc == -ERR_USAGE && r->status == 400);
}

int mirror_s3_absent(struct mirror_connection *c, const struct err *why, struct err *e)
{
	struct mirror_s3 *s = c->mirror->state;
	struct err reason = ERR_INIT;
	int rc = s->reached ? 0 : mirror_s3_reach(c, NULL, &reason);
	if (rc != -ERR_USAGE && rc != -ERR_NETWORK)
		s->reached = true;
	*e = rc == -ERR_USAGE ? reason : *why;
	return -(int)e->class;
}

int mirror_s3_head(struct mirror_connection *c, const char *name, struct mirror_stat *out,
		   struct http_response *r, struct err *e)
{
	struct sigv4_pair mode = { "x-amz-checksum-mode", "ENABLED" };
	struct s3_request q = { .method = "HEAD", .key = name, .headers = &mode };
	struct err why = ERR_INIT;
	q.header_count = !mirror_s3_has(c->mirror, S3_PROBED) ||
			 mirror_s3_has(c->mirror, S3_CHECKSUMS);
	int rc = mirror_s3_call(c, &q, r, &why);
	if (is_refused(rc, r))
		rc = refused(c, &q, r, &why);
	if (rc == -ERR_NOT_FOUND)
		return mirror_s3_absent(c, &why, e);
	if (rc < 0)
		*e = why;
	if (rc == 0 && !r->has_total)
		rc = err_set(e, ERR_USAGE, "the server does not report the size of the object");
	if (rc == 0)
		take_stat(out, r);
	return rc;
}

/* -- objects that no reader looks for ----------------------------------------------- */

char *mirror_s3_scratch(struct mirror_connection *c, const char *what)
{
	CLEANUP(mem_free_ptr) char *key =
		mem_printf(MIRROR_S3_SCRATCH "%s-%016llx", what,
			   (unsigned long long)random_below(NULL, UINT64_MAX));
	return mirror_s3_name(c->mirror, key);
}

/* Some servers allow one write or removal per second of an object. */
int mirror_s3_remove_scratch(struct mirror_connection *c, const char *name, struct err *e)
{
	struct s3_request q = { .method = "DELETE", .key = name };
	struct retry retry = RETRY_DEFAULT;
	int rc;
	retry.clock = c->mirror->env.clock;
	retry.cancel = c->mirror->env.cancel;
	do {
		rc = mirror_s3_call(c, &q, NULL, e);
	} while (rc < 0 && retry_again(&retry, e));
	return rc < 0 ? -(int)e->class : 0;
}

/* -- lists ------------------------------------------------------------------------ */

#define MAX_QUERY 8

static const struct list_kind {
	const char *query, *value; /* what selects it; NULL: nothing */
	const char *marker, *id_marker, *root;
} list_kinds[] = {
	[MIRROR_S3_OBJECTS] = { "list-type", "2", "continuation-token", NULL, "ListBucketResult" },
	[MIRROR_S3_UPLOADS] = { "uploads", NULL, "key-marker", "upload-id-marker",
				"ListMultipartUploadsResult" },
	[MIRROR_S3_PARTS] = { NULL, NULL, "part-number-marker", NULL, "ListPartsResult" },
	[MIRROR_S3_VERSIONS] = { "versions", NULL, "key-marker", "version-id-marker",
				 "ListVersionsResult" },
};

/* The page that starts where `last` ends. */
static int list_page(struct mirror_connection *c, const struct mirror_s3_list *l,
		     const struct s3_page *last, struct s3_page *out, struct err *e)
{
	const struct list_kind *k = &list_kinds[l->list];
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[MAX_QUERY];
	struct s3_request q = { .method = "GET", .key = l->name, .query = query };
	if (k->query)
		query[q.query_count++] = (struct sigv4_pair){ k->query, k->value };
	if (l->id)
		query[q.query_count++] = (struct sigv4_pair){ "uploadId", l->id };
	if (l->prefix)
		query[q.query_count++] = (struct sigv4_pair){ "prefix", l->prefix };
	/* radosgw encodes the names of uploads without saying so. */
	if (l->prefix && l->list != MIRROR_S3_UPLOADS)
		query[q.query_count++] = (struct sigv4_pair){ "encoding-type", "url" };
	if (l->folders)
		query[q.query_count++] = (struct sigv4_pair){ "delimiter", "/" };
	if (last->next)
		query[q.query_count++] = (struct sigv4_pair){ k->marker, last->next };
	if (last->next && last->next_id && k->id_marker)
		query[q.query_count++] = (struct sigv4_pair){ k->id_marker, last->next_id };
	q.root = k->root;
	q.into = &answer;
	int rc = mirror_s3_call(c, &q, NULL, e);
	return rc < 0 ? rc : s3_page_parse(buf_str(&answer), answer.len, out, e);
}

/* Does the page name itself as the next one? Then the server does not support markers, and the list
 * would never end. */
static int check_progress(const struct s3_page *page, const struct s3_page *last, struct err *e)
{
	bool same = page->more && last->next && strcmp(last->next, page->next) == 0 &&
		    (!page->next_id || !last->next_id || strcmp(last->next_id, page->next_id) == 0);
	return same ? err_set(e, ERR_INTEGRITY, "the server sends the same page of the list again")
		    : 0;
}

int mirror_s3_list(struct mirror_connection *c, const struct mirror_s3_list *l,
		   mirror_s3_item_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(s3_page_release) struct s3_page last = { 0 };
	bool more = true;
	int rc = 0;
	while (rc == 0 && more) {
		struct s3_page page = { 0 };
		rc = cancel_check(c->mirror->env.cancel, e);
		if (rc == 0)
			rc = list_page(c, l, &last, &page, e);
		if (rc == 0)
			rc = check_progress(&page, &last, e);
		for (size_t i = 0; rc == 0 && i < page.count; i++)
			rc = fn(ctx, &page.at[i], e);
		more = rc == 0 && page.more;
		s3_page_release(&last);
		last = page;
	}
	return rc;
}
