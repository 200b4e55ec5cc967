#include "serve/cache/view_internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <string.h>

struct view *view_new(const char *repository, bool is_private, struct view_release *now,
		      const struct view *last)
{
	struct view *v = NEW(struct view);
	atomic_init(&v->refs, 1);
	v->repository = mem_strdup(repository);
	v->is_private = is_private;
	v->now = now;
	if (!last)
		return v;
	if (last->now->tree.version != now->tree.version)
		v->before[v->before_count++] = view_release_ref(last->now);
	for (size_t i = 0; i < last->before_count && v->before_count < VIEW_BEFORE; i++)
		v->before[v->before_count++] = view_release_ref(last->before[i]);
	return v;
}

struct view *view_ref(struct view *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

void view_unref(struct view *v)
{
	if (!v || atomic_fetch_sub(&v->refs, 1) > 1)
		return;
	view_release_unref(v->now);
	for (size_t i = 0; i < v->before_count; i++)
		view_release_unref(v->before[i]);
	free(v->repository);
	free(v);
}

const char *view_repository(const struct view *v)
{
	return v->repository;
}

uint64_t view_version(const struct view *v)
{
	return v->now->tree.version;
}

int64_t view_expires_s(const struct view *v)
{
	return v->now->expires_s;
}

bool view_is_private(const struct view *v)
{
	return v->is_private;
}

const struct catalog *view_catalog(const struct view *v)
{
	return &v->now->catalog;
}

/* ---- files ---- */

static void describe(const struct view *v, const struct view_release *r,
		     const struct view_entry *entry, struct view_file *out)
{
	const struct buf *small = tree_small(&r->tree, entry->file);
	*out = (struct view_file){
		.file = entry->file,
		.bytes = small               ? small
			 : entry->bytes.data ? &entry->bytes
					     : NULL,
		.model = entry->model,
		.withdrawn = entry->withdrawn,
	};
	/* A recall counts for what earlier releases called right. */
	const struct view_entry *now =
		r == v->now ? NULL : view_release_find_digest(v->now, &entry->file->sha256);
	out->withdrawn |= now && now->withdrawn;
}

bool view_find(const struct view *v, const char *key, struct view_file *out)
{
	const struct view_release *r = v->now;
	const struct view_entry *entry = view_release_find(r, key);
	for (size_t i = 0; !entry && i < v->before_count; i++) {
		r = v->before[i];
		entry = view_release_find(r, key);
	}
	if (entry)
		describe(v, r, entry, out);
	return entry != NULL;
}

bool view_find_digest(const struct view *v, const struct digest *sha256, struct view_file *out)
{
	const struct view_release *r = v->now;
	const struct view_entry *entry = view_release_find_digest(r, sha256);
	for (size_t i = 0; !entry && i < v->before_count; i++) {
		r = v->before[i];
		entry = view_release_find_digest(r, sha256);
	}
	if (entry)
		describe(v, r, entry, out);
	return entry != NULL;
}

/* ---- models ---- */

const struct card *view_models(const struct view *v, size_t *count)
{
	*count = v->now->catalog.model_count;
	return v->now->catalog.models;
}

const struct card *view_model(const struct view *v, const char *id)
{
	return catalog_model(&v->now->catalog, id);
}

int view_card_file(const struct view *v, const struct card_file *f, struct view_file *out,
		   struct err *e)
{
	char hex[DIGEST_HEX];
	const char *name = path_base(f->path);
	CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%.*s%s.%s", (int)(name - f->path),
						     f->path, digest_hex(hex, &f->sha256), name);
	const struct view_entry *entry = view_release_find(v->now, key);
	if (!entry || entry->file->size != f->size)
		return err_set(e, ERR_INTEGRITY, "%s: the release does not list %s", v->repository,
			       key);
	describe(v, v->now, entry, out);
	return 0;
}
