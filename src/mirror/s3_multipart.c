/* Uploads that are open on the server:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html */
#include "mirror/s3.h"

#include "s3/xml.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* One abort may leave parts that were arriving at that moment. */
#define ABORT_TRIES 5

void mirror_s3_parts_release(struct mirror_s3_parts *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->at[i].etag);
		free(p->at[i].checksum_sha256);
	}
	free(p->at);
	*p = (struct mirror_s3_parts){ 0 };
}

/* -- parts ------------------------------------------------------------------------ */

struct parts_page {
	struct mirror_s3_parts *parts;
	struct mirror_s3_part part;
	bool truncated;
	char *next;
};

static void parts_page_release(struct parts_page *p)
{
	free(p->part.etag);
	free(p->part.checksum_sha256);
	free(p->next);
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = mem_strdup(text);
}

static int part_complete(struct parts_page *p, struct err *e)
{
	struct mirror_s3_parts *all = p->parts;
	if (!p->part.number || p->part.number > GRID_MAX_PIECES || all->count >= GRID_MAX_PIECES)
		return err_set(e, ERR_INTEGRITY, "the list of parts has an impossible part");
	if (!p->part.etag)
		set_text(&p->part.etag, "");
	if (!p->part.checksum_sha256)
		set_text(&p->part.checksum_sha256, "");
	all->at = mem_grow(all->at, all->count, &all->cap, sizeof *all->at);
	all->at[all->count++] = p->part;
	p->part = (struct mirror_s3_part){ 0 };
	return 0;
}

static int on_part(void *ctx, const char *path, const char *text, struct err *e)
{
	struct parts_page *p = ctx;
	const char *at = strchr(path, '/');
	char etag[256];
	uint64_t number = 0;
	if (!at)
		return 0;
	at++;
	if (strcmp(at, "Part/PartNumber") == 0) {
		p->part.number = parse_u64(text, &number) && number <= GRID_MAX_PIECES
					 ? (uint32_t)number
					 : 0;
	} else if (strcmp(at, "Part/Size") == 0) {
		if (!parse_u64(text, &p->part.size))
			p->part.size = UINT64_MAX;
	} else if (strcmp(at, "Part/ETag") == 0) {
		mirror_s3_etag(etag, text);
		set_text(&p->part.etag, etag);
	} else if (strcmp(at, "Part/ChecksumSHA256") == 0) {
		set_text(&p->part.checksum_sha256, text);
	} else if (strcmp(at, "Part") == 0) {
		return part_complete(p, e);
	} else if (strcmp(at, "IsTruncated") == 0) {
		p->truncated = strcmp(text, "true") == 0;
	} else if (strcmp(at, "NextPartNumberMarker") == 0) {
		set_text(&p->next, text);
	}
	return 0;
}

static int parts_page(struct mirror_connection *c, const char *name, const char *id,
		      const char *marker, struct parts_page *p, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[] = { { "uploadId", id }, { "part-number-marker", marker } };
	struct s3_request q = { .method = "GET",
				.key = name,
				.query = query,
				.query_count = marker ? 2 : 1,
				.root = "ListPartsResult",
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	return rc < 0 ? rc : s3_xml_parse(answer.data, answer.len, on_part, p, e);
}

int mirror_s3_list_parts(struct mirror_connection *c, const char *name, const char *id,
			 struct mirror_s3_parts *out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *marker = NULL;
	CLEANUP(mirror_s3_parts_release) struct mirror_s3_parts parts = { 0 };
	bool more = true;
	int rc = 0;
	while (rc == 0 && more) {
		CLEANUP(parts_page_release) struct parts_page page = { .parts = &parts };
		size_t before = parts.count;
		rc = parts_page(c, name, id, marker, &page, e);
		more = page.truncated && page.next && parts.count > before;
		free(marker);
		marker = STEAL(page.next);
	}
	if (rc == 0) {
		*out = parts;
		parts = (struct mirror_s3_parts){ 0 };
	}
	return rc;
}

/* -- uploads ---------------------------------------------------------------------- */

struct uploads_page {
	mirror_s3_open_upload_fn *fn;
	void *ctx;
	char *name, *id, *algorithm;
	int64_t started_s;
	bool truncated;
	char *next_key, *next_id;
};

static void uploads_page_release(struct uploads_page *p)
{
	free(p->name);
	free(p->id);
	free(p->algorithm);
	free(p->next_key);
	free(p->next_id);
}

static int upload_complete(struct uploads_page *p, struct err *e)
{
	struct mirror_s3_open_upload u = { p->name, p->id, p->algorithm ? p->algorithm : "",
					   p->started_s };
	int rc = p->name && p->id ? p->fn(p->ctx, &u, e) : 0;
	mem_free_ptr(&p->name);
	mem_free_ptr(&p->id);
	mem_free_ptr(&p->algorithm);
	p->started_s = 0;
	return rc;
}

static void set_decoded(char **to, const char *text)
{
	set_text(to, text);
	if (!path_percent_decode(*to))
		mem_free_ptr(to);
}

static int on_upload(void *ctx, const char *path, const char *text, struct err *e)
{
	struct uploads_page *p = ctx;
	const char *at = strchr(path, '/');
	if (!at)
		return 0;
	at++;
	if (strcmp(at, "Upload/Key") == 0)
		set_decoded(&p->name, text);
	else if (strcmp(at, "Upload/UploadId") == 0)
		set_text(&p->id, text);
	else if (strcmp(at, "Upload/ChecksumAlgorithm") == 0)
		set_text(&p->algorithm, text);
	else if (strcmp(at, "Upload/Initiated") == 0)
		p->started_s = mirror_s3_time(text);
	else if (strcmp(at, "Upload") == 0)
		return upload_complete(p, e);
	else if (strcmp(at, "IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(at, "NextKeyMarker") == 0)
		set_decoded(&p->next_key, text);
	else if (strcmp(at, "NextUploadIdMarker") == 0)
		set_text(&p->next_id, text);
	return 0;
}

static int uploads_page(struct mirror_connection *c, const char *prefix, const char *key_marker,
			const char *id_marker, struct uploads_page *p, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[5] = {
		{ "uploads", NULL },
		{ "encoding-type", "url" },
		{ "prefix", prefix },
		{ "key-marker", key_marker },
		{ "upload-id-marker", id_marker },
	};
	struct s3_request q = { .method = "GET",
				.query = query,
				.query_count = !key_marker ? 3
					       : id_marker ? 5
							   : 4,
				.root = "ListMultipartUploadsResult",
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	return rc < 0 ? rc : s3_xml_parse(answer.data, answer.len, on_upload, p, e);
}

int mirror_s3_list_uploads(struct mirror_connection *c, const char *prefix,
			   mirror_s3_open_upload_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key_marker = NULL;
	CLEANUP(mem_free_ptr) char *id_marker = NULL;
	bool more = true;
	int rc = 0;
	while (rc == 0 && more) {
		CLEANUP(uploads_page_release) struct uploads_page page = { .fn = fn, .ctx = ctx };
		rc = cancel_check(c->mirror->env.cancel, e);
		if (rc == 0)
			rc = uploads_page(c, prefix, key_marker, id_marker, &page, e);
		more = page.truncated && page.next_key;
		free(key_marker);
		free(id_marker);
		key_marker = STEAL(page.next_key);
		id_marker = STEAL(page.next_id);
	}
	return rc;
}

/* -- aborting --------------------------------------------------------------------- */

static int abort_once(struct mirror_connection *c, const char *name, const char *id, struct err *e)
{
	struct sigv4_pair query = { "uploadId", id };
	struct s3_request q = {
		.method = "DELETE", .key = name, .query = &query, .query_count = 1
	};
	return mirror_s3_call(c, &q, NULL, e);
}

int mirror_s3_abort(struct mirror_connection *c, const char *name, const char *id, struct err *e)
{
	for (int i = 0; i < ABORT_TRIES; i++) {
		struct err why = ERR_INIT;
		CLEANUP(mirror_s3_parts_release) struct mirror_s3_parts left = { 0 };
		int rc = abort_once(c, name, id, &why);
		if (rc == -ERR_NOT_FOUND)
			return 0;
		if (rc < 0) {
			*e = why;
			return rc;
		}
		if (!mirror_s3_has(c->mirror, S3_LISTS_PARTS) ||
		    mirror_s3_list_parts(c, name, id, &left, &why) < 0 || !left.count)
			return 0;
	}
	return err_set(e, ERR_NETWORK, "parts are left after %d requests to remove the upload",
		       ABORT_TRIES);
}

/* -- leftovers -------------------------------------------------------------------- */

struct leftovers {
	struct mirror_connection *c;
	mirror_leftover_fn *fn;
	void *ctx;
};

static uint64_t bytes_of(struct mirror_connection *c, const struct mirror_s3_open_upload *u,
			 bool *known)
{
	CLEANUP(mirror_s3_parts_release) struct mirror_s3_parts parts = { 0 };
	struct err ignored = ERR_INIT;
	uint64_t bytes = 0;
	*known = mirror_s3_list_parts(c, u->name, u->id, &parts, &ignored) == 0;
	for (size_t i = 0; i < parts.count; i++)
		bytes += parts.at[i].size;
	return bytes;
}

/* The id names both, the object and the upload. */
static int on_leftover(void *ctx, const struct mirror_s3_open_upload *u, struct err *e)
{
	const struct leftovers *l = ctx;
	const struct mirror_s3 *s = l->c->mirror->state;
	CLEANUP(mem_free_ptr) char *id = mem_printf("%s %s", u->id, u->name);
	struct mirror_leftover left = {
		.kind = MIRROR_LEFT_UPLOAD,
		.key = u->name + strlen(s->prefix),
		.id = id,
		.started_s = u->started_s,
	};
	left.bytes = bytes_of(l->c, u, &left.has_bytes);
	return l->fn(l->ctx, &left, e);
}

struct versions_page {
	struct leftovers *l;
	bool old;
	char *name, *id;
	uint64_t size;
	int64_t modified_s;
	bool truncated;
	char *next_key, *next_id;
};

static void versions_page_release(struct versions_page *p)
{
	free(p->name);
	free(p->id);
	free(p->next_key);
	free(p->next_id);
}

static int version_complete(struct versions_page *p, struct err *e)
{
	const struct mirror_s3 *s = p->l->c->mirror->state;
	int rc = 0;
	if (p->old && p->name && p->id) {
		CLEANUP(mem_free_ptr) char *id = mem_printf("%s %s", p->id, p->name);
		struct mirror_leftover left = {
			.kind = MIRROR_LEFT_VERSION,
			.key = p->name + strlen(s->prefix),
			.id = id,
			.started_s = p->modified_s,
			.has_bytes = true,
			.bytes = p->size,
		};
		rc = p->l->fn(p->l->ctx, &left, e);
	}
	mem_free_ptr(&p->name);
	mem_free_ptr(&p->id);
	p->old = false;
	p->size = 0;
	return rc;
}

static int on_version(void *ctx, const char *path, const char *text, struct err *e)
{
	struct versions_page *p = ctx;
	const char *at = strchr(path, '/');
	if (!at)
		return 0;
	at++;
	const char *field = strchr(at, '/');
	bool version = str_starts(at, "Version") || str_starts(at, "DeleteMarker");
	if (strcmp(at, "IsTruncated") == 0)
		p->truncated = strcmp(text, "true") == 0;
	else if (strcmp(at, "NextKeyMarker") == 0)
		set_decoded(&p->next_key, text);
	else if (strcmp(at, "NextVersionIdMarker") == 0)
		set_text(&p->next_id, text);
	else if (!version)
		return 0;
	else if (!field)
		return version_complete(p, e);
	else if (strcmp(field, "/Key") == 0)
		set_decoded(&p->name, text);
	else if (strcmp(field, "/VersionId") == 0)
		set_text(&p->id, text);
	else if (strcmp(field, "/IsLatest") == 0)
		p->old = strcmp(text, "false") == 0;
	else if (strcmp(field, "/Size") == 0)
		(void)!parse_u64(text, &p->size);
	else if (strcmp(field, "/LastModified") == 0)
		p->modified_s = mirror_s3_time(text);
	return 0;
}

static int versions_page(struct mirror_connection *c, const char *prefix, const char *key_marker,
			 const char *id_marker, struct versions_page *p, struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	struct sigv4_pair query[5] = {
		{ "versions", NULL },
		{ "encoding-type", "url" },
		{ "prefix", prefix },
		{ "key-marker", key_marker },
		{ "version-id-marker", id_marker },
	};
	struct s3_request q = { .method = "GET",
				.query = query,
				.query_count = !key_marker ? 3
					       : id_marker ? 5
							   : 4,
				.root = "ListVersionsResult",
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	return rc < 0 ? rc : s3_xml_parse(answer.data, answer.len, on_version, p, e);
}

/* A server without versions has none that are old. */
static int list_versions(struct leftovers *l, const char *prefix, struct err *e)
{
	CLEANUP(mem_free_ptr) char *key_marker = NULL;
	CLEANUP(mem_free_ptr) char *id_marker = NULL;
	struct err why = ERR_INIT;
	bool more = true, first = true;
	int rc = 0;
	while (rc == 0 && more) {
		CLEANUP(versions_page_release) struct versions_page page = { .l = l };
		rc = versions_page(l->c, prefix, key_marker, id_marker, &page, &why);
		more = page.truncated && page.next_key;
		free(key_marker);
		free(id_marker);
		key_marker = STEAL(page.next_key);
		id_marker = STEAL(page.next_id);
		if (rc == 0)
			first = false;
	}
	if (rc < 0 && first && (err_is(&why, ERR_USAGE) || err_is(&why, ERR_INTEGRITY)))
		return 0;
	if (rc < 0)
		*e = why;
	return rc;
}

int mirror_s3_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			struct err *e)
{
	const struct mirror_s3 *s = c->mirror->state;
	struct leftovers l = { c, fn, ctx };
	int rc = mirror_s3_list_uploads(c, s->prefix, on_leftover, &l, e);
	return rc < 0 ? rc : list_versions(&l, s->prefix, e);
}

int mirror_s3_leftover_remove(struct mirror_connection *c, const struct mirror_leftover *left,
			      struct err *e)
{
	const char *name = strchr(left->id, ' ');
	if (!name)
		return err_set(e, ERR_BUG, "'%.100s' is no id of a leftover", left->id);
	CLEANUP(mem_free_ptr) char *id = mem_strndup(left->id, (size_t)(name - left->id));
	if (left->kind == MIRROR_LEFT_UPLOAD)
		return mirror_s3_abort(c, name + 1, id, e);
	struct sigv4_pair query = { "versionId", id };
	struct s3_request q = {
		.method = "DELETE", .key = name + 1, .query = &query, .query_count = 1
	};
	return mirror_s3_call(c, &q, NULL, e);
}
