/* A variant gets its folder: links to its blobs, and its record. */
#include "store/kept.h"
#include "store/pinned.h"
#include "store/record.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/threads.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

int store_expect(const struct store *s, const struct store_variant *v, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = NULL;
	int rc = make_dir(s, v, &dir, e);
	if (rc == 0)
		rc = record_save_unsynced(dir, RECORD_PENDING, v, e);
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
	return file_symlink_unsynced(target, path, &why) == 0
		       ? 0
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

/* A file system brings together what several threads sync at the same time. */
#define SYNCS 8

/* A variant while it is linked. */
struct linking {
	const struct store *store;
	const struct store_variant *variant;
	struct err *why;
	char *dir;
	struct file_new record;
};

static void linking_release(struct linking *l)
{
	file_new_abort(&l->record);
	free(l->dir);
}

static int link_files(const struct store *s, struct linking *l, struct err *e)
{
	const struct store_variant *v = l->variant;
	int rc = make_dir(s, v, &l->dir, e);
	if (rc == 0)
		rc = make_way(l->dir, v, e);
	for (size_t i = 0; rc == 0 && i < v->file_count; i++)
		rc = link_file(s, l->dir, &v->files[i], v->file_count == 1, e);
	if (rc == 0)
		rc = record_write(l->dir, RECORD_NAME, v, &l->record, e);
	if (rc == 0)
		os_write_back(l->record.fd, 0, 0);
	return rc;
}

static int name_record(struct linking *l, struct err *e)
{
	int rc = file_new_commit_unsynced(&l->record, e);
	return rc < 0 ? rc : unlink_others(l->dir, l->variant, e);
}

static int end_linking(const struct store *s, struct linking *l, struct err *e)
{
	CLEANUP(mem_free_ptr) char *pending = path_join(l->dir, RECORD_PENDING);
	int rc = file_sync_dir(l->dir, e);
	/* After the links exist, nobody removes the blobs, so the ones that are here now stay. */
	if (rc == 0)
		rc = check_blobs(s, l->variant, e);
	return rc < 0 ? rc : file_remove(pending, e);
}

static void sync_record(void *ctx, size_t i)
{
	struct linking *l = (struct linking *)ctx + i;
	if (!l->why->class)
		(void)!file_sync(l->record.fd, l->record.path, l->why);
}

static void end_one(void *ctx, size_t i)
{
	struct linking *l = (struct linking *)ctx + i;
	if (!l->why->class)
		(void)!end_linking(l->store, l, l->why);
}

static void link_each(const struct store *s, const struct store_linking *all, size_t count)
{
	CLEANUP(mem_free_ptr) struct linking *at = mem_alloc((count + 1) * sizeof *at);
	CLEANUP(mem_free_ptr) char *blobs = path_join(s->home, "blobs/sha256");
	struct err unsynced = ERR_INIT;
	if (count)
		(void)!file_sync_dir(blobs, &unsynced);
	for (size_t i = 0; i < count; i++) {
		at[i] = (struct linking){ s, all[i].variant, all[i].why, NULL, FILE_NEW_INIT };
		if (unsynced.class && !at[i].why->class)
			*at[i].why = unsynced;
		if (!at[i].why->class)
			(void)!link_files(s, &at[i], at[i].why);
	}
	threads_run(SYNCS, count, sync_record, at);
	for (size_t i = 0; i < count; i++)
		if (!at[i].why->class)
			(void)!name_record(&at[i], at[i].why);
	threads_run(SYNCS, count, end_one, at);
	for (size_t i = 0; i < count; i++)
		linking_release(&at[i]);
}

/* A version that is to be kept. */
struct keeping {
	struct store_variant old;
	struct err why;
	struct store_linking *by; /* what replaces it */
};

/* If it cannot be kept, it is not replaced; but what another process removes meanwhile is not to be
 * kept. */
static void end_keeping(struct keeping *k)
{
	if (!k->why.class)
		k->by->kept = k->old.version;
	else if (!err_is(&k->why, ERR_CONFLICT))
		*k->by->why = k->why;
	store_variant_release(&k->old);
}

/* Before anything is replaced. What is under its number already stays as it is. */
static void keep_replaced(const struct store *s, struct store_linking *all, size_t count)
{
	CLEANUP(mem_free_ptr) struct keeping *at = mem_alloc((count + 1) * sizeof *at);
	CLEANUP(mem_free_ptr) struct store_linking *links = mem_alloc((count + 1) * sizeof *links);
	size_t n = 0, fresh = 0;
	for (size_t i = 0; i < count; i++) {
		if (all[i].why->class || store_pin_check(s, all[i].variant, all[i].why) < 0 ||
		    !kept_find(s, all[i].variant, &at[n].old))
			continue;
		at[n].by = &all[i];
		if (!kept_is_there(s, &at[n].old))
			links[fresh++] = (struct store_linking){ &at[n].old, &at[n].why, 0 };
		n++;
	}
	if (fresh)
		link_each(s, links, fresh);
	for (size_t i = 0; i < n; i++)
		end_keeping(&at[i]);
}

void store_link_all(const struct store *s, struct store_linking *all, size_t count)
{
	keep_replaced(s, all, count);
	link_each(s, all, count);
}

int store_link(const struct store *s, const struct store_variant *v, struct err *e)
{
	struct err why = ERR_INIT;
	store_link_all(s, &(struct store_linking){ v, &why, 0 }, 1);
	if (why.class)
		*e = why;
	return -(int)why.class;
}

void store_tidy_variant(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, RECORD_PENDING);
	CLEANUP(store_variant_release) struct store_variant pending = { 0 };
	struct err ignored = ERR_INIT;
	/* Another process may be about to replace this version; what it expects is not ours. */
	if (record_load(dir, RECORD_PENDING, &pending, &ignored) == 0 &&
	    store_variant_equal(&pending, v) && unlink_others(dir, v, &ignored) == 0)
		unlink(path);
}

/* Somebody put other files, or other links, in the place of ours. */
static bool link_again(const struct store *s, const struct store_variant *v)
{
	struct err why = ERR_INIT;
	if (!s->read_only && store_link(s, v, &why) == 0) {
		report_warn(s->report,
			    "%s: its links did not lead to the verified files: linked again",
			    v->dir);
		return true;
	}
	report_warn(s->report, "%s: its links do not lead to the verified files: using the blobs",
		    v->dir);
	return false;
}

void store_paths(const struct store *s, const struct store_variant *v, struct str_list *out)
{
	bool linked = store_is_linked(s, v) || link_again(s, v);
	for (size_t i = 0; i < v->file_count; i++)
		str_list_take(out, linked ? store_file_path(s, v->dir, &v->files[i])
					  : store_blob_path(s, &v->files[i].sha256));
}
