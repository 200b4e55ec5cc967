#include "mirror/s3_upload.h"

#include "hash/md5.h"
#include "s3/xml.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

static void upload_free(struct mirror_s3_upload *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; s->parts && i < s->count; i++)
		free(s->parts[i].etag);
	free(s->parts);
	free(s->whole);
	free(s->id);
	free(s->name);
	free(s);
}

void mirror_s3_upload_close(struct mirror_upload *u)
{
	upload_free(u->state);
	u->state = NULL;
}

/* -- pieces ----------------------------------------------------------------------- */

/* Another run, or the server's own rules, ended the upload. */
int mirror_s3_gone(struct err *e)
{
	if (!err_is(e, ERR_NOT_FOUND))
		return -(int)e->class;
	err_class_set(e, ERR_CONFLICT);
	return err_hint(e, "another run has completed or removed it, or a lifecycle rule has "
			   "removed it: push again");
}

static void take_etag(struct mirror_s3_upload *s, uint32_t piece, const char *etag)
{
	char plain[256];
	mirror_s3_etag(plain, etag);
	free(s->parts[piece].etag);
	s->parts[piece].etag = mem_strdup(plain);
	s->parts[piece].doubtful = false;
}

static int put_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		    const void *data, struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(mirror_s3_headers_release) struct mirror_s3_headers h = { 0 };
	struct mirror_s3_progress progress = { .u = u };
	char number[16];
	snprintf(number, sizeof number, "%u", (unsigned)piece + 1);
	struct sigv4_pair query[] = { { "partNumber", number }, { "uploadId", s->id } };
	mirror_s3_add_checksum(&h, u, mirror_upload_digest(u, piece));
	struct s3_request q = { .method = "PUT",
				.key = s->name,
				.query = query,
				.query_count = 2,
				.headers = h.at,
				.header_count = h.count,
				.body = data,
				.body_len = (size_t)grid_length(&u->how.grid, piece),
				.sha256 = mirror_upload_digest(u, piece),
				.body_sent = mirror_s3_on_sent,
				.body_ctx = &progress };
	int rc = mirror_s3_call(c, &q, &r, e);
	if (rc == 0 && !r.etag[0])
		rc = err_set(e, ERR_INTEGRITY, "the server stored a part without an ETag");
	if (rc == 0)
		rc = mirror_s3_check_echo(&h, &r, e);
	if (rc == 0)
		take_etag(s, piece, r.etag);
	else
		mirror_upload_advance(u, -progress.sent);
	return rc < 0 ? mirror_s3_gone(e) : 0;
}

int mirror_s3_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			 const void *data, struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	size_t len = (size_t)grid_length(&u->how.grid, piece);
	struct mirror_s3_part *part = &s->parts[piece];
	char md5[MD5_HEX];
	if (s->whole) {
		memcpy(s->whole + grid_offset(&u->how.grid, piece), data, len);
		return 0;
	}
	if (part->doubtful) {
		md5_of(data, len, md5);
		part->doubtful = strcmp(md5, part->etag) != 0;
		if (!part->doubtful) {
			mirror_upload_found(u, piece);
			return 0;
		}
	}
	return put_part(c, u, piece, data, e);
}

/* -- copies ----------------------------------------------------------------------- */

struct copied {
	char etag[256], checksum[128];
};

static int on_copied(void *ctx, const char *path, const char *text, struct err *e)
{
	struct copied *copied = ctx;
	(void)e;
	if (strcmp(path, "CopyPartResult/ETag") == 0)
		mirror_s3_etag(copied->etag, text);
	else if (strcmp(path, "CopyPartResult/ChecksumSHA256") == 0)
		snprintf(copied->checksum, sizeof copied->checksum, "%s", text);
	return 0;
}

/* A server may report a SHA-256 of the part. Its ETag is the MD5, unless the server encrypts
 * objects. */
static int compare_copy(const struct mirror_upload *u, uint32_t piece,
			const struct mirror_source *from, const struct copied *copied,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *sha256 = mirror_s3_base64(mirror_upload_digest(u, piece));
	char md5[MD5_HEX];
	bool same;
	if (copied->checksum[0]) {
		same = strcmp(copied->checksum, sha256) == 0;
	} else if (from->data && strlen(copied->etag) == MD5_HEX - 1) {
		md5_of(from->data, (size_t)grid_length(&u->how.grid, piece), md5);
		same = strcmp(md5, copied->etag) == 0;
	} else {
		return err_set(e, ERR_USAGE, "the server does not report what it copied from %s",
			       from->key);
	}
	return same ? 0
		    : err_set(e, ERR_INTEGRITY, "the copy of a piece from %s differs", from->key);
}

/* https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
static int copy_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		     const struct mirror_source *from, struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mem_free_ptr) char *source_name = mirror_s3_name(from->mirror, from->key);
	CLEANUP(mem_free_ptr) char *source = mirror_s3_source(from->mirror, source_name);
	struct copied copied = { 0 };
	uint64_t len = grid_length(&u->how.grid, piece);
	char number[16], range[64];
	snprintf(number, sizeof number, "%u", (unsigned)piece + 1);
	snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)from->offset,
		 (unsigned long long)(from->offset + len - 1));
	struct sigv4_pair query[] = { { "partNumber", number }, { "uploadId", s->id } };
	struct sigv4_pair headers[] = { { "x-amz-copy-source", source },
					{ "x-amz-copy-source-range", range } };
	struct s3_request q = { .method = "PUT",
				.key = s->name,
				.query = query,
				.query_count = 2,
				.headers = headers,
				.header_count = 2,
				.root = "CopyPartResult",
				.works = true,
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	if (rc == 0)
		rc = s3_xml_parse(answer.data, answer.len, on_copied, &copied, e);
	if (rc == 0 && !copied.etag[0])
		rc = err_set(e, ERR_INTEGRITY, "the server copied a part without an ETag");
	if (rc == 0)
		rc = compare_copy(u, piece, from, &copied, e);
	if (rc == 0)
		take_etag(s, piece, copied.etag);
	return rc;
}

struct into {
	uint8_t *at, *end;
};

static int on_read(void *ctx, const void *data, size_t len, struct err *e)
{
	struct into *into = ctx;
	if (len > (size_t)(into->end - into->at))
		return err_set(e, ERR_INTEGRITY, "the server sent more than was requested");
	memcpy(into->at, data, len);
	into->at += len;
	return 0;
}

/* A small object, which is one PUT, is read instead. */
static int copy_small(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		      const struct mirror_source *from, struct err *e)
{
	struct mirror_s3_upload *s = u->state;
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(from->mirror, from->key);
	uint8_t *start = s->whole + grid_offset(&u->how.grid, piece);
	uint64_t len = grid_length(&u->how.grid, piece);
	struct into into = { start, start + len };
	struct digest d;
	struct mirror_s3 *other = from->mirror->state;
	struct s3_request q = { .method = "GET",
				.key = name,
				.offset = from->offset,
				.length = len,
				.write = on_read,
				.ctx = &into };
	int rc = s3_call(c->state, &other->place, &q, NULL, e);
	c->mirror->requests++;
	if (rc < 0)
		return rc;
	sha256_of(start, (size_t)len, &d);
	if (into.at != start + len || !digest_equal(&d, mirror_upload_digest(u, piece)))
		return err_set(e, ERR_INTEGRITY, "%s has other bytes there", from->key);
	return 0;
}

int mirror_s3_upload_copy(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			  const struct mirror_source *from, struct err *e)
{
	const struct mirror_s3_upload *s = u->state;
	int rc = s->whole ? copy_small(c, u, piece, from, e) : copy_part(c, u, piece, from, e);
	if (rc == 0 && !s->whole)
		mirror_upload_advance(u, (int64_t)grid_length(&u->how.grid, piece));
	return rc;
}
