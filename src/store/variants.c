#include "store/blob.h"
#include "store/pinned.h"
#include "store/record.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <unistd.h>

static void set_complete(const struct store *s, struct store_variant *v)
{
	v->complete = v->file_count > 0;
	for (size_t i = 0; i < v->file_count; i++)
		if (!store_has(s, &v->files[i].sha256, v->files[i].size))
			v->complete = false;
}

struct listing {
	const struct store *store;
	struct store_variants *out;
};

static int list_folder(void *ctx, const char *dir, const char *repository, const char *model,
		       const char *variant, struct err *e)
{
	struct listing *l = ctx;
	struct store_variant v = { 0 };
	struct err why = ERR_INIT;
	int rc = record_load(dir, RECORD_NAME, &v, &why);
	if (rc == -ERR_NOT_FOUND)
		return 0;
	/* One that cannot be read must not hide the others. */
	if (rc == -ERR_SYSTEM)
		report_warn(l->store->report, "%s", why.text);
	else if (rc < 0 && rc != -ERR_INTEGRITY) {
		*e = why;
		return rc;
	}
	/* The folder's path counts; the names in a copied record may be wrong. */
	free(v.repository);
	free(v.model);
	free(v.variant);
	v.repository = mem_strdup(repository);
	v.model = mem_strdup(model);
	v.variant = mem_strdup(variant);
	v.dir = mem_strdup(dir);
	set_complete(l->store, &v);
	l->out->at = mem_grow(l->out->at, l->out->count, &l->out->cap, sizeof v);
	l->out->at[l->out->count++] = v;
	return 0;
}

int store_list_model(const struct store *s, const char *repository, const char *model,
		     struct store_variants *out, struct err *e)
{
	struct store_variants found = { 0 };
	struct listing l = { .store = s, .out = &found };
	int rc = record_each_folder_of(s, repository, model, list_folder, &l, e);
	if (rc < 0)
		store_variants_release(&found);
	else
		*out = found;
	return rc;
}

int store_list(const struct store *s, struct store_variants *out, struct err *e)
{
	return store_list_model(s, NULL, NULL, out, e);
}

/* All digests that the variant's folder names, before it is removed. */
static int remove_unused(const struct store *s, const struct record_refs *mine, uint64_t *freed,
			 struct err *e)
{
	CLEANUP(record_refs_release) struct record_refs others = { 0 };
	int rc = record_refs_collect(s, &others, e);
	for (size_t i = 0; rc == 0 && i < mine->count; i++) {
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &mine->at[i]);
		struct stat st;
		if (record_refs_has(&others, &mine->at[i]) || lstat(blob, &st) < 0)
			continue;
		rc = file_remove(blob, e);
		if (rc == 0)
			blob_forget(s, &mine->at[i]);
		/* With another hard link the bytes stay on the disk. */
		if (rc == 0 && st.st_nlink == 1)
			*freed += (uint64_t)st.st_size;
	}
	return rc;
}

static int remove_folder(const char *dir, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(mem_free_ptr) char *record = path_join(dir, RECORD_NAME);
	CLEANUP(mem_free_ptr) char *model = path_dir(dir);
	CLEANUP(mem_free_ptr) char *repository = path_dir(model);
	int rc = file_list_dir(dir, &names, e);
	if (rc == 0)
		rc = file_remove(record, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		/* A running fetch of the same variant continues. */
		if (strcmp(names.at[i], RECORD_PENDING) != 0)
			rc = file_remove(path, e);
	}
	file_remove_dir_if_empty(dir);
	file_remove_dir_if_empty(model);
	file_remove_dir_if_empty(repository);
	return rc;
}

static int refuse_pinned(const struct store *s, const char *repository, const char *model,
			 const char *variant, struct err *e)
{
	uint64_t version;
	if (!store_pin_of(s, repository, model, variant, &version))
		return 0;
	err_set(e, ERR_CONFLICT, "%s/%s:%s is pinned", repository, model, variant);
	return err_hint(e, "run `ferry unpin %s/%s:%s` first", repository, model, variant);
}

int store_remove(const struct store *s, const char *repository, const char *model,
		 const char *variant, uint64_t *freed, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, repository, model, variant);
	CLEANUP(store_variant_release) struct store_variant v = { 0 };
	CLEANUP(record_refs_release) struct record_refs mine = { 0 };
	struct err why = ERR_INIT;
	int rc = record_load(dir, RECORD_NAME, &v, &why);
	if (rc == -ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, "%s/%s:%s is not in the store", repository, model,
			       variant);
	if (refuse_pinned(s, repository, model, variant, e) < 0)
		return -(int)e->class;
	/* A damaged record does not keep its variant from being removed; gc takes the blobs. */
	for (size_t i = 0; rc == 0 && i < v.file_count; i++) {
		mine.at = mem_grow(mine.at, mine.count, &mine.cap, sizeof *mine.at);
		mine.at[mine.count++] = v.files[i].sha256;
	}
	rc = remove_folder(dir, e);
	return rc < 0 ? rc : remove_unused(s, &mine, freed, e);
}

int store_forget(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(mem_free_ptr) char *pending = path_join(dir, RECORD_PENDING);
	int rc = file_remove(pending, e);
	for (size_t i = 0; i < v->file_count; i++)
		blob_forget(s, &v->files[i].sha256);
	return rc < 0 ? rc : remove_folder(dir, e);
}
