/* What is left behind: open uploads, old versions, and objects of a probe that was killed. */
#include "mirror/measure.h"
#include "mirror/s3.h"

#include "util/mem.h"

#include <string.h>

/* One request may leave parts that were arriving at that moment. */
#define ABORT_TRIES 5

static int delete_with(struct mirror_connection *c, const char *name, const char *what,
		       const char *id, struct err *e)
{
	struct sigv4_pair query = { what, id };
	struct s3_request q = {
		.method = "DELETE", .key = name, .query = &query, .query_count = 1
	};
	return mirror_s3_call(c, &q, NULL, e);
}

struct sum {
	size_t count;
	uint64_t bytes;
};

static int on_part(void *ctx, const struct s3_item *i, struct err *e)
{
	struct sum *s = ctx;
	(void)e;
	s->count += i->kind == S3_ITEM_PART;
	s->bytes += i->size;
	return 0;
}

static int sum_parts(struct mirror_connection *c, const char *name, const char *id, struct sum *out,
		     struct err *e)
{
	struct mirror_s3_list parts = { .list = MIRROR_S3_PARTS, .name = name, .id = id };
	*out = (struct sum){ 0 };
	return mirror_s3_list(c, &parts, on_part, out, e);
}

int mirror_s3_abort(struct mirror_connection *c, const char *name, const char *id, struct err *e)
{
	for (int i = 0; i < ABORT_TRIES; i++) {
		struct err why = ERR_INIT;
		struct sum left;
		int rc = delete_with(c, name, "uploadId", id, &why);
		if (rc == -ERR_NOT_FOUND)
			return 0;
		if (rc < 0) {
			*e = why;
			return rc;
		}
		if (!mirror_s3_has(c->mirror, S3_LISTS_PARTS) ||
		    sum_parts(c, name, id, &left, &why) < 0 || !left.count)
			return 0;
	}
	return err_set(e, ERR_NETWORK, "parts are left after %d requests to remove the upload",
		       ABORT_TRIES);
}

/* -- listing ---------------------------------------------------------------------- */

struct leftovers {
	struct mirror_connection *c;
	mirror_leftover_fn *fn;
	void *ctx;
};

/* The id names both, the upload or version and the object. */
static int tell(const struct leftovers *l, const struct s3_item *i, struct mirror_leftover *left,
		struct err *e)
{
	const struct mirror_s3 *s = l->c->mirror->state;
	CLEANUP(mem_free_ptr) char *id = mem_printf("%s %s", i->id, i->name);
	if (!i->id[0] || !str_starts(i->name, s->prefix))
		return 0;
	left->key = i->name + strlen(s->prefix);
	left->id = id;
	left->started_s = i->time_s;
	return l->fn(l->ctx, left, e);
}

static int on_upload(void *ctx, const struct s3_item *i, struct err *e)
{
	const struct leftovers *l = ctx;
	struct mirror_leftover left = { .kind = MIRROR_LEFT_UPLOAD };
	struct err ignored = ERR_INIT;
	struct sum parts;
	if (i->kind != S3_ITEM_UPLOAD)
		return 0;
	left.has_bytes = sum_parts(l->c, i->name, i->id, &parts, &ignored) == 0;
	left.bytes = parts.bytes;
	return tell(l, i, &left, e);
}

static int on_version(void *ctx, const struct s3_item *i, struct err *e)
{
	const struct leftovers *l = ctx;
	struct mirror_leftover left = { .kind = MIRROR_LEFT_VERSION,
					.has_bytes = true,
					.bytes = i->size };
	return i->kind == S3_ITEM_VERSION && !i->latest ? tell(l, i, &left, e) : 0;
}

static int on_scratch(void *ctx, const struct s3_item *i, struct err *e)
{
	const struct leftovers *l = ctx;
	const struct mirror_s3 *s = l->c->mirror->state;
	CLEANUP(mem_free_ptr) char *id = mem_printf("object %s", i->name);
	struct mirror_leftover left = { .kind = MIRROR_LEFT_SCRATCH,
					.id = id,
					.started_s = i->time_s,
					.has_bytes = true,
					.bytes = i->size };
	if (i->kind != S3_ITEM_OBJECT || !str_starts(i->name, s->prefix))
		return 0;
	left.key = i->name + strlen(s->prefix);
	return l->fn(l->ctx, &left, e);
}

static int list_scratch(struct leftovers *l, const char *folder, struct err *e)
{
	CLEANUP(mem_free_ptr) char *prefix = mirror_s3_name(l->c->mirror, folder);
	struct mirror_s3_list objects = {
		.list = MIRROR_S3_OBJECTS,
		.prefix = prefix,
		.folders = mirror_s3_has(l->c->mirror, S3_LISTS_FOLDERS),
	};
	return mirror_s3_list(l->c, &objects, on_scratch, l, e);
}

/* A server without versions has none that are old. */
static int list_versions(struct leftovers *l, const char *prefix, struct err *e)
{
	struct mirror_s3_list versions = { .list = MIRROR_S3_VERSIONS, .prefix = prefix };
	struct err why = ERR_INIT;
	int rc = mirror_s3_list(l->c, &versions, on_version, l, &why);
	if (rc == 0 || rc == -ERR_USAGE || rc == -ERR_INTEGRITY)
		return 0;
	*e = why;
	return rc;
}

int mirror_s3_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			struct err *e)
{
	const struct mirror_s3 *s = c->mirror->state;
	struct mirror_s3_list uploads = { .list = MIRROR_S3_UPLOADS, .prefix = s->prefix };
	struct leftovers l = { c, fn, ctx };
	int rc = mirror_s3_list(c, &uploads, on_upload, &l, e);
	if (rc == 0)
		rc = list_scratch(&l, MIRROR_S3_SCRATCH, e);
	if (rc == 0)
		rc = list_scratch(&l, MEASURE_PREFIX, e);
	return rc < 0 ? rc : list_versions(&l, s->prefix, e);
}

int mirror_s3_leftover_remove(struct mirror_connection *c, const struct mirror_leftover *left,
			      struct err *e)
{
	const char *name = strchr(left->id, ' ');
	if (!name)
		return err_set(e, ERR_BUG, "'%.100s' is not the id of a leftover", left->id);
	CLEANUP(mem_free_ptr) char *id = mem_strndup(left->id, (size_t)(name - left->id));
	if (left->kind == MIRROR_LEFT_UPLOAD)
		return mirror_s3_abort(c, name + 1, id, e);
	if (left->kind == MIRROR_LEFT_SCRATCH)
		return mirror_s3_remove_scratch(c, name + 1, e);
	return delete_with(c, name + 1, "versionId", id, e);
}
