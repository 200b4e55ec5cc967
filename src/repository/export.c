#include "repository/export.h"

#include "catalog/metalink.h"
#include "sign/modelsig.h"
#include "repository/internal.h"
#include "http/url.h"
#include "tuf/name.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- the tree ---- */

void export_release(struct export *x)
{
	catalog_release(&x->catalog);
	repository_files_release(&x->files);
	free(x->dir);
	*x = (struct export){ 0 };
}

static uint64_t targets_version(const struct repository_file *f)
{
	return f->class == REPOSITORY_METADATA ? tuf_name_version(path_base(f->key), "targets") : 0;
}

int export_open(const char *dir, struct export *out, struct err *e)
{
	CLEANUP(export_release) struct export x = { .dir = mem_strdup(dir) };
	int rc = repository_published(dir, &x.files, e);
	if (rc == 0)
		rc = repository_catalog(dir, &x.catalog, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < x.files.count; i++)
		x.version = MAX(x.version, targets_version(&x.files.at[i]));
	*out = x;
	x = (struct export){ 0 };
	return 0;
}

/* The object of a file in the catalog. */
static int find_object(const struct export *x, const struct card_file *f,
		       const struct repository_file **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = repository_object_name(f->path, &f->sha256);
	CLEANUP(mem_free_ptr) char *key = mem_printf("targets/%s", name);
	const struct repository_file *file = repository_files_find(&x->files, key);
	if (!file || file->size != f->size)
		return err_set(e, ERR_INTEGRITY,
			       "%s: is in the catalog, but not in the signed metadata", f->path);
	*out = file;
	return 0;
}

/* ---- what is meant ---- */

static int parse_reference(const struct export *x, const char *text, struct reference *out,
			   struct err *e)
{
	int rc = reference_parse(text, out, e);
	if (rc < 0 || !out->repository || strcmp(out->repository, x->catalog.name) == 0)
		return rc;
	err_set(e, ERR_NOT_FOUND, "%s: this repository is '%s', not '%s'", text, x->catalog.name,
		out->repository);
	reference_release(out);
	return -(int)e->class;
}

int export_find(const struct export *x, const char *text, const struct card **model,
		const struct card_variant **variant, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	int rc = parse_reference(x, text, &r, e);
	if (rc == 0)
		rc = catalog_resolve(&x->catalog, &r, model, variant, e);
	if (rc == 0 && (*variant)->file_count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "%s:%s is planned: it has no files yet",
			     (*model)->id, (*variant)->id);
	return rc;
}

/* ---- SHA256SUMS ---- */

/* A file and its name in the list: its target path, or the name that readers have. */
struct listed {
	const struct card_file *file;
	char *name;
};

struct listing {
	const struct export *x;
	bool by_path;
	struct listed *at;
	size_t count, cap;
};

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].name);
	free(l->at);
}

static void list_variant(struct listing *l, const struct card *c, const struct card_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++) {
		l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
		l->at[l->count++] = (struct listed){
			.file = &v->files[i],
			.name = l->by_path ? mem_strdup(v->files[i].path)
					   : card_target(c->id, v->files[i].name),
		};
	}
}

static void list_model(struct listing *l, const struct card *c)
{
	for (size_t i = 0; i < c->variant_count; i++)
		list_variant(l, c, &c->variants[i]);
}

static int list_files(struct listing *l, const char *text, struct err *e)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	const struct card *model;
	const struct card_variant *variant;
	for (size_t i = 0; !text && i < l->x->catalog.model_count; i++)
		list_model(l, &l->x->catalog.models[i]);
	if (!text)
		return 0;
	int rc = parse_reference(l->x, text, &r, e);
	if (rc == 0)
		rc = catalog_resolve(&l->x->catalog, &r, &model, &variant, e);
	if (rc < 0)
		return rc;
	if (r.variant || r.version)
		list_variant(l, model, variant);
	else
		list_model(l, model);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order ? order : memcmp(&x->file->sha256, &y->file->sha256, sizeof x->file->sha256);
}

/* The length of the folder, including its '/', that the first and last entry of a sorted list
 * share; then all entries share it. */
static size_t shared_folder(const struct listing *l)
{
	const char *a = l->at[0].name, *b = l->at[l->count - 1].name;
	size_t length = 0;
	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			length = i + 1;
	return length;
}

static int add_sum(const struct listing *l, size_t i, size_t skip, struct sums *out, struct err *e)
{
	const struct listed *f = &l->at[i], *before = i ? &l->at[i - 1] : NULL;
	const struct repository_file *object;
	if (before && strcmp(before->name, f->name) == 0) {
		if (digest_equal(&before->file->sha256, &f->file->sha256))
			return 0;
		return err_set(e, ERR_INTEGRITY,
			       "%s: the catalog lists two different files of this name", f->name);
	}
	int rc = find_object(l->x, f->file, &object, e);
	if (rc < 0)
		return rc;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct sums_entry){
		.name = mem_strdup(f->name + skip),
		.sha256 = object->sha256,
	};
	return 0;
}

int export_sums(const struct export *x, const char *reference, struct sums *out, struct err *e)
{
	CLEANUP(sums_release) struct sums sums = { 0 };
	CLEANUP(listing_release) struct listing l = { .x = x, .by_path = !reference };
	int rc = list_files(&l, reference, e);
	if (rc == 0 && l.count) {
		qsort(l.at, l.count, sizeof *l.at, by_name);
		size_t skip = reference ? shared_folder(&l) : 0;
		for (size_t i = 0; rc == 0 && i < l.count; i++)
			rc = add_sum(&l, i, skip, &sums, e);
	}
	if (rc < 0)
		return rc;
	*out = sums;
	sums = (struct sums){ 0 };
	return 0;
}

/* ---- Metalink ---- */

/* Paths cannot be appended to a query. */
static bool serves_files(const struct catalog_mirror *m)
{
	bool http = (str_starts_nocase(m->url, "https://") ||
		     str_starts_nocase(m->url, "http://")) &&
		    !strchr(m->url, '?');
	return http && catalog_mirror_has(m, MIRROR_HOLDS_OBJECTS);
}

static int need_mirrors(const struct export *x, struct err *e)
{
	for (size_t i = 0; i < x->catalog.mirror_count; i++)
		if (serves_files(&x->catalog.mirrors[i]))
			return 0;
	err_set(e, ERR_NOT_FOUND,
		"the signed catalog has no mirror with model files and an http or https URL");
	return err_hint(e, "set the public url of a [mirror.NAME] in ferry.conf, then run `ferry "
			   "catalog sign`");
}

/* The data that an entry of a Metalink borrows. */
struct entry {
	struct manifest manifest;
	struct metalink_url urls[CATALOG_MAX_MIRRORS];
	size_t url_count;
};

static void entries_free(struct entry *at, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		manifest_release(&at[i].manifest);
		for (size_t k = 0; k < at[i].url_count; k++)
			free(at[i].urls[k].url);
	}
	free(at);
}

static int load_manifest(const struct export *x, const struct repository_file *object,
			 struct manifest *out, struct err *e)
{
	const struct repository_file *f =
		object->manifest_key ? repository_files_find(&x->files, object->manifest_key)
				     : NULL;
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	if (!f)
		return err_set(e, ERR_INTEGRITY, "%s: its manifest is not in the signed metadata",
			       object->key);
	CLEANUP(mem_free_ptr) char *path = path_join(x->dir, f->key);
	int rc = repository_file_read(x->dir, f, &text, e);
	if (rc == 0)
		rc = manifest_parse(buf_str(&text), text.len, path, out, e);
	if (rc < 0)
		return err_hint(e, "run `ferry catalog add` for this model again, then sign");
	if (!manifest_is_of(out, object->size, &object->sha256))
		return err_set(e, ERR_INTEGRITY, "%s is the manifest of another file", path);
	return 0;
}

static int fill(const struct export *x, const struct card_file *f, struct entry *entry,
		struct metalink_file *out, struct err *e)
{
	const struct repository_file *object;
	int rc = find_object(x, f, &object, e);
	if (rc < 0 || (rc = load_manifest(x, object, &entry->manifest, e)) < 0)
		return rc;
	for (size_t i = 0; i < x->catalog.mirror_count; i++) {
		const struct catalog_mirror *m = &x->catalog.mirrors[i];
		if (serves_files(m) && entry->url_count < ARRAY_LEN(entry->urls))
			entry->urls[entry->url_count++] = (struct metalink_url){
				.url = url_join(m->url, object->key),
				.priority = m->priority,
				.region = m->region,
			};
	}
	*out = (struct metalink_file){
		.name = f->name,
		.sha256 = f->sha256,
		.grid = entry->manifest.grid,
		.pieces = entry->manifest.pieces,
		.urls = entry->urls,
		.url_count = entry->url_count,
	};
	return 0;
}

int export_metalink(const struct export *x, const struct card *model,
		    const struct card_variant *variant, struct buf *out, struct err *e)
{
	size_t count = variant->file_count;
	CLEANUP(mem_free_ptr) struct metalink_file *files = mem_alloc(count * sizeof *files);
	CLEANUP(mem_free_ptr) char *version =
		variant->version > 1
			? mem_printf("%s@%llu", variant->id, (unsigned long long)variant->version)
			: mem_strdup(variant->id);
	struct entry *entries = mem_alloc(count * sizeof *entries);
	int rc = need_mirrors(x, e);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = fill(x, &variant->files[i], &entries[i], &files[i], e);
	if (rc == 0) {
		const struct metalink m = {
			.published = x->catalog.updated,
			.identity = model->title,
			.version = version,
			.description = model->summary,
			.publisher = x->catalog.title ? x->catalog.title : x->catalog.name,
			.files = files,
			.file_count = count,
		};
		rc = metalink_format(&m, out, e);
	}
	entries_free(entries, count);
	return rc < 0 ? err_context(e, "%s:%s", model->id, variant->id) : 0;
}

/* ---- model signatures ---- */

int export_model_signature(const struct export *x, const struct card *model,
			   const struct card_variant *variant, struct signer *s, struct buf *out,
			   struct err *e)
{
	size_t count = variant->file_count;
	CLEANUP(mem_free_ptr) struct modelsig_file *files = mem_alloc(count * sizeof *files);
	CLEANUP(mem_free_ptr) char *folder = mem_printf("%s:%s", model->id, variant->id);
	for (size_t i = 0; i < count; i++) {
		const struct repository_file *object;
		int rc = find_object(x, &variant->files[i], &object, e);
		if (rc < 0)
			return rc;
		files[i] = (struct modelsig_file){ variant->files[i].name, object->sha256 };
	}
	return modelsig_bundle(s, folder, files, count, out, e);
}
