#include "repository/backup.h"

#include "prepare/archive.h"
#include "repository/internal.h"
#include "tuf/claim.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE ".ferry-restore-"
#define INDEX_MAX (64 * MIB)
#define ENTRIES_MAX 1000000
#define RATIO_MAX 1000 /* metadata of many models is much alike */
#define TREE_MAX (4096 * GIB)
#define ROOT "metadata/1.root.json"
#define TIMESTAMP "metadata/timestamp.json"

/* What a file is for; they are put in this order. */
enum part {
	PART_OBJECT,
	PART_METADATA,
	PART_POINTER,
	PART_TIMESTAMP,
	PART_SOURCE,
	PART_RECORD,
	PART_KEY,
	PART_CONF,
	PARTS
};

struct item {
	const char *path; /* in the archive; borrowed from the index */
	uint64_t size;
	struct digest sha256;
	enum part part;
	bool there; /* the same bytes are at its place */
	bool keep;  /* other bytes are at its place, and stay */
};

struct restoring {
	const struct backup_restoring *how;
	int lock;    /* of the folder that has the stage; or -1 */
	char *stage; /* where it was unpacked */
	json_t *index;
	const char *tree, *keys; /* their names in the archive; keys: or NULL */
	struct item *items;
	size_t count;
	struct backup_restored result;
};

void backup_restored_release(struct backup_restored *r)
{
	free(r->repository);
	free(r->tree);
	free(r->keys);
	str_list_release(&r->kept);
	*r = (struct backup_restored){ 0 };
}

static void restoring_release(struct restoring *r)
{
	if (r->stage)
		file_remove_tree(r->stage);
	file_close(&r->lock);
	free(r->stage);
	json_decref(r->index);
	free(r->items);
	backup_restored_release(&r->result);
}

static char *staged_path(const struct restoring *r, const char *name)
{
	return path_join(r->stage, name);
}

static char *final_path(const struct restoring *r, const char *name)
{
	return path_join(r->how->dir, name);
}

/* The path in the tree, or NULL for what is not in it. */
static const char *key_of(const struct restoring *r, const char *path)
{
	size_t len = strlen(r->tree);
	return str_starts(path, r->tree) && path[len] == '/' ? path + len + 1 : NULL;
}

/* ---- unpacking ---- */

static int no_backup(const char *path, const char *why, struct err *e)
{
	err_set(e, ERR_INTEGRITY, "%s: %s", path, why);
	return err_hint(e,
			"use a file that `ferry catalog backup` wrote; copy it again if this one "
			"is damaged");
}

/* Whoever has the lock removes what killed runs left. */
static int make_stage(struct restoring *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *near = file_nearest(r->how->dir);
	CLEANUP(mem_free_ptr) char *stage = path_join(near, STAGE "XXXXXX");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	r->lock = open(near, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->lock < 0)
		return err_sys(e, errno, "%s", near);
	if (flock(r->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(e, ERR_CONFLICT, "another process restores into %s", near);
	int rc = file_list_dir(near, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *left = path_join(near, names.at[i]);
		if (str_starts(names.at[i], STAGE))
			file_remove_tree(left);
	}
	if (rc == 0 && !mkdtemp(stage))
		rc = err_sys(e, errno, "cannot write into %s", near);
	if (rc == 0)
		r->stage = STEAL(stage);
	return rc;
}

/* Beside its place, so that files can be renamed. */
static int unpack(struct restoring *r, const char *path, struct err *e)
{
	const struct archive_limits limits = { TREE_MAX, RATIO_MAX, ENTRIES_MAX };
	CLEANUP(str_list_release) struct str_list files = { 0 };
	int rc = make_stage(r, e);
	if (rc == 0)
		rc = archive_extract(path, path, r->stage, &limits, r->how->report, r->how->cancel,
				     &files, e);
	if (rc == -ERR_INTEGRITY) {
		/* The hint is about models. */
		e->hint[0] = '\0';
		err_hint(e, "use a file that `ferry catalog backup` wrote; copy it again if this "
			    "one is damaged");
	}
	r->result.files = files.count ? files.count - 1 : 0;
	return rc;
}

/* ---- the index ---- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);
	return str_starts(path, dir) && path[len] == '/';
}

static bool part_of(const struct restoring *r, const char *path, enum part *out)
{
	static const struct {
		const char *begin;
		enum part part;
	} parts[] = {
		{ "targets/", PART_OBJECT },    { TIMESTAMP, PART_TIMESTAMP },
		{ "metadata/", PART_METADATA }, { CATALOG_TARGET, PART_POINTER },
		{ "cards/", PART_SOURCE },      { "drafts/", PART_SOURCE },
		{ ".ferry/", PART_RECORD },
	};
	const char *key = key_of(r, path);
	for (size_t i = 0; key && i < ARRAY_LEN(parts); i++)
		if (str_starts(key, parts[i].begin)) {
			*out = parts[i].part;
			return true;
		}
	*out = strcmp(path, "ferry.conf") == 0 ? PART_CONF : PART_KEY;
	return !key && (*out == PART_CONF || (r->keys && is_below(path, r->keys)));
}

static int read_item(struct restoring *r, const json_t *json, struct item *out, struct err *e)
{
	int rc = json_get_string(json, "files", "path", &out->path, e);
	if (rc == 0)
		rc = json_get_u64(json, "files", "size", &out->size, e);
	if (rc == 0)
		rc = json_get_hex(json, "files", "sha256", &out->sha256, DIGEST_SIZE, e);
	if (rc < 0)
		return rc;
	r->result.bytes += out->size;
	return path_is_key(out->path) && part_of(r, out->path, &out->part)
		       ? 0
		       : err_set(e, ERR_INTEGRITY, "'%.200s' does not belong into a backup",
				 out->path);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return x->part != y->part ? (int)x->part - (int)y->part : strcmp(x->path, y->path);
}

static int read_items(struct restoring *r, struct err *e)
{
	json_t *files;
	int rc = json_get_array(r->index, "", "files", ENTRIES_MAX, &files, e);
	if (rc < 0)
		return rc;
	r->count = json_array_size(files);
	if (r->count != r->result.files)
		return err_set(e, ERR_INTEGRITY, "it has %zu files, but lists %zu", r->result.files,
			       r->count);
	r->items = mem_alloc((r->count + 1) * sizeof *r->items);
	for (size_t i = 0; rc == 0 && i < r->count; i++)
		rc = read_item(r, json_array_get(files, i), &r->items[i], e);
	if (rc == 0)
		qsort(r->items, r->count, sizeof *r->items, compare_items);
	return rc;
}

static int check_head(const struct restoring *r, struct err *e)
{
	const char *format;
	uint64_t version;
	int rc = json_get_string(r->index, "", "format", &format, e);
	if (rc == 0)
		rc = json_get_u64(r->index, "", "version", &version, e);
	if (rc < 0)
		return rc;
	if (strcmp(format, BACKUP_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "the format is not %s", BACKUP_FORMAT);
	return version == BACKUP_VERSION
		       ? 0
		       : err_set(e, ERR_INTEGRITY,
				 "this version of ferry does not know version %llu of the format",
				 (unsigned long long)version);
}

/* The programs of others keep what they obey in hidden folders: .ssh, .git. */
static bool is_folder(const char *name)
{
	return path_is_key(name) && name[0] != '.' && !strstr(name, "/.");
}

static int read_head(struct restoring *r, struct err *e)
{
	const char *repository;
	int rc = check_head(r, e);
	if (rc == 0)
		rc = json_opt_string(r->index, "", "repository", &repository, e);
	if (rc == 0)
		rc = json_get_string(r->index, "", "tree", &r->tree, e);
	if (rc == 0)
		rc = json_opt_string(r->index, "", "keys", &r->keys, e);
	if (rc == 0)
		rc = json_get_u64(r->index, "", "release", &r->result.release, e);
	if (rc < 0)
		return rc;
	if (!is_folder(r->tree) ||
	    (r->keys && (!is_folder(r->keys) || is_below(r->keys, r->tree) ||
			 is_below(r->tree, r->keys) || strcmp(r->keys, r->tree) == 0)))
		return err_set(e, ERR_INTEGRITY, "the names of its folders are not valid");
	r->result.repository = repository ? mem_strdup(repository) : NULL;
	r->result.tree = final_path(r, r->tree);
	r->result.keys = r->keys ? final_path(r, r->keys) : NULL;
	return 0;
}

static int read_index(struct restoring *r, const char *path, struct err *e)
{
	const struct json_limits limits = { .max_bytes = INDEX_MAX };
	CLEANUP(mem_free_ptr) char *index = staged_path(r, BACKUP_INDEX);
	if (!file_exists(index))
		return no_backup(path, "it has no " BACKUP_INDEX, e);
	int rc = json_parse_file(index, &limits, &r->index, e);
	if (rc == 0)
		rc = read_head(r, e);
	if (rc == 0)
		rc = read_items(r, e);
	if (rc < 0 && err_is(e, ERR_INTEGRITY)) {
		err_context(e, "%s: " BACKUP_INDEX, path);
		err_hint(e, "it is damaged, or not a backup");
	}
	return rc;
}

/* ---- checking ---- */

static int check_item(const struct restoring *r, const struct item *item, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = staged_path(r, item->path);
	struct digest have;
	uint64_t size;
	int rc = sha256_of_file(path, r->how->cancel, &have, &size, e);
	if (rc == -ERR_CANCELLED)
		return rc;
	if (rc == 0 && size == item->size && digest_equal(&have, &item->sha256))
		return 0;
	err_clear(e);
	err_set(e, ERR_INTEGRITY, "%s is missing in the backup or damaged", item->path);
	return err_hint(e, "use another copy of the backup");
}

/* Nothing is put anywhere before all of it is right, and the signatures are. */
static int check_all(struct restoring *r, struct err *e)
{
	CLEANUP(repository_files_release) struct repository_files files = { 0 };
	CLEANUP(mem_free_ptr) char *tree = staged_path(r, r->tree);
	int rc = 0;
	report_begin_files(r->how->report, "check the backup", r->count);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		rc = check_item(r, &r->items[i], e);
		report_advance(r->how->report, "check the backup", 1);
	}
	report_end(r->how->report, "check the backup", rc == 0);
	if (rc == 0 && r->result.release && repository_published(tree, &files, e) < 0) {
		err_class_set(e, ERR_INTEGRITY);
		rc = err_context(e, "the repository in the backup");
	}
	return rc;
}

/* ---- what is there already ---- */

static uint64_t version_at(const char *path)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct err ignored = ERR_INIT;
	return file_read_all(path, &text, &ignored) < 0
		       ? 0
		       : tuf_claim_version(buf_str(&text), text.len);
}

static int other_repository(const struct restoring *r, struct err *e)
{
	err_set(e, ERR_USAGE, "%s is another repository: its first root is not that of the backup",
		r->result.tree);
	return err_hint(e, "restore into another folder: `ferry catalog restore FILE DIR`");
}

static int newer_tree(const struct restoring *r, uint64_t version, struct err *e)
{
	if (version == r->result.release)
		err_set(e, ERR_CONFLICT,
			"%s has another release %llu than the backup: two copies have signed",
			r->result.tree, (unsigned long long)version);
	else
		err_set(e, ERR_CONFLICT,
			"%s is newer (release %llu) than the backup (release %llu)", r->result.tree,
			(unsigned long long)version, (unsigned long long)r->result.release);
	return err_hint(e,
			"readers refuse older releases, so a tree is not set back. To look at the "
			"backup, restore it into another folder");
}

static const struct item *find_item(const struct restoring *r, const char *key)
{
	for (size_t i = 0; i < r->count; i++) {
		const char *have = key_of(r, r->items[i].path);
		if (have && strcmp(have, key) == 0)
			return &r->items[i];
	}
	return NULL;
}

static int check_release(const struct restoring *r, struct err *e)
{
	CLEANUP(mem_free_ptr) char *root = path_join(r->result.tree, ROOT);
	CLEANUP(mem_free_ptr) char *timestamp = path_join(r->result.tree, TIMESTAMP);
	const struct item *our_root = find_item(r, ROOT), *ours = find_item(r, TIMESTAMP);
	uint64_t version = version_at(timestamp);
	if (file_exists(root) && !(our_root && sha256_file_is(root, &our_root->sha256)))
		return other_repository(r, e);
	if (version > r->result.release ||
	    (version && version == r->result.release && !sha256_file_is(timestamp, &ours->sha256)))
		return newer_tree(r, version, e);
	return 0;
}

static int changed_there(const char *path, const char *what, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s %s", path, what);
	return err_hint(e,
			"if the backup is right, --replace puts its cards and drafts in place of "
			"those that are there");
}

/* Versioned metadata never changes. Keys, ferry.conf and records that are there stay. */
static int compare_item(struct restoring *r, struct item *item, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = final_path(r, item->path);
	item->there = sha256_file_is(path, &item->sha256);
	if (item->there || !file_exists(path))
		return 0;
	if (item->part == PART_METADATA)
		return changed_there(path, "differs from the backup: two copies have signed", e);
	if (item->part == PART_SOURCE && !r->how->replace)
		return changed_there(path, "is not that of the backup", e);
	item->keep = item->part == PART_KEY || item->part == PART_CONF || item->part == PART_RECORD;
	if (item->keep)
		str_list_add(&r->result.kept, path);
	return 0;
}

/* Cards and drafts of `dir` in the tree that the backup does not have; with --replace they are
 * removed when `remove` is set. */
static int sweep(struct restoring *r, const char *dir, const char *ending, bool remove,
		 struct err *e)
{
	CLEANUP(mem_free_ptr) char *folder = path_join(r->result.tree, dir);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(folder, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *key = path_join(dir, names.at[i]);
		CLEANUP(mem_free_ptr) char *path = path_join(r->result.tree, key);
		if (!str_ends(key, ending) || names.at[i][0] == '.' || find_item(r, key))
			continue;
		if (!r->how->replace)
			rc = changed_there(path, "is not in the backup", e);
		else if (remove)
			rc = file_remove(path, e);
	}
	return rc;
}

static int sweep_all(struct restoring *r, bool remove, struct err *e)
{
	int rc = sweep(r, "cards", CARD_SUFFIX, remove, e);
	return rc < 0 ? rc : sweep(r, "drafts", ".json", remove, e);
}

static int compare(struct restoring *r, struct err *e)
{
	int rc = check_release(r, e);
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		rc = compare_item(r, &r->items[i], e);
		r->result.placed += !r->items[i].there && !r->items[i].keep;
	}
	return rc < 0 ? rc : sweep_all(r, false, e);
}

/* ---- putting in place ---- */

static int place_item(const struct restoring *r, const struct item *item, struct err *e)
{
	CLEANUP(mem_free_ptr) char *from = staged_path(r, item->path);
	CLEANUP(mem_free_ptr) char *to = final_path(r, item->path);
	bool key = item->part == PART_KEY;
	mode_t mode = item->part == PART_OBJECT ? FILE_READ_ONLY : 0;
	int rc = file_mkdirs_for(to, key ? 0700 : FILE_DIR_MODE, e);
	if (rc == 0 && ((key && chmod(from, 0600) < 0) || (mode && chmod(from, mode) < 0)))
		rc = err_sys(e, errno, "%s", from);
	if (rc == 0 && rename(from, to) < 0)
		rc = err_sys(e, errno, "cannot rename %s to %s", from, to);
	return rc;
}

/* Everything of one part is on the disk before the next. */
static int place_part(struct restoring *r, enum part part, struct err *e)
{
	int rc = 0;
	bool any = false;
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		const struct item *item = &r->items[i];
		if (item->part != part || item->there || item->keep)
			continue;
		rc = place_item(r, item, e);
		any = true;
	}
	return rc == 0 && any ? file_sync_all(r->how->dir, e) : rc;
}

static int place(struct restoring *r, struct err *e)
{
	int rc = file_sync_all(r->stage, e);
	for (int part = 0; rc == 0 && part < PARTS; part++) {
		rc = place_part(r, (enum part)part, e);
		if (rc == 0 && part == PART_SOURCE)
			rc = sweep_all(r, true, e);
	}
	return rc;
}

static int compare_and_place(struct restoring *r, struct err *e)
{
	CLEANUP_PTR(repository_close) struct repository *lock = NULL;
	bool exists = file_is_dir(r->result.tree);
	int rc = exists && !r->how->dry_run
			 ? repository_open(r->result.tree, r->how->cancel, &lock, e)
			 : 0;
	if (rc == 0)
		rc = compare(r, e);
	if (rc == 0 && !r->how->dry_run && !exists)
		rc = file_mkdirs(r->result.tree, FILE_DIR_MODE, e);
	if (rc == 0 && !r->how->dry_run && !exists)
		rc = repository_open(r->result.tree, r->how->cancel, &lock, e);
	return rc == 0 && !r->how->dry_run ? place(r, e) : rc;
}

int backup_restore(const char *path, const struct backup_restoring *how,
		   struct backup_restored *out, struct err *e)
{
	CLEANUP(restoring_release) struct restoring r = { .how = how, .lock = -1 };
	int rc = how->dry_run ? 0 : file_mkdirs(how->dir, FILE_DIR_MODE, e);
	if (rc == 0)
		rc = unpack(&r, path, e);
	if (rc == 0)
		rc = read_index(&r, path, e);
	if (rc == 0)
		rc = check_all(&r, e);
	if (rc == 0)
		rc = compare_and_place(&r, e);
	if (rc < 0)
		return rc;
	*out = r.result;
	r.result = (struct backup_restored){ 0 };
	return 0;
}
