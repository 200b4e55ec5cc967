#include "store/kept.h"

#include "store/record.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

/* ---- what is replaced ---- */

static bool is_complete(const struct store *s, const struct store_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (!store_has(s, &v->files[i].sha256, v->files[i].size))
			return false;
	return v->file_count > 0;
}

/* The names in a copied record may be wrong; those of the folder count. */
static void rename_to(struct store_variant *v, const struct store_variant *of, char *variant)
{
	free(v->repository);
	free(v->model);
	free(v->variant);
	v->repository = mem_strdup(of->repository);
	v->model = mem_strdup(of->model);
	v->variant = variant;
}

bool kept_find(const struct store *s, const struct store_variant *v, struct store_variant *out)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(store_variant_release) struct store_variant old = { 0 };
	struct err ignored = ERR_INIT;
	if (store_variant_is_numbered(v) || record_load(dir, RECORD_NAME, &old, &ignored) < 0 ||
	    old.version == v->version || !is_complete(s, &old))
		return false;
	rename_to(&old, v, mem_printf("%s@%llu", v->variant, (unsigned long long)old.version));
	old.replaced_s = clock_wall_s(s->clock);
	*out = old;
	old = (struct store_variant){ 0 };
	return true;
}

bool kept_is_there(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(store_variant_release) struct store_variant there = { 0 };
	struct err ignored = ERR_INIT;
	if (record_load(dir, RECORD_NAME, &there, &ignored) < 0)
		return false;
	there.dir = STEAL(dir);
	return store_variant_equal(&there, v) && store_is_linked(s, &there);
}

int kept_load(const struct store *s, const struct store_variant *v, uint64_t version,
	      struct store_variant *out, struct err *e)
{
	CLEANUP(mem_free_ptr)
	char *variant = mem_printf("%s@%llu", v->variant, (unsigned long long)version);
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, variant);
	CLEANUP(store_variant_release) struct store_variant kept = { 0 };
	int rc = record_load(dir, RECORD_NAME, &kept, e);
	if (rc < 0)
		return rc;
	rename_to(&kept, v, STEAL(variant));
	kept.dir = STEAL(dir);
	kept.complete = is_complete(s, &kept);
	*out = kept;
	kept = (struct store_variant){ 0 };
	return 0;
}

/* ---- what it takes ---- */

static bool is_before(const struct store_variant *v, size_t files, const struct digest *d)
{
	for (size_t i = 0; i < files; i++)
		if (digest_equal(&v->files[i].sha256, d))
			return true;
	return false;
}

int kept_bytes(const struct store *s, const struct store_variant *v, uint64_t *out, struct err *e)
{
	CLEANUP(record_refs_release) struct record_refs others = { 0 };
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	uint64_t bytes = 0;
	int rc = record_refs_collect_but(s, dir, &others, e);
	for (size_t i = 0; rc == 0 && i < v->file_count; i++) {
		const struct store_file *f = &v->files[i];
		if (!record_refs_has(&others, &f->sha256) && !is_before(v, i, &f->sha256))
			bytes += f->size;
	}
	if (rc == 0)
		*out = bytes;
	return rc;
}
