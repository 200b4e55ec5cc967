#include "repository/backup.h"

#include "catalog/manifest.h"
#include "prepare/archive_write.h"
#include "repository/backup_last.h"
#include "repository/internal.h"
#include "sign/privkey.h"
#include "tuf/claim.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define DEPTH_MAX 8
#define CHUNK MIB
#define ROOT "metadata/1.root.json"
#define TIMESTAMP "metadata/timestamp.json"

struct saving {
	const struct backup *b;
	struct archive_writer *archive;
	struct str_list from, to; /* the path of each file, here and in the archive */
	json_t *files;
	char *task;
	void *data;
	struct backup_result result;
};

static void saving_release(struct saving *s)
{
	if (s->archive)
		archive_writer_free(s->archive);
	str_list_release(&s->from);
	str_list_release(&s->to);
	json_decref(s->files);
	free(s->task);
	free(s->data);
}

/* ---- what is saved ---- */

static bool is_model_file(const char *key)
{
	return str_starts(key, "targets/" CARD_TARGETS) && !str_ends(key, CARD_SUFFIX) &&
	       !str_ends(key, MANIFEST_SUFFIX);
}

/* Marks hold for one machine: they would only be wrong on another. */
static bool is_local(const char *key)
{
	static const char *const names[] = { ".ferry/seen", ".ferry/staged", ".ferry/partial",
					     BACKUP_LAST };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(key, names[i]) == 0)
			return true;
	const char *name = path_base(key);
	return strcmp(name, ".lock") == 0 || strcmp(name, "lock") == 0 || file_is_temporary(name);
}

static void add_file(struct saving *s, const char *from, const char *to)
{
	str_list_add(&s->from, from);
	str_list_add(&s->to, to);
}

/* Of the tree: `key` is a file or folder in it. */
static int add_tree(struct saving *s, const char *key, unsigned depth, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->b->dir, key);
	CLEANUP(mem_free_ptr) char *name = path_join(s->b->dir_name, key);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (is_local(key) || !file_exists(path))
		return 0;
	if (!file_is_dir(path)) {
		if (s->b->objects || !is_model_file(key))
			add_file(s, path, name);
		return 0;
	}
	if (depth > DEPTH_MAX)
		return err_set(e, ERR_USAGE, "%s: too many nested folders", path);
	int rc = file_list_dir(path, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *below = path_join(key, names.at[i]);
		rc = add_tree(s, below, depth + 1, e);
	}
	return rc;
}

static int check_key(const struct saving *s, const char *path, struct err *e)
{
	bool encrypted;
	int rc = privkey_is_encrypted(path, &encrypted, e);
	if (rc < 0 || encrypted || s->b->plain_keys)
		return rc;
	err_set(e, ERR_USAGE, "%s is not encrypted: whoever can read the backup could sign with it",
		path);
	return err_hint(e, "`ferry catalog key passphrase` encrypts it; --plain-keys saves it as "
			   "it is");
}

static int add_keys(struct saving *s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = s->b->keys ? file_list_dir(s->b->keys, &names, e) : 0;
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(s->b->keys, names.at[i]);
		CLEANUP(mem_free_ptr) char *name = path_join(s->b->keys_name, names.at[i]);
		bool private = str_ends(path, ".pem");
		if (!private && !str_ends(path, ".pub") && !str_ends(path, ".command"))
			continue;
		rc = private ? check_key(s, path, e) : 0;
		add_file(s, path, name);
		s->result.keys++;
	}
	return rc;
}

static int gather(struct saving *s, struct err *e)
{
	static const char *const parts[] = { "cards",
					     "drafts",
					     "metadata",
					     "targets",
					     ".ferry",
					     "catalog.json",
					     "catalog.json.minisig" };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++)
		rc = add_tree(s, parts[i], 0, e);
	if (rc == 0)
		rc = add_keys(s, e);
	if (rc == 0 && s->b->conf)
		add_file(s, s->b->conf, "ferry.conf");
	return rc;
}

/* ---- the archive ---- */

static int copy(struct saving *s, int fd, uint64_t size, const char *path, struct sha256 *sha256,
		struct err *e)
{
	for (uint64_t at = 0, n; at < size; at += n) {
		n = MIN(size - at, CHUNK);
		int rc = cancel_check(s->b->cancel, e);
		if (rc == 0)
			rc = file_pread(fd, s->data, n, at, path, e);
		if (rc == 0)
			rc = archive_writer_data(s->archive, s->data, n, e);
		if (rc < 0)
			return rc;
		sha256_add(sha256, s->data, n);
		report_advance(s->b->report, s->task, (int64_t)n);
	}
	return 0;
}

/* An object is named by its digest. */
static int check_object(const struct saving *s, size_t i, const char *hex, struct err *e)
{
	CLEANUP(mem_free_ptr) char *targets = mem_printf("%s/targets/", s->b->dir_name);
	if (!str_starts(s->to.at[i], targets) || str_starts(path_base(s->to.at[i]), hex))
		return 0;
	err_set(e, ERR_INTEGRITY, "%s is damaged: it is not what its name says", s->from.at[i]);
	return err_hint(e, "`ferry catalog lint` says what puts the right one there");
}

static int save_file(struct saving *s, size_t i, struct err *e)
{
	char hex[DIGEST_HEX];
	CLEANUP(file_close) int fd = -1;
	CLEANUP_PTR(sha256_free) struct sha256 *sha256 = sha256_new();
	struct digest digest;
	uint64_t size;
	int rc = file_open_regular(s->from.at[i], &fd, &size, e);
	if (rc == 0)
		rc = archive_writer_file(s->archive, s->to.at[i], size, e);
	if (rc == 0)
		rc = copy(s, fd, size, s->from.at[i], sha256, e);
	if (rc < 0)
		return rc;
	sha256_final(sha256, &digest);
	json_t *file = json_push_object(s->files);
	json_put_string(file, "path", s->to.at[i]);
	json_put_u64(file, "size", size);
	json_put_hex(file, "sha256", &digest, DIGEST_SIZE);
	s->result.files++;
	s->result.bytes += size;
	return check_object(s, i, digest_hex(hex, &digest), e);
}

static uint64_t release_of(const char *dir)
{
	CLEANUP(mem_free_ptr) char *path = path_join(dir, TIMESTAMP);
	CLEANUP(buf_release) struct buf text = BUF_INIT(MIB);
	struct err ignored = ERR_INIT;
	return file_read_all(path, &text, &ignored) < 0
		       ? 0
		       : tuf_claim_version(buf_str(&text), text.len);
}

static int save_index(struct saving *s, struct err *e)
{
	CLEANUP(json_release) json_t *json = json_object();
	CLEANUP(buf_release) struct buf text = BUF_INIT(GIB);
	CLEANUP(mem_free_ptr) char *root = path_join(s->b->dir, ROOT);
	struct err ignored = ERR_INIT;
	struct digest digest;
	uint64_t size;
	json_put_string(json, "format", BACKUP_FORMAT);
	json_put_u64(json, "version", BACKUP_VERSION);
	json_put_string(json, "repository", s->b->repository);
	json_put_u64(json, "release", s->result.release);
	if (sha256_of_file(root, NULL, &digest, &size, &ignored) == 0)
		json_put_hex(json, "root_sha256", &digest, DIGEST_SIZE);
	json_put_string(json, "tree", s->b->dir_name);
	json_put_string(json, "keys", s->b->keys ? s->b->keys_name : NULL);
	json_put_bool(json, "objects", s->b->objects);
	json_put(json, "files", json_incref(s->files));
	int rc = json_rows(json, &text, e);
	if (rc == 0)
		rc = buf_ok(&text, BACKUP_INDEX, e);
	if (rc == 0)
		rc = archive_writer_file(s->archive, BACKUP_INDEX, text.len, e);
	return rc < 0 ? rc : archive_writer_data(s->archive, text.data, text.len, e);
}

static uint64_t total(const struct saving *s)
{
	struct err ignored = ERR_INIT;
	uint64_t sum = 0, size;
	for (size_t i = 0; i < s->from.count; i++)
		if (file_size(s->from.at[i], &size, &ignored) == 0)
			sum += size;
	return sum;
}

static int save_all(struct saving *s, int fd, const char *path, struct err *e)
{
	int rc = archive_writer_new(fd, path, &s->archive, e);
	report_begin(s->b->report, s->task, total(s), 0);
	for (size_t i = 0; rc == 0 && i < s->from.count; i++)
		rc = save_file(s, i, e);
	if (rc == 0)
		rc = save_index(s, e);
	if (rc == 0)
		rc = archive_writer_end(s->archive, e);
	report_end(s->b->report, s->task, rc == 0);
	return rc;
}

/* A tree may be the folder that a web server shows. */
static int check_outside(const struct backup *b, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_absolute(b->dir);
	CLEANUP(mem_free_ptr) char *below = mem_printf("%s/", dir);
	CLEANUP(mem_free_ptr) char *file = path_absolute(path);
	if (!str_starts(file, below))
		return 0;
	err_set(e, ERR_USAGE, "%s is inside the repository's tree", path);
	return err_hint(e, "write the backup elsewhere, best to another disk");
}

static int write_archive(struct saving *s, const char *path, struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_new_open(&f, path, s->b->keys ? 0600 : FILE_MODE, e);
	if (rc == 0 && s->b->keys)
		rc = file_make_private(f.fd, path, e);
	if (rc == 0)
		rc = save_all(s, f.fd, path, e);
	return rc < 0 ? rc : file_new_commit(&f, e);
}

/* The archive is there and whole, whatever becomes of the record. */
static void record(const struct saving *s, const char *path)
{
	CLEANUP(mem_free_ptr) char *full = path_absolute(path);
	struct err why = ERR_INIT;
	const struct backup_last last = {
		.time_s = s->b->now_s,
		.release = s->result.release,
		.root = backup_last_root(s->b->dir),
		.keys = s->result.keys,
		.path = full,
	};
	if (backup_last_write(s->b->dir, &last, &why) < 0)
		report_warn(s->b->report, "that there is a backup cannot be recorded: %s",
			    why.text);
}

int backup_write(const struct backup *b, const char *path, struct backup_result *out, struct err *e)
{
	CLEANUP(saving_release) struct saving s = { .b = b, .files = json_array() };
	CLEANUP_PTR(repository_close) struct repository *lock = NULL;
	s.task = mem_printf("back up to %s", path_base(path));
	s.data = mem_alloc(CHUNK);
	int rc = check_outside(b, path, e);
	if (rc == 0)
		rc = repository_open(b->dir, b->cancel, &lock, e);
	if (rc == 0)
		rc = gather(&s, e);
	s.result.release = release_of(b->dir);
	if (rc == 0)
		rc = write_archive(&s, path, e);
	if (rc < 0)
		return rc;
	record(&s, path);
	*out = s.result;
	return 0;
}
