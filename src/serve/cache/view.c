#include "serve/cache/view_internal.h"

#include "catalog/manifest.h"
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
		r == v->now ? NULL : view_release_find_digest(v->now, &entry->file->sha256, 0);
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

bool view_find_digest(const struct view *v, const struct digest *sha256, size_t nth,
		      struct view_file *out)
{
	const struct view_release *r = v->now;
	const struct view_entry *entry = view_release_find_digest(r, sha256, nth);
	for (size_t i = 0; !entry && i < v->before_count; i++) {
		r = v->before[i];
		entry = view_release_find_digest(r, sha256, nth);
	}
	if (entry)
		describe(v, r, entry, out);
	return entry != NULL;
}

/* ---- pieces ---- */

static int read_manifest(struct view *v, const char *key, const struct view_read *how,
			 struct buf *out, struct err *e)
{
	struct view_file f;
	if (!view_find(v, key, &f))
		return err_set(e, ERR_INTEGRITY, "the release does not list %s", key);
	if (f.file->size > MANIFEST_MAX_BYTES)
		return err_set(e, ERR_INTEGRITY, "%s is too large for a manifest", key);
	if (!f.bytes)
		return how->read(how->ctx, v, &f, out, e);
	buf_clear(out);
	buf_add(out, f.bytes->data, f.bytes->len);
	return buf_ok(out, key, e);
}

static int take_pieces(const struct view_file *f, struct manifest *m, struct tree_pieces *out,
		       struct err *e)
{
	const char *key = f->file->manifest_key;
	if (m->grid.size != f->file->size || !digest_equal(&m->sha256, &f->file->sha256))
		return err_set(e, ERR_INTEGRITY, "%s is not the manifest of %s", key, f->file->key);
	out->at = STEAL(m->pieces);
	return 0;
}

static int pieces_of_manifest(struct view *v, const struct view_file *f,
			      const struct view_read *how, struct tree_pieces *out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(manifest_release) struct manifest m = { 0 };
	const char *key = f->file->manifest_key;
	if (!key)
		return err_set(e, ERR_INTEGRITY, "the release lists no pieces of %s", f->file->key);
	int rc = read_manifest(v, key, how, &bytes, e);
	if (rc == 0)
		rc = manifest_parse(buf_str(&bytes), bytes.len, key, &m, e);
	return rc < 0 ? rc : take_pieces(f, &m, out, e);
}

int view_pieces(struct view *v, const struct view_file *f, const struct view_read *how,
		struct tree_pieces *out, struct err *e)
{
	struct tree_pieces p = { 0 };
	int rc = grid_for(f->file->size, &p.grid, e);
	if (rc == 0 && p.grid.count > 1)
		rc = pieces_of_manifest(v, f, how, &p, e);
	if (rc < 0)
		return rc;
	if (!p.at) {
		p.at = NEW(struct digest);
		p.at[0] = f->file->sha256;
	}
	grid_root(p.at, p.grid.count, &p.root);
	*out = p;
	return 0;
}

int view_read_places(void *ctx, const struct source *s, struct mirror *m, struct err *e)
{
	const struct view *v = ctx;
	return view_mirrors_places(v->now, s, m, e);
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

static _Atomic(struct view_kept *) *place_of(const struct view *v, const struct card *c)
{
	return &v->now->kept[c - v->now->catalog.models];
}

const struct view_kept *view_kept(const struct view *v, const struct card *c)
{
	return atomic_load(place_of(v, c));
}

const struct view_kept *view_keep(const struct view *v, const struct card *c, struct view_kept *k)
{
	struct view_kept *there = NULL;
	if (atomic_compare_exchange_strong(place_of(v, c), &there, k))
		return k;
	k->free(k);
	return there;
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
