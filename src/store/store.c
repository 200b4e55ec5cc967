#include "store/store.h"

#include "store/blob.h"
#include "store/partials.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <unistd.h>

int store_home(char **out, struct err *e)
{
	const char *home = getenv("FERRY_HOME");
	if (home && home[0]) {
		*out = path_absolute(home);
		return 0;
	}
	CLEANUP(mem_free_ptr) char *data = NULL;
	int rc = path_xdg("XDG_DATA_HOME", ".local/share", &data, e);
	if (rc == 0)
		*out = path_join(data, "ferry");
	return rc;
}

static bool means_read_only(const struct err *e)
{
	return e->sys == EROFS || e->sys == EACCES || e->sys == EPERM;
}

int store_open(const char *home, struct store *out, struct err *e)
{
	static const char *const folders[] = { "blobs/sha256", "partial", "models", "trust" };
	struct store s = { .home = path_absolute(home) };
	for (size_t i = 0; i < ARRAY_LEN(folders) && !s.read_only; i++) {
		CLEANUP(mem_free_ptr) char *dir = path_join(s.home, folders[i]);
		struct err why = ERR_INIT;
		if (file_mkdirs(dir, FILE_DIR_MODE, &why) == 0) {
			/* Another user's, or one that an earlier version made for its owner. */
			s.read_only = !file_can_write_in(dir);
			continue;
		}
		if (!means_read_only(&why) || !file_is_dir(s.home)) {
			store_close(&s);
			*e = why;
			err_class_set(e, ERR_SYSTEM);
			err_context(e, "the store");
			return err_hint(e, "choose another folder with FERRY_HOME");
		}
		s.read_only = true;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	mem_free_ptr(&s->home);
}

/* It has changed since it was verified: perhaps only its time. */
static bool hash_again(const struct store *s, const struct digest *d, const char *path)
{
	struct err why = ERR_INIT;
	report_note(s->report, "%s has changed since it was verified, or was moved: hashing it",
		    path);
	int rc = store_verify_task(s, d, path, &why);
	if (rc == -ERR_INTEGRITY)
		report_warn(s->report, "%s; %s", why.text, why.hint);
	return rc == 0;
}

static bool has_size(const char *path, uint64_t size)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

bool store_has(const struct store *s, const struct digest *d, uint64_t size)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(s, d);
	if (!has_size(path, size))
		return false;
	return s->by_size || blob_is_as_verified(s, d) || hash_again(s, d, path);
}

bool store_has_verified(const struct store *s, const struct digest *d, uint64_t size)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(s, d);
	if (!has_size(path, size))
		return false;
	return s->by_size || (blob_has_mark(s, d) && blob_is_as_verified(s, d)) ||
	       hash_again(s, d, path);
}

static bool same_file(const char *path, int fd)
{
	struct stat a, b;
	return lstat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Gives the open file its name through a second link: rename() would replace an existing file,
 * link() does not. */
static int name_open_file(int fd, const char *part, const char *blob, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(blob);
	CLEANUP(mem_free_ptr) char *temporary = mem_printf("%s/.%s.%06lx.tmp", dir, path_base(blob),
							   (long)getpid() & 0xffffff);
	unlink(temporary);
	if (os_link_open_file(fd, temporary) == 0) {
		int rc = file_rename(temporary, blob, e);
		/* rename() of two names of one file does nothing and keeps both. */
		unlink(temporary);
		return rc;
	}
	/* Without hard links, rename the old name if it is still our file. */
	if (same_file(part, fd))
		return file_rename(part, blob, e);
	return err_sys(e, ENOENT, "%s: another process removed it", part);
}

/* The blob that another process made meanwhile stays: programs may have it open. */
static bool is_there(const struct store *s, const struct digest *d, int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && store_has_verified(s, d, (uint64_t)st.st_size);
}

static bool is_unchanged(const char *path, const struct stat *was)
{
	struct stat is;
	return lstat(path, &is) == 0 && is.st_dev == was->st_dev && is.st_ino == was->st_ino &&
	       is.st_size == was->st_size && os_modified_ns(&is) == os_modified_ns(was) &&
	       os_changed_ns(&is) == os_changed_ns(was);
}

/* If it is the open file, to which nobody has written since it was like that. */
static void vouch_open(const struct store *s, const struct digest *d, int fd, const struct stat *as)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, d);
	struct stat is;
	if (same_file(blob, fd) && fstat(fd, &is) == 0 && is.st_size == as->st_size &&
	    os_modified_ns(&is) == os_modified_ns(as))
		blob_vouch(s, d);
}

/* named: the file as it is then. */
static int make_blob(const struct store *s, const struct store_partial *p, int fd,
		     struct stat *named, struct err *e)
{
	struct stat as = { 0 };
	(void)fstat(fd, &as);
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &p->sha256);
	struct err why = ERR_INIT;
	file_make_read_only(fd);
	int rc = file_make_way(blob, e);
	if (rc < 0)
		return rc;
	if (name_open_file(fd, p->part, blob, &why) < 0 &&
	    !(why.sys == ENOENT && file_exists(blob))) {
		*e = why;
		if (why.sys != ENOENT)
			return -(int)e->class;
		err_class_set(e, ERR_CONFLICT);
		return err_hint(e, "run the same command again");
	}
	(void)fstat(fd, named);
	vouch_open(s, &p->sha256, fd, &as);
	return 0;
}

int store_commit(const struct store *s, const struct store_partial *p, int fd, struct err *e)
{
	struct stat named = { 0 };
	int rc = is_there(s, &p->sha256, fd) ? 0 : make_blob(s, p, fd, &named, e);
	if (rc == 0 && same_file(p->part, fd)) {
		bool unchanged = is_unchanged(p->part, &named) &&
				 blob_is_as_verified(s, &p->sha256);
		rc = file_remove(p->part, e);
		/* That was a change of the file: the mark shall be newer. */
		if (unchanged)
			vouch_open(s, &p->sha256, fd, &named);
	}
	if (rc == 0)
		rc = file_remove(p->journal, e);
	/* Last, so that a process that waits for the lock then finds the blob. */
	if (rc == 0)
		rc = file_remove(p->lock, e);
	if (rc == 0)
		store_partials_tidy(s, &p->sha256);
	return rc;
}

/* Its content is not what its name says. */
static int set_aside(const struct store *s, const struct digest *d, const char *path,
		     const struct digest *actual, struct err *e)
{
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *aside = store_damaged_path(s, d);
	struct err why = ERR_INIT;
	err_set(e, ERR_INTEGRITY, "%s is damaged: its SHA-256 is %s", path,
		digest_hex(hex, actual));
	blob_forget(s, d);
	if (file_rename(path, aside, &why) < 0)
		return err_hint(e, "it could not be renamed (%.300s): delete it", why.text);
	return err_hint(e, "it was renamed to *.damaged; fetch the model again to repair it");
}

/* Only what stayed as it was while it was hashed is what was hashed. */
static int verify(const struct store *s, const struct digest *d, struct report *report,
		  const char *task, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = store_blob_path(s, d);
	struct stat before = { 0 };
	(void)lstat(path, &before);
	struct digest actual;
	uint64_t size;
	int rc = sha256_of_task(path, report, task, s->cancel, &actual, &size, e);
	if (rc < 0)
		return rc;
	if (!digest_equal(&actual, d))
		return set_aside(s, d, path, &actual, e);
	if (!is_unchanged(path, &before))
		return err_set(e, ERR_CONFLICT, "%s changed while it was read", path);
	blob_vouch(s, d);
	return 0;
}

int store_verify(const struct store *s, const struct digest *d, struct err *e)
{
	return verify(s, d, NULL, "", e);
}

int store_verify_task(const struct store *s, const struct digest *d, const char *task,
		      struct err *e)
{
	return verify(s, d, s->report, task, e);
}

void store_variant_release(struct store_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++) {
		free(v->files[i].name);
		free(v->files[i].role);
	}
	free(v->files);
	free(v->repository);
	free(v->model);
	free(v->variant);
	free(v->kind);
	free(v->engine);
	free(v->dir);
	*v = (struct store_variant){ 0 };
}
