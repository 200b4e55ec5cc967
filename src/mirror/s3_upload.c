/*
 * A small object, and metadata, is one PUT at the commit: there a condition holds on every server
 * that knows conditions. A large object, whose name has its digest in it, is a multipart upload:
 * the pieces are its parts, and the upload that an earlier run left is found by listing. A part
 * that the server lists without a SHA-256 is compared when its piece is put, by its MD5.
 */
#include "mirror/s3.h"

#include "hash/md5.h"
#include "s3/xml.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

/* It is kept in memory until the commit. */
#define MAX_ONE_PUT (64 * MIB)
#define MAX_CANDIDATES 8
#define MAX_HEADERS 16

struct upload_part {
	char *etag;    /* without quotes; NULL: not there */
	bool doubtful; /* listed by the server, not compared yet */
};

struct s3_upload {
	char *name;
	char *id;       /* NULL: one PUT */
	uint8_t *whole; /* of one PUT */
	struct upload_part *parts;
	uint32_t count;
	bool unchecked; /* a part was copied, and not compared */
};

static void upload_free(struct s3_upload *s)
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

/* -- headers ---------------------------------------------------------------------- */

struct headers {
	struct sigv4_pair at[MAX_HEADERS];
	size_t count;
	char hex[DIGEST_HEX];
	char *disposition, *etag, *checksum;
};

static void headers_release(struct headers *h)
{
	free(h->disposition);
	free(h->etag);
	free(h->checksum);
}

static void add(struct headers *h, const char *name, const char *value)
{
	h->at[h->count++] = (struct sigv4_pair){ name, value };
}

static char *base64_of(const struct digest *d)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	base64_add(&b, d->bytes, sizeof d->bytes);
	return buf_steal(&b);
}

/* The name that a browser saves it under: without the digest that consistent snapshots put in
 * front. */
static char *disposition_of(const char *key)
{
	const char *base = path_base(key);
	uint8_t raw[DIGEST_SIZE];
	CLEANUP(mem_free_ptr) char *hex = mem_strndup(base, MIN(strlen(base), 64));
	if (strlen(base) < 66 || base[64] != '.' || !hex_decode(raw, sizeof raw, hex, false))
		return NULL;
	CLEANUP(mem_free_ptr) char *encoded = path_percent_encode(base + 65, "");
	return mem_printf("attachment; filename*=UTF-8''%s", encoded);
}

/* https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html */
static void describe(struct headers *h, const struct mirror_upload *u)
{
	const struct mirror_s3 *s = u->mirror->state;
	const struct mirror_put *how = &u->how;
	h->disposition = how->immutable ? disposition_of(u->key) : NULL;
	add(h, "content-type", how->content_type ? how->content_type : "application/octet-stream");
	add(h, "cache-control",
	    how->immutable ? "public, max-age=31536000, immutable" : "public, max-age=60");
	if (h->disposition)
		add(h, "content-disposition", h->disposition);
	add(h, "x-amz-meta-sha256", digest_hex(h->hex, &how->sha256));
	if (s->storage_class)
		add(h, "x-amz-storage-class", s->storage_class);
}

static void add_conditions(struct headers *h, const struct mirror_upload *u)
{
	const struct mirror_put *how = &u->how;
	bool plain = mirror_s3_has(u->mirror, S3_PLAIN_ETAG);
	if (how->only_if_absent)
		add(h, "if-none-match", "*");
	if (!how->only_if_etag)
		return;
	h->etag = mem_printf(plain ? "%s" : "\"%s\"", how->only_if_etag);
	add(h, "if-match", h->etag);
}

static void add_checksum(struct headers *h, const struct mirror_upload *u, const struct digest *d)
{
	if (!mirror_s3_has(u->mirror, S3_CHECKSUMS))
		return;
	h->checksum = base64_of(d);
	add(h, "x-amz-checksum-sha256", h->checksum);
}

/* -- progress --------------------------------------------------------------------- */

struct progress {
	struct mirror_upload *u;
	int64_t sent;
};

static void on_sent(void *ctx, int64_t bytes)
{
	struct progress *p = ctx;
	p->sent += bytes;
	mirror_upload_advance(p->u, bytes);
}

/* -- opening ---------------------------------------------------------------------- */

/* Before the work starts; the server decides when it is done. */
static int check_condition(struct mirror_connection *c, const struct mirror_upload *u,
			   const char *name, struct err *e)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct err why = ERR_INIT;
	struct mirror_stat st;
	if (!u->how.only_if_absent && !u->how.only_if_etag)
		return 0;
	int rc = mirror_s3_head(c, name, &st, &r, &why);
	if (rc < 0 && rc != -ERR_NOT_FOUND) {
		*e = why;
		return rc;
	}
	if (rc == 0 && u->how.only_if_absent)
		return err_set(e, ERR_CONFLICT, "exists already");
	if (u->how.only_if_etag && (rc < 0 || strcmp(st.etag, u->how.only_if_etag) != 0))
		return err_set(e, ERR_CONFLICT, "was changed by another publisher");
	return 0;
}

static int on_created(void *ctx, const char *path, const char *text, struct err *e)
{
	char **id = ctx;
	(void)e;
	if (strcmp(path, "InitiateMultipartUploadResult/UploadId") == 0) {
		free(*id);
		*id = mem_strdup(text);
	}
	return 0;
}

static int create(struct mirror_connection *c, struct mirror_upload *u, struct s3_upload *s,
		  struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(headers_release) struct headers h = { 0 };
	struct sigv4_pair query = { "uploads", NULL };
	describe(&h, u);
	if (mirror_s3_has(c->mirror, S3_CHECKSUMS)) {
		add(&h, "x-amz-checksum-algorithm", "SHA256");
		add(&h, "x-amz-checksum-type", "COMPOSITE");
	}
	struct s3_request q = { .method = "POST",
				.key = s->name,
				.query = &query,
				.query_count = 1,
				.headers = h.at,
				.header_count = h.count,
				.root = "InitiateMultipartUploadResult",
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	if (rc == 0)
		rc = s3_xml_parse(answer.data, answer.len, on_created, &s->id, e);
	if (rc == 0 && (!s->id || !*s->id))
		rc = err_set(e, ERR_INTEGRITY, "the server opened an upload without an id");
	return rc;
}

/* -- what an earlier upload left --------------------------------------------------- */

struct candidates {
	const char *name;
	bool checksums; /* only uploads that were opened with them */
	struct {
		char *id;
		int64_t started_s;
	} at[MAX_CANDIDATES];
	size_t count;
};

static void candidates_release(struct candidates *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->at[i].id);
}

/* The latest ones, if there are many. */
static int on_candidate(void *ctx, const struct s3_item *u, struct err *e)
{
	struct candidates *all = ctx;
	size_t at = all->count;
	(void)e;
	if (u->kind != S3_ITEM_UPLOAD || strcmp(u->name, all->name) != 0 || !u->id[0] ||
	    (all->checksums && !u->algorithm[0]))
		return 0;
	if (at == MAX_CANDIDATES) {
		for (size_t i = at = 0; i < MAX_CANDIDATES; i++)
			if (all->at[i].started_s < all->at[at].started_s)
				at = i;
		if (all->at[at].started_s >= u->time_s)
			return 0;
		free(all->at[at].id);
	} else {
		all->count++;
	}
	all->at[at].id = mem_strdup(u->id);
	all->at[at].started_s = u->time_s;
	return 0;
}

/* Could this part be the piece of its number? */
static bool may_match(const struct mirror_upload *u, const struct s3_item *p)
{
	if (p->kind != S3_ITEM_PART || !p->number || p->number > u->how.grid.count || !p->etag[0])
		return false;
	uint32_t piece = (uint32_t)p->number - 1;
	if (p->size != grid_length(&u->how.grid, piece))
		return false;
	if (!p->checksum_sha256[0])
		return true;
	CLEANUP(mem_free_ptr) char *want = base64_of(mirror_upload_digest(u, piece));
	return strcmp(want, p->checksum_sha256) == 0;
}

/* The parts of one candidate that may be pieces. */
struct found {
	const struct mirror_upload *u;
	struct upload_part *parts; /* u->how.grid.count */
	uint32_t count;
};

static int on_part(void *ctx, const struct s3_item *p, struct err *e)
{
	struct found *f = ctx;
	(void)e;
	if (!may_match(f->u, p))
		return 0;
	struct upload_part *part = &f->parts[p->number - 1];
	f->count += !part->etag;
	free(part->etag);
	part->etag = mem_strdup(p->etag);
	part->doubtful = !p->checksum_sha256[0];
	return 0;
}

static void found_release(struct found *f)
{
	for (uint32_t i = 0; f->parts && i < f->u->how.grid.count; i++)
		free(f->parts[i].etag);
	free(f->parts);
	f->parts = NULL;
}

static void take_parts(struct mirror_upload *u, struct s3_upload *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->parts[i].etag && s->parts[i].doubtful)
			u->to_compare++;
		else if (s->parts[i].etag)
			mirror_upload_found(u, i);
	}
}

/* Chooses the candidate that has most of the pieces. */
static int choose(struct mirror_connection *c, struct mirror_upload *u, struct s3_upload *s,
		  const struct candidates *all, struct err *e)
{
	uint32_t best = 0;
	for (size_t i = 0; i < all->count; i++) {
		struct mirror_s3_list parts = { .list = MIRROR_S3_PARTS,
						.name = s->name,
						.id = all->at[i].id };
		CLEANUP(found_release) struct found f = { .u = u };
		struct err why = ERR_INIT;
		f.parts = mem_alloc((s->count + 1) * sizeof *f.parts);
		int rc = mirror_s3_list(c, &parts, on_part, &f, &why);
		if (rc < 0 && rc != -ERR_NOT_FOUND && rc != -ERR_USAGE) {
			*e = why;
			return rc;
		}
		if (rc < 0 || (s->id && f.count <= best))
			continue;
		best = f.count;
		free(s->id);
		s->id = mem_strdup(all->at[i].id);
		struct upload_part *worse = s->parts;
		s->parts = f.parts;
		f.parts = worse;
	}
	take_parts(u, s);
	return 0;
}

static int find_upload(struct mirror_connection *c, struct mirror_upload *u, struct s3_upload *s,
		       struct err *e)
{
	CLEANUP(candidates_release) struct candidates all = { .name = s->name };
	struct err why = ERR_INIT;
	bool probed = mirror_s3_has(c->mirror, S3_PROBED);
	if (probed && !mirror_s3_has(c->mirror, S3_LISTS_PARTS))
		return 0;
	all.checksums = mirror_s3_has(c->mirror, S3_CHECKSUMS);
	struct mirror_s3_list uploads = { .list = MIRROR_S3_UPLOADS, .prefix = s->name };
	int rc = mirror_s3_list(c, &uploads, on_candidate, &all, &why);
	if (rc == 0)
		return choose(c, u, s, &all, e);
	if (!probed && (rc == -ERR_USAGE || rc == -ERR_INTEGRITY))
		return 0; /* it cannot be listed there */
	*e = why;
	return rc;
}

/* Is the content part of the name? Then every open upload of this name is one of this content. */
static bool is_named_by_content(const struct mirror_upload *u)
{
	char hex[DIGEST_HEX];
	return strstr(path_base(u->key), digest_hex(hex, &u->how.sha256));
}

static bool is_one_put(const struct mirror_upload *u)
{
	return u->how.grid.count <= 1 ||
	       (!is_named_by_content(u) && u->how.grid.size <= MAX_ONE_PUT);
}

int mirror_s3_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct s3_upload *s = NEW(struct s3_upload);
	u->state = s;
	s->name = mirror_s3_name(c->mirror, u->key);
	s->count = u->how.grid.count;
	s->parts = mem_alloc((s->count + 1) * sizeof *s->parts);
	int rc = check_condition(c, u, s->name, e);
	if (rc < 0)
		return rc;
	if (is_one_put(u)) {
		s->whole = mem_alloc(u->how.grid.size + 1);
		return 0;
	}
	rc = is_named_by_content(u) ? find_upload(c, u, s, e) : 0;
	return rc < 0 || s->id ? rc : create(c, u, s, e);
}

/* -- pieces ----------------------------------------------------------------------- */

/* Another run, or the server's own rules, ended the upload. */
static int gone(struct err *e)
{
	if (!err_is(e, ERR_NOT_FOUND))
		return -(int)e->class;
	err_class_set(e, ERR_CONFLICT);
	return err_hint(e, "another run completed or removed it, or the server did after some "
			   "days: push again");
}

static void take_etag(struct s3_upload *s, uint32_t piece, const char *etag)
{
	char plain[256];
	mirror_s3_etag(plain, etag);
	free(s->parts[piece].etag);
	s->parts[piece].etag = mem_strdup(plain);
	s->parts[piece].doubtful = false;
}

static int check_echo(const struct headers *h, const struct http_response *r, struct err *e)
{
	const char *echo = http_response_header(r, "x-amz-checksum-sha256");
	if (h->checksum && echo && strcmp(echo, h->checksum) != 0)
		return err_set(e, ERR_INTEGRITY, "the server stored other bytes than were sent");
	return 0;
}

static int put_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		    const void *data, struct err *e)
{
	struct s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(headers_release) struct headers h = { 0 };
	struct progress progress = { .u = u };
	char number[16];
	snprintf(number, sizeof number, "%u", (unsigned)piece + 1);
	struct sigv4_pair query[] = { { "partNumber", number }, { "uploadId", s->id } };
	add_checksum(&h, u, mirror_upload_digest(u, piece));
	struct s3_request q = { .method = "PUT",
				.key = s->name,
				.query = query,
				.query_count = 2,
				.headers = h.at,
				.header_count = h.count,
				.body = data,
				.body_len = (size_t)grid_length(&u->how.grid, piece),
				.sha256 = mirror_upload_digest(u, piece),
				.body_sent = on_sent,
				.body_ctx = &progress };
	int rc = mirror_s3_call(c, &q, &r, e);
	if (rc == 0 && !r.etag[0])
		rc = err_set(e, ERR_INTEGRITY, "the server stored a part without an ETag");
	if (rc == 0)
		rc = check_echo(&h, &r, e);
	if (rc == 0)
		take_etag(s, piece, r.etag);
	else
		mirror_upload_advance(u, -progress.sent);
	return rc < 0 ? gone(e) : 0;
}

int mirror_s3_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			 const void *data, struct err *e)
{
	struct s3_upload *s = u->state;
	size_t len = (size_t)grid_length(&u->how.grid, piece);
	struct upload_part *part = &s->parts[piece];
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
	char etag[256];
};

static int on_copied(void *ctx, const char *path, const char *text, struct err *e)
{
	struct copied *copied = ctx;
	(void)e;
	if (strcmp(path, "CopyPartResult/ETag") == 0)
		mirror_s3_etag(copied->etag, text);
	return 0;
}

/* The ETag of a part is its MD5, unless the server encrypts with keys of its own. */
static int compare_copy(struct s3_upload *s, const struct mirror_source *from, size_t len,
			const char *etag, struct err *e)
{
	char md5[MD5_HEX];
	if (!from->data || strlen(etag) != MD5_HEX - 1) {
		s->unchecked = true;
		return 0;
	}
	md5_of(from->data, len, md5);
	if (strcmp(md5, etag) != 0)
		return err_set(e, ERR_INTEGRITY, "the copy of a piece from %s differs", from->key);
	return 0;
}

/* https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html */
static int copy_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		     const struct mirror_source *from, struct err *e)
{
	struct s3_upload *s = u->state;
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
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	if (rc == 0)
		rc = s3_xml_parse(answer.data, answer.len, on_copied, &copied, e);
	if (rc == 0 && !copied.etag[0])
		rc = err_set(e, ERR_INTEGRITY, "the server copied a part without an ETag");
	if (rc == 0)
		rc = compare_copy(s, from, (size_t)len, copied.etag, e);
	if (rc == 0)
		take_etag(s, piece, copied.etag);
	return rc;
}

struct into {
	uint8_t *at;
};

static int on_read(void *ctx, const void *data, size_t len, struct err *e)
{
	struct into *into = ctx;
	(void)e;
	memcpy(into->at, data, len);
	into->at += len;
	return 0;
}

/* A small object, which is one PUT, is read instead. */
static int copy_small(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
		      const struct mirror_source *from, struct err *e)
{
	struct s3_upload *s = u->state;
	CLEANUP(mem_free_ptr) char *name = mirror_s3_name(from->mirror, from->key);
	struct into into = { s->whole + grid_offset(&u->how.grid, piece) };
	uint8_t *start = into.at;
	uint64_t len = grid_length(&u->how.grid, piece);
	struct digest d;
	struct mirror_s3 *other = from->mirror->state;
	struct s3_request q = { .method = "GET",
				.key = name,
				.offset = from->offset,
				.length = len,
				.write = on_read,
				.ctx = &into };
	int rc = s3_call(c->state, &other->place, &q, NULL, e);
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
	const struct s3_upload *s = u->state;
	int rc = s->whole ? copy_small(c, u, piece, from, e) : copy_part(c, u, piece, from, e);
	if (rc == 0 && !s->whole)
		mirror_upload_advance(u, (int64_t)grid_length(&u->how.grid, piece));
	return rc;
}

/* -- the commit ------------------------------------------------------------------- */

/* Of bytes that the server compared with their digests when they came. */
static void vouch(const struct mirror_upload *u, struct mirror_stat *out)
{
	const struct s3_upload *s = u->state;
	bool compared = mirror_s3_has(u->mirror, S3_CHECKS_SHA256) ||
			mirror_s3_has(u->mirror, S3_CHECKSUMS);
	out->has_sha256 = compared && (s->whole || !u->how.pieces);
	out->has_pieces_sha256 = compared && !out->has_sha256 && !s->unchecked;
	if (out->has_sha256)
		out->sha256 = u->how.sha256;
	if (out->has_pieces_sha256)
		grid_root(u->how.pieces, u->how.grid.count, &out->pieces_sha256);
}

static int commit_put(struct mirror_connection *c, struct mirror_upload *u, struct mirror_stat *out,
		      struct err *e)
{
	struct s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	CLEANUP(headers_release) struct headers h = { 0 };
	struct progress progress = { .u = u };
	describe(&h, u);
	add_conditions(&h, u);
	add_checksum(&h, u, &u->how.sha256);
	struct s3_request q = { .method = "PUT",
				.key = s->name,
				.headers = h.at,
				.header_count = h.count,
				.body = s->whole,
				.body_len = (size_t)u->how.grid.size,
				.sha256 = &u->how.sha256,
				.body_sent = on_sent,
				.body_ctx = &progress };
	int rc = mirror_s3_call(c, &q, &r, e);
	if (rc == 0)
		rc = check_echo(&h, &r, e);
	if (rc < 0) {
		mirror_upload_advance(u, -progress.sent);
		return rc;
	}
	*out = (struct mirror_stat){ .size = u->how.grid.size };
	mirror_s3_etag(out->etag, r.etag);
	vouch(u, out);
	return 0;
}

static void list_of_parts(struct buf *out, const struct mirror_upload *u)
{
	const struct s3_upload *s = u->state;
	buf_adds(out, "<CompleteMultipartUpload "
		      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (uint32_t i = 0; i < s->count; i++) {
		buf_addf(out, "<Part><PartNumber>%u</PartNumber><ETag>&quot;", (unsigned)i + 1);
		mirror_s3_xml_text(out, s->parts[i].etag);
		buf_adds(out, "&quot;</ETag>");
		if (mirror_s3_has(u->mirror, S3_CHECKSUMS)) {
			CLEANUP(mem_free_ptr) char *sum = base64_of(mirror_upload_digest(u, i));
			buf_addf(out, "<ChecksumSHA256>%s</ChecksumSHA256>", sum);
		}
		buf_adds(out, "</Part>");
	}
	buf_adds(out, "</CompleteMultipartUpload>");
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
	CLEANUP(mem_free_ptr) char *base64 = base64_of(&root);
	CLEANUP(mem_free_ptr) char *want = mem_printf("%s-%u", base64, (unsigned)u->how.grid.count);
	if (!*checksum || strcmp(checksum, want) == 0)
		return 0;
	return err_set(e, ERR_INTEGRITY, "the server put the parts together to other bytes (%s)",
		       checksum);
}

/* Some servers answer without an ETag. */
static int stat_completed(struct mirror_connection *c, const struct mirror_upload *u,
			  struct mirror_stat *out, struct err *e)
{
	const struct s3_upload *s = u->state;
	CLEANUP(http_response_release) struct http_response r = { 0 };
	int rc = mirror_s3_head(c, s->name, out, &r, e);
	if (rc == 0 && out->size != u->how.grid.size)
		rc = err_set(e, ERR_INTEGRITY, "the server put together %llu bytes, not %llu",
			     (unsigned long long)out->size, (unsigned long long)u->how.grid.size);
	return rc;
}

static int complete(struct mirror_connection *c, struct mirror_upload *u, struct mirror_stat *out,
		    struct err *e)
{
	struct s3_upload *s = u->state;
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(buf_release) struct buf body = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(headers_release) struct headers h = { 0 };
	struct sigv4_pair query = { "uploadId", s->id };
	struct completed done = { 0 };
	list_of_parts(&body, u);
	add_conditions(&h, u);
	add(&h, "content-type", "application/xml");
	struct s3_request q = { .method = "POST",
				.key = s->name,
				.query = &query,
				.query_count = 1,
				.headers = h.at,
				.header_count = h.count,
				.body = body.data,
				.body_len = body.len,
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
	int rc = check_condition(c, u, ((struct s3_upload *)u->state)->name, e);
	if (rc < 0)
		return rc;
	rc = complete(c, u, out, &why);
	if (rc == -ERR_NOT_FOUND && stat_completed(c, u, out, &ignored) == 0 && out->has_sha256 &&
	    digest_equal(&out->sha256, &u->how.sha256))
		return 0;
	if (rc < 0) {
		*e = why;
		return gone(e);
	}
	return 0;
}

int mirror_s3_upload_commit(struct mirror_connection *c, struct mirror_upload *u,
			    struct mirror_stat *out, struct err *e)
{
	const struct s3_upload *s = u->state;
	return s->whole ? commit_put(c, u, out, e) : commit_parts(c, u, out, e);
}

int mirror_s3_upload_abandon(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	const struct s3_upload *s = u->state;
	return s->id ? mirror_s3_abort(c, s->name, s->id, e) : 0;
}
