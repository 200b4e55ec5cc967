#include "store/blob.h"
#include "store/record.h"
#include "store/store.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void store_variants_release(struct store_variants *v)
{
	for (size_t i = 0; i < v->count; i++)
		store_variant_release(&v->at[i]);
	free(v->at);
	*v = (struct store_variants){ 0 };
}

/* The folder of the variant, created if missing; the caller frees. */
static int make_dir(const struct store *s, const struct store_variant *v, char **out, struct err *e)
{
	int rc = record_check_names(v, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	rc = file_mkdirs(dir, FILE_DIR_MODE, e);
	if (rc == 0)
		*out = STEAL(dir);
	return rc;
}

int store_pin(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = NULL;
	int rc = make_dir(s, v, &dir, e);
	if (rc == 0)
		rc = record_save(dir, RECORD_PENDING, v, e);
	return rc < 0 && e->sys == EACCES ? err_hint(e, FILE_GROUP_HINT) : rc;
}

/* FAT and similar file systems have no links at all. */
static int link_otherwise(const struct store *s, const char *path, const struct store_file *f,
			  bool alone, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &f->sha256);
	bool done;
	int rc = file_link(blob, path, &done, e);
	if (rc == 0 && !done)
		rc = file_reflink(blob, path, FILE_READ_ONLY, &done, e);
	if (rc < 0 || done)
		return rc;
	/* A file of an older version must not be taken for this one. */
	return alone ? file_remove(path, e) : file_copy(blob, path, FILE_READ_ONLY, s->cancel, e);
}

/* alone: engines need no name to find other files, and can use the blob itself. */
static int link_file(const struct store *s, const char *dir, const struct store_file *f, bool alone,
		     struct err *e)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *path = path_join(dir, f->name);
	CLEANUP(mem_free_ptr) char *target = mem_printf("../../../../blobs/sha256/%s",
							digest_hex(hex, &f->sha256));
	struct err why = ERR_INIT;
	return file_symlink_atomic(target, path, &why) == 0 ? 0
							    : link_otherwise(s, path, f, alone, e);
}

static bool has_file(const struct store_variant *v, const char *name)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (strcmp(v->files[i].name, name) == 0)
			return true;
	return false;
}

/* Names that an older version of the variant had. */
static int unlink_others(const char *dir, const struct store_variant *v, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		if (names.at[i][0] != '.' && !has_file(v, names.at[i]))
			rc = file_remove(path, e);
	}
	return rc;
}

static int check_blobs(const struct store *s, const struct store_variant *v, struct err *e)
{
	for (size_t i = 0; i < v->file_count; i++) {
		if (store_has(s, &v->files[i].sha256, v->files[i].size))
			continue;
		err_set(e, ERR_CONFLICT, "%s is not in the store: another process removed it",
			v->files[i].name);
		return err_hint(e, "run the same command again");
	}
	return 0;
}

static int make_way(const char *dir, const struct store_variant *v, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, v->files[i].name);
		rc = file_make_way(path, e);
	}
	return rc;
}

int store_link(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = NULL;
	int rc = make_dir(s, v, &dir, e);
	if (rc == 0)
		rc = make_way(dir, v, e);
	for (size_t i = 0; rc == 0 && i < v->file_count; i++)
		rc = link_file(s, dir, &v->files[i], v->file_count == 1, e);
	if (rc == 0)
		rc = record_save(dir, RECORD_NAME, v, e);
	if (rc == 0)
		rc = unlink_others(dir, v, e);
	/* After the links exist, nobody removes the blobs, so the ones that are here now stay. */
	if (rc == 0)
		rc = check_blobs(s, v, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) char *pin = path_join(dir, RECORD_PENDING);
	return file_remove(pin, e);
}

bool store_variant_equal(const struct store_variant *a, const struct store_variant *b)
{
	if (a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++)
		if (strcmp(a->files[i].name, b->files[i].name) != 0 ||
		    a->files[i].size != b->files[i].size ||
		    !digest_equal(&a->files[i].sha256, &b->files[i].sha256))
			return false;
	return true;
}

static bool has_digest(const struct store_variant *v, const char *digits)
{
	char hex[DIGEST_HEX];
	for (size_t i = 0; i < v->file_count; i++)
		if (str_starts(digest_hex(hex, &v->files[i].sha256), digits))
			return true;
	return false;
}

bool store_variant_is(const struct store_variant *v, const char *variant, const char *version)
{
	static const char digest[] = "sha256:";
	size_t len = strcspn(v->variant, "@");
	uint64_t number;
	if (!version)
		return variant ? strcmp(v->variant, variant) == 0 : v->variant[len] == '\0';
	if (variant && (strlen(variant) != len || strncmp(v->variant, variant, len) != 0))
		return false;
	if (str_starts(version, digest))
		return has_digest(v, version + strlen(digest));
	return parse_u64(version, &number) && number == v->version;
}

bool store_variant_has_any(const struct store_variant *v, const struct store_variant *of)
{
	for (size_t i = 0; i < v->file_count; i++)
		for (size_t k = 0; k < of->file_count; k++)
			if (digest_equal(&v->files[i].sha256, &of->files[k].sha256))
				return true;
	return false;
}

void store_tidy_variant(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, RECORD_PENDING);
	CLEANUP(store_variant_release) struct store_variant pin = { 0 };
	struct err ignored = ERR_INIT;
	/* Another process may be about to replace this version; its pin is not ours. */
	if (record_load(dir, RECORD_PENDING, &pin, &ignored) == 0 && store_variant_equal(&pin, v) &&
	    unlink_others(dir, v, &ignored) == 0)
		unlink(path);
}

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

int store_list(const struct store *s, struct store_variants *out, struct err *e)
{
	struct store_variants found = { 0 };
	struct listing l = { .store = s, .out = &found };
	int rc = record_each_folder(s, list_folder, &l, e);
	if (rc < 0)
		store_variants_release(&found);
	else
		*out = found;
	return rc;
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
	CLEANUP(mem_free_ptr) char *pin = path_join(dir, RECORD_PENDING);
	int rc = file_remove(pin, e);
	for (size_t i = 0; i < v->file_count; i++)
		blob_forget(s, &v->files[i].sha256);
	return rc < 0 ? rc : remove_folder(dir, e);
}
