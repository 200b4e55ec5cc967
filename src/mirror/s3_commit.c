#include "mirror/s3_upload.h"

#include "s3/tree.h"
#include "s3/xml.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

/* The server has compared the bytes with their digests when it received them. */
static void vouch(const struct mirror_upload *u, struct mirror_stat *out)
{
	const struct mirror_s3_upload *s = u->state;
	bool compared = mirror_s3_has(u->mirror, S3_CHECKS_SHA256) ||
			mirror_s3_has(u->mirror, S3_CHECKSUMS);
	out->has_sha256 = compared && (s->whole || !u->how.pieces);
	out->has_pieces_sha256 = compared && !out->has_sha256;
	if (out->has_sha256)
		out->sha256 = u->how.sha256;
	if (out->has_pieces_sha256)
		grid_root(u->how.pieces, u->how.grid.count, &out->pieces_sha256);
}

static int commit_put(struct mirror_connection *c, struct mirror_upload *u, struct mirror_stat *out,
		      struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(mirror_s3_headers_release) struct mirror_s3_headers h = { 0 };
	struct mirror_s3_progress progress = { .u = u };
	mirror_s3_describe(&h, u);
	mirror_s3_add_conditions(&h, u);
	mirror_s3_add_checksum(&h, u, &u->how.sha256);
	struct s3_request q = { .method = "PUT",
				.key = s->name,
				.headers = h.at,
				.header_count = h.count,
				.body = s->whole,
				.body_len = (size_t)u->how.grid.size,
				.sha256 = &u->how.sha256,
				.body_sent = mirror_s3_on_sent,
				.body_ctx = &progress };
	int rc = mirror_s3_call(c, &q, &r, e);
	if (rc == 0)
		rc = mirror_s3_check_echo(&h, &r, e);
	if (rc < 0) {
		mirror_upload_advance(u, -progress.sent);
		return rc;
	}
	*out = (struct mirror_stat){ .size = u->how.grid.size };
	mirror_s3_etag(out->etag, r.etag);
	vouch(u, out);
	return 0;
}

static void add_part(struct s3_tree *list, const struct mirror_upload *u, uint32_t piece)
{
	const struct mirror_s3_upload *s = u->state;
	CLEANUP(mem_free_ptr) char *number = mem_printf("%u", (unsigned)piece + 1);
	CLEANUP(mem_free_ptr) char *etag = mem_printf("\"%s\"", s->parts[piece].etag);
	CLEANUP(mem_free_ptr) char *sum = mirror_s3_base64(mirror_upload_digest(u, piece));
	struct s3_tree *part = s3_tree_add(list, "Part", NULL);
	s3_tree_add(part, "PartNumber", number);
	s3_tree_add(part, "ETag", etag);
	if (mirror_s3_has(u->mirror, S3_CHECKSUMS))
		s3_tree_add(part, "ChecksumSHA256", sum);
}

static void list_of_parts(struct buf *out, const struct mirror_upload *u)
{
	CLEANUP_PTR(s3_tree_free) struct s3_tree *list = s3_tree_new("CompleteMultipartUpload",
								     NULL);
	for (uint32_t i = 0; i < u->how.grid.count; i++)
		add_part(list, u, i);
	s3_tree_write(out, list);
}

struct completed {
	char etag[256], checksum[128];
};

static int on_completed(void *ctx, const char *path, const char *text, struct err *e)
{
	struct completed *d = ctx;
	(void)e;
	if (strcmp(path, "CompleteMultipartUploadResult/ETag") == 0)
		mirror_s3_etag(d->etag, text);
	else if (strcmp(path, "CompleteMultipartUploadResult/ChecksumSHA256") == 0)
		snprintf(d->checksum, sizeof d->checksum, "%s", text);
	return 0;
}

/* "<base64 of the digest of the digests>-<parts>" */
static int check_composite(const struct mirror_upload *u, const char *checksum, struct err *e)
{
	struct digest root;
	grid_root(u->how.pieces, u->how.grid.count, &root);
	CLEANUP(mem_free_ptr) char *base64 = mirror_s3_base64(&root);
	CLEANUP(mem_free_ptr) char *want = mem_printf("%s-%u", base64, (unsigned)u->how.grid.count);
	if (!*checksum || strcmp(checksum, want) == 0)
		return 0;
	return err_set(e, ERR_INTEGRITY, "the server assembled the parts to other bytes (%s)",
		       checksum);
}

/* Some servers answer without an ETag. */
static int stat_completed(struct mirror_connection *c, const struct mirror_upload *u,
			  struct mirror_stat *out, struct err *e)
{
	const struct mirror_s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	int rc = mirror_s3_head(c, s->name, out, &r, e);
	if (rc == 0 && out->size != u->how.grid.size)
		rc = err_set(e, ERR_INTEGRITY, "the server assembled %llu bytes, not %llu",
			     (unsigned long long)out->size, (unsigned long long)u->how.grid.size);
	return rc;
}

static int complete(struct mirror_connection *c, struct mirror_upload *u, struct mirror_stat *out,
		    struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(buf_release) struct buf body = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mirror_s3_headers_release) struct mirror_s3_headers h = { 0 };
	struct sigv4_pair query = { "uploadId", s->id };
	struct completed done = { 0 };
	list_of_parts(&body, u);
	mirror_s3_add_conditions(&h, u);
	mirror_s3_add(&h, "content-type", "application/xml");
	struct s3_request q = { .method = "POST",
				.key = s->name,
				.query = &query,
				.query_count = 1,
				.headers = h.at,
				.header_count = h.count,
				.body = body.data,
				.body_len = body.len,
				.works = true,
				.root = "CompleteMultipartUploadResult",
				.into = &answer };
	int rc = buf_ok(&body, "the list of parts", e);
	if (rc == 0)
		rc = mirror_s3_call(c, &q, NULL, e);
	if (rc == 0)
		rc = s3_xml_parse(answer.data, answer.len, on_completed, &done, e);
	if (rc == 0)
		rc = check_composite(u, done.checksum, e);
	if (rc == 0)
		rc = stat_completed(c, u, out, e);
	if (rc == 0)
		vouch(u, out);
	return rc;
}

/* The answer to an earlier attempt may have been lost: then the upload is gone, and the object is
 * there. */
static int commit_parts(struct mirror_connection *c, struct mirror_upload *u,
			struct mirror_stat *out, struct err *e)
{
	struct err why = ERR_INIT, ignored = ERR_INIT;
	int rc = mirror_s3_check_condition(c, u, ((struct mirror_s3_upload *)u->state)->name, e);
	if (rc < 0)
		return rc;
	rc = complete(c, u, out, &why);
	if (rc == -ERR_NOT_FOUND && !u->how.was_wrong && stat_completed(c, u, out, &ignored) == 0 &&
	    out->has_sha256 && digest_equal(&out->sha256, &u->how.sha256))
		return 0;
	if (rc < 0) {
		*e = why;
		return mirror_s3_gone(e);
	}
	return 0;
}

int mirror_s3_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			    struct mirror_stat *out, struct err *e)
{
	const struct mirror_s3_upload *s = u->state;
	return s->whole ? commit_put(c, u, out, e) : commit_parts(c, u, out, e);
}

int mirror_s3_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	const struct mirror_s3_upload *s = u->state;
	return s->id ? mirror_s3_abort(c, s->name, s->id, e) : 0;
}
