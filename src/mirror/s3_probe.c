/* Tests what a server supports, with test objects that are removed again. */
#include "mirror/s3.h"

#include "mirror/probe.h"
#include "s3/xml.h"
#include "util/base64.h"
#include "util/mem.h"
#include "util/retry.h"

#include <stdio.h>
#include <string.h>

/* S3 copies ranges only from objects of more than 5 MiB. */
#define SOURCE_BYTES (5 * MIB + 1024)

struct probe {
	struct mirror_connection *c;
	struct mirror_findings *out;
	struct str_list names; /* of the objects that were written */
	const char *name;      /* of the last one */
	char etag[256];
	unsigned traits, can;
	bool let_in;   /* a request has worked, so a later 403 is about the request itself */
	bool conflict; /* the last request failed because a condition does not hold */
	struct err *e;
	bool stopped; /* *e says why */
};

/* -- requests --------------------------------------------------------------------- */

/* A server that answers a request with failures again and again does not support it. From one that
 * does not answer, or refuses the credentials, nothing can be concluded. */
static bool is_refusal(const struct probe *p, const struct err *why)
{
	if (why->class == ERR_NETWORK)
		return why->cause == CAUSE_SERVER;
	if (why->class == ERR_AUTH)
		return p->let_in;
	return why->class != ERR_CANCELLED && why->class != ERR_SYSTEM;
}

/* Did it work? */
static bool works(struct probe *p, const struct s3_request *q, struct http_response *r)
{
	struct retry retry = mirror_probe_retry(p->c->mirror);
	struct err why = ERR_INIT;
	p->conflict = false;
	int rc;
	if (p->stopped)
		return false;
	do {
		rc = mirror_s3_call(p->c, q, r, &why);
		/* R2 allows one write per second to an object. */
		if (why.cause == CAUSE_THROTTLED)
			retry.max_tries = 8;
	} while (rc < 0 && retry_again(&retry, &why));
	p->let_in = p->let_in || rc == 0;
	p->conflict = rc == -ERR_CONFLICT;
	if (rc < 0 && !is_refusal(p, &why)) {
		p->stopped = true;
		*p->e = why;
	}
	return rc == 0;
}

/* A new object for the next test, because R2 allows one write per second to an object. */
static void another_object(struct probe *p)
{
	str_list_take(&p->names, mirror_s3_scratch(p->c, "probe"));
	p->name = p->names.at[p->names.count - 1];
}

static bool put(struct probe *p, const char *body, const struct digest *sha256,
		const struct sigv4_pair *headers, size_t count)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct s3_request q = { .method = "PUT",
				.key = p->name,
				.headers = headers,
				.header_count = count,
				.body = body,
				.body_len = strlen(body),
				.sha256 = sha256 };
	bool ok = works(p, &q, &r);
	if (ok)
		mirror_s3_etag(p->etag, r.etag);
	return ok;
}

static void finding(struct probe *p, const char *what, bool ok, const char *otherwise)
{
	if (!p->stopped)
		mirror_findings_add(p->out, what, ok ? MIRROR_FINDING_OK : MIRROR_FINDING_LACKS,
				    "%s", ok ? "yes" : otherwise);
}

static char *checksum_of(const char *text)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(KIB);
	struct digest d;
	sha256_of(text, strlen(text), &d);
	base64_add(&b, d.bytes, sizeof d.bytes);
	return buf_steal(&b);
}

/* -- what is compared and kept ----------------------------------------------------- */

static void probe_digest(struct probe *p)
{
	struct digest wrong;
	sha256_of("another text", 12, &wrong);
	another_object(p);
	bool refused = !put(p, "a text", &wrong, NULL, 0);
	finding(p, "digests", refused,
		"the server does not check the SHA-256 of what it receives: everything is read "
		"back after it was written");
	if (refused)
		p->traits |= S3_CHECKS_SHA256;
}

static bool reports(struct probe *p, const char *checksum)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	struct sigv4_pair mode = { "x-amz-checksum-mode", "ENABLED" };
	struct s3_request q = {
		.method = "HEAD", .key = p->name, .headers = &mode, .header_count = 1
	};
	if (!works(p, &q, &r))
		return false;
	const char *told = http_response_header(&r, "x-amz-checksum-sha256");
	return told && strcmp(told, checksum) == 0;
}

static void probe_checksum(struct probe *p)
{
	CLEANUP(mem_free_ptr) char *right = checksum_of("a text");
	CLEANUP(mem_free_ptr) char *wrong = checksum_of("another text");
	struct sigv4_pair header = { "x-amz-checksum-sha256", wrong };
	another_object(p);
	bool refused = !put(p, "a text", NULL, &header, 1);
	header.value = right;
	another_object(p);
	bool ok = put(p, "a text", NULL, &header, 1) && reports(p, right) && refused;
	finding(p, "checksums", ok,
		"the server keeps no checksums: `ferry verify --quick` relies on the SHA-256 "
		"that was uploaded with the object");
	if (ok) {
		p->traits |= S3_CHECKSUMS;
		p->can |= MIRROR_CAN_PIECES_SHA256;
	}
}

static bool is_kept(const struct http_response *r, const struct sigv4_pair *h)
{
	const char *told = http_response_header(r, h->name);
	return told && strcmp(told, h->value) == 0;
}

static void probe_headers(struct probe *p)
{
	CLEANUP(http_response_release) struct http_response r = { 0 };
	const struct sigv4_pair headers[] = {
		{ MIRROR_S3_META_SHA256, "a text" },
		{ "cache-control", "public, max-age=60" },
		{ "content-disposition", "attachment; filename*=UTF-8''a.txt" },
	};
	another_object(p);
	struct s3_request q = { .method = "HEAD", .key = p->name };
	bool read = put(p, "a text", NULL, headers, 3) && works(p, &q, &r);
	bool meta = read && is_kept(&r, &headers[0]);
	bool cached = read && is_kept(&r, &headers[1]) && is_kept(&r, &headers[2]);
	finding(p, "metadata", meta,
		"the server does not keep x-amz-meta- headers, so it does not report the SHA-256 "
		"that was uploaded with an object");
	finding(p, "headers", cached,
		"the server does not keep Cache-Control and Content-Disposition: set them on "
		"the web server or CDN in front of it");
	if (meta) {
		p->traits |= S3_KEEPS_META;
		p->can |= MIRROR_CAN_SHA256;
	}
	if (cached)
		p->traits |= S3_KEEPS_HEADERS;
}

/* -- conditions ------------------------------------------------------------------- */

static bool put_if(struct probe *p, const char *header, const char *value)
{
	struct sigv4_pair condition = { header, value };
	return put(p, "a text", NULL, &condition, 1);
}

/* The object is there. A server that refuses the condition itself, as not implemented, would refuse
 * every new file. */
static void probe_create_only(struct probe *p)
{
	bool ok = !put_if(p, "if-none-match", "*") && p->conflict;
	finding(p, "create-only", ok,
		"two publishers may overwrite each other's new files: push reads back before and "
		"after it writes");
	if (ok)
		p->can |= MIRROR_CAN_CREATE_ONLY;
}

static void probe_replace_if(struct probe *p)
{
	CLEANUP(mem_free_ptr) char *plain = mem_strdup(p->etag);
	CLEANUP(mem_free_ptr) char *quoted = mem_printf("\"%s\"", p->etag);
	bool refuses = !put_if(p, "if-match", "\"00000000000000000000000000000000\"") &&
		       p->conflict;
	bool with_quotes = refuses && put_if(p, "if-match", quoted);
	bool without = refuses && !with_quotes && put_if(p, "if-match", plain);
	bool ok = with_quotes || without;
	finding(p, "replace-if", ok,
		"two publishers may overwrite each other's timestamp.json: push reads it back "
		"before and after it writes");
	if (ok)
		p->can |= MIRROR_CAN_REPLACE_IF;
	if (without)
		p->traits |= S3_PLAIN_ETAG;
}

/* -- parts ------------------------------------------------------------------------ */

static char *create(struct probe *p)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query = { "uploads", NULL };
	struct err ignored = ERR_INIT;
	char *id = NULL;
	struct s3_request q = { .method = "POST",
				.key = p->name,
				.query = &query,
				.query_count = 1,
				.once = true, /* as in s3_open.c */
				.root = "InitiateMultipartUploadResult",
				.into = &answer };
	if (works(p, &q, NULL))
		(void)!s3_xml_parse(answer.data, answer.len, mirror_s3_on_upload_id, &id, &ignored);
	return id;
}

static bool put_part(struct probe *p, const char *id)
{
	struct sigv4_pair query[] = { { "partNumber", "1" }, { "uploadId", id } };
	struct s3_request q = { .method = "PUT",
				.key = p->name,
				.query = query,
				.query_count = 2,
				.body = "a text",
				.body_len = 6 };
	return works(p, &q, NULL);
}

struct seen {
	const char *id;
	bool upload, part;
};

static int on_seen(void *ctx, const struct s3_item *i, struct err *e)
{
	struct seen *s = ctx;
	(void)e;
	s->upload = s->upload || (i->kind == S3_ITEM_UPLOAD && strcmp(i->id, s->id) == 0);
	s->part = s->part || (i->kind == S3_ITEM_PART && i->number == 1 && i->size == 6);
	return 0;
}

static bool is_listed(struct probe *p, const char *id)
{
	struct mirror_s3_list uploads = { .list = MIRROR_S3_UPLOADS, .prefix = p->name };
	struct mirror_s3_list parts = { .list = MIRROR_S3_PARTS, .name = p->name, .id = id };
	struct err ignored = ERR_INIT;
	struct seen seen = { .id = id };
	return mirror_s3_list(p->c, &uploads, on_seen, &seen, &ignored) == 0 &&
	       mirror_s3_list(p->c, &parts, on_seen, &seen, &ignored) == 0 && seen.upload &&
	       seen.part;
}

static bool copy_range(struct probe *p, const char *id)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mem_free_ptr) char *source = mirror_s3_source(p->c->mirror, p->name);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(SOURCE_BYTES);
	struct sigv4_pair query[] = { { "partNumber", "2" }, { "uploadId", id } };
	struct sigv4_pair headers[] = { { "x-amz-copy-source", source },
					{ "x-amz-copy-source-range", "bytes=1024-5243903" } };
	struct s3_request large = {
		.method = "PUT", .key = p->name, .body = data, .body_len = SOURCE_BYTES
	};
	struct s3_request q = { .method = "PUT",
				.key = p->name,
				.query = query,
				.query_count = 2,
				.headers = headers,
				.header_count = 2,
				.root = "CopyPartResult",
				.into = &answer };
	return works(p, &large, NULL) && works(p, &q, NULL);
}

static void probe_parts(struct probe *p)
{
	another_object(p);
	CLEANUP(mem_free_ptr) char *id = create(p);
	struct err ignored = ERR_INIT;
	bool part = id && put_part(p, id);
	bool listed = part && is_listed(p, id);
	bool copied = part && copy_range(p, id);
	finding(p, "uploads in parts", part, "objects of more than 8 MiB cannot be stored");
	finding(p, "list parts", listed,
		"interrupted uploads start from the beginning: the server does not list parts");
	finding(p, "copy parts", copied,
		"pieces that an older version has, too, are sent again: the server copies no "
		"parts");
	if (listed)
		p->traits |= S3_LISTS_PARTS;
	if (copied) {
		p->traits |= S3_COPIES_PARTS;
		p->can |= MIRROR_CAN_COPY_PIECES;
	}
	if (id)
		(void)!mirror_s3_abort(p->c, p->name, id, &ignored);
}

static void probe_copy(struct probe *p)
{
	another_object(p);
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mem_free_ptr) char *source = mirror_s3_source(p->c->mirror, p->name);
	bool ok = put(p, "a text", NULL, NULL, 0);
	another_object(p);
	struct sigv4_pair header = { "x-amz-copy-source", source };
	struct s3_request q = { .method = "PUT",
				.key = p->name,
				.headers = &header,
				.header_count = 1,
				.root = "CopyObjectResult",
				.into = &answer };
	ok = ok && works(p, &q, NULL);
	finding(p, "copy", ok, "the server copies no objects");
	if (ok)
		p->can |= MIRROR_CAN_COPY;
}

/* -- lists ------------------------------------------------------------------------ */

static bool lists(struct probe *p, bool delimiter)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[] = {
		{ "list-type", "2" },
		{ "prefix", p->name },
		{ "delimiter", "/" },
	};
	struct s3_request q = { .method = "GET",
				.query = query,
				.query_count = delimiter ? 3 : 2,
				.root = "ListBucketResult",
				.into = &answer };
	return works(p, &q, NULL);
}

static void probe_lists(struct probe *p)
{
	if (!lists(p, false) && lists(p, true))
		p->traits |= S3_LISTS_FOLDERS;
}

/* -- the probe -------------------------------------------------------------------- */

int mirror_s3_probe_traits(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct probe p = { .c = c, .out = out, .e = e };
	struct err ignored = ERR_INIT;
	probe_digest(&p);
	probe_checksum(&p);
	probe_headers(&p);
	probe_create_only(&p);
	probe_replace_if(&p);
	probe_lists(&p);
	probe_parts(&p);
	probe_copy(&p);
	for (size_t i = 0; i < p.names.count; i++)
		(void)!mirror_s3_remove_scratch(c, p.names.at[i], &ignored);
	str_list_release(&p.names);
	if (p.stopped)
		return -(int)e->class;
	mirror_s3_set_traits(c->mirror, p.traits, p.can);
	mirror_s3_save_traits(c->mirror);
	return 0;
}

int mirror_s3_probe(struct mirror_connection *c, struct mirror_findings *out, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = mirror_s3_reach(c, NULL, &why);
	if (rc == 0)
		rc = mirror_s3_probe_traits(c, out, &why);
	if (rc == -ERR_CANCELLED)
		*e = why;
	else if (rc < 0)
		mirror_findings_fault(out, "bucket", &why);
	return rc == -ERR_CANCELLED ? rc : 0;
}
