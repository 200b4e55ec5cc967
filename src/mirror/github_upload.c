#include "mirror/github_upload.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_WHOLE (64 * MIB)

/* ---- parts ---------------------------------------------------------------------- */

static uint64_t part_size(const struct mirror_upload *u)
{
	const struct mirror_github *s = u->mirror->state;
	return s->part_size;
}

static uint64_t part_length(const struct mirror_upload *u, uint32_t part)
{
	const struct mirror_github_upload *up = u->state;
	uint64_t from = up->split ? part * part_size(u) : 0;
	return up->split ? MIN(part_size(u), u->how.grid.size - from) : u->how.grid.size;
}

/* Its pieces: a part is a whole number of them. */
static uint32_t first_piece(const struct mirror_upload *u, uint32_t part)
{
	return (uint32_t)(part * part_size(u) / u->how.grid.piece_length);
}

static uint32_t piece_count(const struct mirror_upload *u, uint32_t part)
{
	const struct mirror_github_upload *up = u->state;
	uint32_t end = part + 1 < up->count ? first_piece(u, part + 1) : u->how.grid.count;
	return end - first_piece(u, part);
}

static uint32_t part_of(const struct mirror_upload *u, uint32_t piece)
{
	const struct mirror_github_upload *up = u->state;
	return up->split ? (uint32_t)(grid_offset(&u->how.grid, piece) / part_size(u)) : 0;
}

char *mirror_github_part_name(const struct mirror_upload *u, uint32_t part, bool pending)
{
	const struct mirror_github_upload *up = u->state;
	unsigned number = up->split ? part + 1 : 0;
	return pending && part == 0 ? github_name_pending(u->key, number)
				    : github_name_asset(u->key, number);
}

void mirror_github_part_target(const struct mirror_upload *u, uint32_t part, bool pending,
			       struct mirror_github_target *out)
{
	const struct mirror_github_upload *up = u->state;
	mirror_github_target_release(out);
	out->release = up->release;
	out->name = mirror_github_part_name(u, part, pending);
	out->label = github_name_label(u->key, up->split ? part + 1 : 0);
	out->content_type = u->how.content_type;
	out->size = part_length(u, part);
	out->is_hashed = out->failed = false;
}

/* ---- opening -------------------------------------------------------------------- */

/* Is the object named by its digest, so that what is there under its name is of the same? */
static bool is_named_by_digest(const struct mirror_upload *u)
{
	char hex[DIGEST_HEX];
	return str_starts(path_base(u->key), digest_hex(hex, &u->how.sha256));
}

static bool is_kept(const struct mirror_upload *u)
{
	return u->how.grid.count <= 1 || !is_named_by_digest(u);
}

static void found(struct mirror_upload *u, uint32_t part)
{
	struct mirror_github_upload *up = u->state;
	uint32_t first = first_piece(u, part), count = piece_count(u, part);
	up->parts[part].state = PART_THERE;
	for (uint32_t i = first; i < first + count; i++)
		mirror_upload_found(u, i);
}

/* The digest of the part, if it is known before its pieces come. */
static const struct digest *known_digest(const struct mirror_upload *u, uint32_t part)
{
	const struct mirror_github_upload *up = u->state;
	if (!up->split)
		return &u->how.sha256;
	return piece_count(u, part) == 1 ? mirror_upload_digest(u, first_piece(u, part)) : NULL;
}

/* An asset that an earlier upload left under a name of this part. */
static void judge_part(struct mirror_upload *u, uint32_t part, const struct github_asset *a)
{
	struct mirror_github_upload *up = u->state;
	struct mirror_github_part *p = &up->parts[part];
	const struct digest *want = known_digest(u, part);
	bool fits = a->uploaded && a->has_sha256 && a->size == part_length(u, part) &&
		    !u->how.was_wrong;
	p->id = a->id;
	p->sha256 = a->sha256;
	p->state = fits && !want ? PART_DOUBTFUL : PART_WRONG;
	if (fits && want && digest_equal(want, &a->sha256))
		found(u, part);
	if (p->state == PART_DOUBTFUL)
		u->to_compare += piece_count(u, part);
}

static void find_parts(struct mirror_upload *u)
{
	struct mirror_github_upload *up = u->state;
	for (uint32_t i = 0; i < up->count; i++) {
		CLEANUP(mem_free_ptr) char *final = mirror_github_part_name(u, i, false);
		CLEANUP(mem_free_ptr) char *pending = mirror_github_part_name(u, i, true);
		struct github_asset a;
		if (mirror_github_asset(up->release, final, &a) ||
		    mirror_github_asset(up->release, pending, &a))
			judge_part(u, i, &a);
	}
}

static int check_room(struct mirror_connection *c, const struct mirror_upload *u, struct err *e)
{
	const struct mirror_github_upload *up = u->state;
	struct mirror_github_release *r = up->release;
	size_t more = 0;
	for (uint32_t i = 0; i < up->count; i++)
		more += up->parts[i].state == PART_MISSING;
	if (!u->missing && !up->whole)
		return 0;
	if (mirror_github_is_fixed(c->mirror->state, r))
		return mirror_github_closed(c->mirror, r, "is immutable", e);
	pthread_mutex_lock(&r->lock);
	size_t count = r->count;
	pthread_mutex_unlock(&r->lock);
	if (count + more <= GITHUB_NAME_MAX_ASSETS)
		return 0;
	return mirror_github_closed(c->mirror, r, "is full: a release has at most 1000 assets", e);
}

static int check_condition(struct mirror_connection *c, const struct mirror_upload *u,
			   struct err *e)
{
	CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
	int rc = u->how.only_if_absent ? mirror_github_object(c, u->key, &o, e) : 0;
	return rc == 0 && o.count ? err_set(e, ERR_CONFLICT, "exists already") : rc;
}

/* Two at once would be in each other's way: their assets have the same names. */
static int enter(struct mirror_upload *u, struct err *e)
{
	struct mirror_github *s = u->mirror->state;
	struct mirror_github_upload *up = u->state;
	pthread_mutex_lock(&s->lock);
	up->listed = !up->whole && !str_list_has(&s->sending, u->key);
	if (up->listed)
		str_list_add(&s->sending, u->key);
	pthread_mutex_unlock(&s->lock);
	if (up->listed || up->whole)
		return 0;
	return err_set(e, ERR_CONFLICT, "it is being uploaded already");
}

static void leave(struct mirror_upload *u)
{
	struct mirror_github *s = u->mirror->state;
	const struct mirror_github_upload *up = u->state;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; up->listed && i < s->sending.count; i++) {
		if (strcmp(s->sending.at[i], u->key) != 0)
			continue;
		free(s->sending.at[i]);
		s->sending.at[i] = s->sending.at[--s->sending.count];
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

static int begin(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	uint64_t parts = github_name_parts(u->how.grid.size, part_size(u));
	up->split = parts > 0;
	up->count = parts ? (uint32_t)parts : 1;
	up->parts = mem_alloc(up->count * sizeof *up->parts);
	up->tag = mirror_github_tag(c->mirror, u->key);
	up->hash = sha256_new();
	if (is_kept(u) && u->how.grid.size > MAX_WHOLE)
		return err_set(e, ERR_USAGE,
			       "is too large for GitHub under a name without its SHA-256");
	up->whole = is_kept(u) ? mem_alloc((size_t)u->how.grid.size + 1) : NULL;
	int rc = enter(u, e);
	if (rc == 0)
		rc = mirror_github_find(c, up->tag, &up->release, e);
	if (rc == 0)
		rc = check_condition(c, u, e);
	if (rc == 0 && up->release && !up->whole)
		find_parts(u);
	return rc == 0 && up->release ? check_room(c, u, e) : rc;
}

int mirror_github_upload_open(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	u->state = NEW(struct mirror_github_upload);
	return begin(c, u, e);
}

static void close_part(struct mirror_github_upload *up)
{
	mirror_stream_free(up->stream);
	mirror_github_target_release(&up->target);
	up->stream = NULL;
	up->is_open = false;
}

void mirror_github_upload_close(struct mirror_upload *u)
{
	struct mirror_github_upload *up = u->state;
	close_part(up);
	leave(u);
	sha256_free(up->hash);
	free(up->whole);
	free(up->parts);
	free(up->tag);
	free(up);
	u->state = NULL;
}

/* ---- sending a part --------------------------------------------------------------- */

int mirror_github_need_release(struct mirror_connection *c, struct mirror_upload *u, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	return up->release ? 0 : mirror_github_create(c, up->tag, &up->release, e);
}

/* The body of a stream, and how far it was read. */
struct body {
	struct http_request from;
	uint64_t end;
};

static int read_body(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct body *b = ctx;
	int rc = b->from.read_at(b->from.body_ctx, offset, data, len, e);
	if (rc == 0)
		b->end = MAX(b->end, offset + len);
	return rc;
}

static void on_sent(void *ctx, int64_t bytes)
{
	const struct body *b = ctx;
	b->from.body_sent(b->from.body_ctx, bytes);
}

/* GitHub had it already, and did not want the rest. */
static int drain(struct body *b, struct err *e)
{
	CLEANUP(mem_free_ptr) void *scratch = mem_alloc(64 * KIB);
	int rc = 0;
	while (rc == 0 && b->end < b->from.body_size) {
		size_t len = (size_t)MIN(64 * KIB, b->from.body_size - b->end);
		rc = read_body(b, b->end, scratch, len, e);
		if (rc == 0)
			on_sent(b, (int64_t)len);
	}
	return rc;
}

/* On the stream's thread. */
static int send_part(void *ctx, struct mirror_stream *s, struct http_client *client, struct err *e)
{
	struct mirror_upload *u = ctx;
	struct mirror_github_upload *up = u->state;
	struct mirror_connection c = { .mirror = u->mirror, .state = client };
	struct body body = { 0 };
	int rc = mirror_github_need_release(&c, u, e);
	if (rc < 0)
		return rc;
	up->target.release = up->release;
	mirror_stream_body(s, &body.from);
	struct http_request q = {
		.read_at = read_body,
		.body_sent = on_sent,
		.body_ctx = &body,
		.body_size = body.from.body_size,
	};
	rc = mirror_github_send(&c, &up->target, &q, e);
	return rc < 0 ? rc : drain(&body, e);
}

static void start_stream(struct mirror_upload *u)
{
	const struct mirror_github *s = u->mirror->state;
	struct mirror_github_upload *up = u->state;
	struct mirror_stream_how how = {
		.upload = u,
		.first = first_piece(u, up->open),
		.count = piece_count(u, up->open),
		.http = s->http,
		.send = send_part,
		.ctx = u,
	};
	up->fed = how.first;
	up->stream = mirror_stream_new(&how);
}

static int remove_wrong(struct mirror_connection *c, struct mirror_upload *u, uint32_t part,
			struct err *e)
{
	struct mirror_github_upload *up = u->state;
	struct mirror_github_part *p = &up->parts[part];
	int rc = mirror_github_remove_asset(c, up->release, p->id, e);
	if (rc == 0)
		p->state = PART_MISSING;
	return rc;
}

static int open_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t part,
		     struct err *e)
{
	struct mirror_github_upload *up = u->state;
	if (up->is_open && up->open == part)
		return 0;
	close_part(up);
	int rc = up->parts[part].state == PART_WRONG ? remove_wrong(c, u, part, e) : 0;
	if (rc < 0)
		return rc;
	mirror_github_part_target(u, part, true, &up->target);
	up->is_open = true;
	up->open = part;
	up->hashed = first_piece(u, part);
	sha256_reset(up->hash);
	if (up->parts[part].state == PART_MISSING)
		start_stream(u);
	return 0;
}

/* A piece may come again after an error. */
static void hash_piece(struct mirror_upload *u, uint32_t piece, const void *data)
{
	struct mirror_github_upload *up = u->state;
	if (piece != up->hashed)
		return;
	sha256_add(up->hash, data, (size_t)grid_length(&u->how.grid, piece));
	up->hashed++;
	if (up->hashed < first_piece(u, up->open) + piece_count(u, up->open))
		return;
	sha256_final(up->hash, &up->target.sha256);
	up->target.is_hashed = true;
}

/* Pieces that were only compared so far. */
static int feed_again(struct mirror_upload *u, uint32_t to, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	CLEANUP(mem_free_ptr) void *data = NULL;
	int rc = 0;
	if (up->fed < to && !u->how.again)
		return err_set(e, ERR_USAGE,
			       "a part of it has to be sent again, which this "
			       "source cannot do");
	if (up->fed < to)
		rc = mem_array(&data, u->how.grid.piece_length, 1, u->how.grid.piece_length,
			       "a piece", e);
	for (; rc == 0 && up->fed < to; up->fed += rc == 0) {
		rc = u->how.again(u->how.again_ctx, up->fed, data, e);
		if (rc == 0)
			rc = mirror_stream_put(up->stream, up->fed, data, e);
	}
	return rc;
}

static int send_piece(struct mirror_upload *u, uint32_t piece, const void *data, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	bool last = piece + 1 == first_piece(u, up->open) + piece_count(u, up->open);
	int rc = feed_again(u, piece, e);
	if (rc == 0)
		rc = mirror_stream_put(up->stream, piece, data, e);
	if (rc == 0)
		up->fed = piece + 1;
	if (rc == 0 && last)
		rc = mirror_stream_finish(up->stream, e);
	if (rc == 0 && last) {
		up->parts[up->open].state = PART_THERE;
		up->parts[up->open].sha256 = up->target.sha256;
		close_part(up);
	}
	return rc;
}

/* With the last piece it is known whether the asset is right. */
static int compare_part(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			const void *data, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	struct mirror_github_part *p = &up->parts[up->open];
	if (!up->target.is_hashed)
		return 0;
	if (digest_equal(&p->sha256, &up->target.sha256)) {
		found(u, up->open);
		close_part(up);
		return 0;
	}
	int rc = remove_wrong(c, u, up->open, e);
	if (rc < 0)
		return rc;
	start_stream(u);
	return send_piece(u, piece, data, e);
}

int mirror_github_upload_put(struct mirror_connection *c, struct mirror_upload *u, uint32_t piece,
			     const void *data, struct err *e)
{
	struct mirror_github_upload *up = u->state;
	uint32_t part = part_of(u, piece);
	if (up->whole) {
		memcpy(up->whole + grid_offset(&u->how.grid, piece), data,
		       (size_t)grid_length(&u->how.grid, piece));
		return 0;
	}
	if (up->parts[part].state == PART_THERE)
		return 0;
	int rc = open_part(c, u, part, e);
	if (rc < 0)
		return rc;
	hash_piece(u, piece, data);
	return up->stream ? send_piece(u, piece, data, e) : compare_part(c, u, piece, data, e);
}
