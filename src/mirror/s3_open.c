#include "mirror/s3_upload.h"

#include "s3/xml.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* Up to this size an object without its digest in its name is one PUT. It is kept in memory until
 * the commit. */
#define MAX_ONE_PUT (64 * MIB)
#define MAX_CANDIDATES 8

/* An early check, before anything is sent; at the commit the server checks it again. */
int mirror_s3_check_condition(struct mirror_connection *c, const struct mirror_upload *u,
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

static int create(struct mirror_connection *c, struct mirror_upload *u, struct mirror_s3_upload *s,
		  struct err *e)
{
	CLEANUP(buf_release) struct buf answer = BUF_INIT(S3_MAX_ANSWER);
	CLEANUP(mirror_s3_headers_release) struct mirror_s3_headers h = { 0 };
	struct sigv4_pair query = { "uploads", NULL };
	mirror_s3_describe(&h, u);
	if (mirror_s3_has(c->mirror, S3_CHECKSUMS)) {
		mirror_s3_add(&h, "x-amz-checksum-algorithm", "SHA256");
		mirror_s3_add(&h, "x-amz-checksum-type", "COMPOSITE");
	}
	struct s3_request q = { .method = "POST",
				.key = s->name,
				.query = &query,
				.query_count = 1,
				.headers = h.at,
				.header_count = h.count,
				.once = true, /* sent twice, an unknown upload would remain */
				.root = "InitiateMultipartUploadResult",
				.into = &answer };
	int rc = mirror_s3_call(c, &q, NULL, e);
	if (rc == 0)
		rc = s3_xml_parse(answer.data, answer.len, mirror_s3_on_upload_id, &s->id, e);
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
	CLEANUP(mem_free_ptr) char *want = mirror_s3_base64(mirror_upload_digest(u, piece));
	return strcmp(want, p->checksum_sha256) == 0;
}

/* The parts of one candidate that may be pieces. */
struct found {
	const struct mirror_upload *u;
	struct mirror_s3_part *parts; /* u->how.grid.count */
	uint32_t count;
};

static int on_part(void *ctx, const struct s3_item *p, struct err *e)
{
	struct found *f = ctx;
	(void)e;
	if (!may_match(f->u, p))
		return 0;
	struct mirror_s3_part *part = &f->parts[p->number - 1];
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

static void take_parts(struct mirror_upload *u, struct mirror_s3_upload *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->parts[i].etag && s->parts[i].doubtful)
			u->to_compare++;
		else if (s->parts[i].etag)
			mirror_upload_found(u, i);
	}
}

/* Chooses the candidate that has the most pieces. */
static int choose(struct mirror_connection *c, struct mirror_upload *u, struct mirror_s3_upload *s,
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
		struct mirror_s3_part *worse = s->parts;
		s->parts = f.parts;
		f.parts = worse;
	}
	take_parts(u, s);
	return 0;
}

static int find_upload(struct mirror_connection *c, struct mirror_upload *u,
		       struct mirror_s3_upload *s, struct err *e)
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
	struct mirror_s3_upload *s = NEW(struct mirror_s3_upload);
	u->state = s;
	s->name = mirror_s3_name(c->mirror, u->key);
	s->count = u->how.grid.count;
	s->parts = mem_alloc((s->count + 1) * sizeof *s->parts);
	int rc = mirror_s3_check_condition(c, u, s->name, e);
	if (rc < 0)
		return rc;
	if (is_one_put(u)) {
		s->whole = mem_alloc(u->how.grid.size + 1);
		return 0;
	}
	rc = is_named_by_content(u) ? find_upload(c, u, s, e) : 0;
	return rc < 0 || s->id ? rc : create(c, u, s, e);
}
