#include "store/adopt.h"

#include "store/blob.h"
#include "store/partials.h"
#include "util/mem.h"
#include "util/os.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK MIB

const char *store_adopt_how_name(enum store_adopt_how how)
{
	static const char *const names[] = { "none", "clone", "link", "copy" };
	return names[how];
}

void store_adopt_release(struct store_adopt *a)
{
	file_close(&a->fd);
	file_new_abort(&a->made);
	mem_free_ptr(&a->path);
}

/* -- how -------------------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       os_modified_ns(a) == os_modified_ns(b);
}

/* Another name of the open file, of the file that was opened and no other. */
static bool link_as(const struct store_adopt *a, const char *name)
{
	struct stat now;
	unlink(name);
	if (os_link_open_file(a->fd, name) != 0 && linkat(AT_FDCWD, a->path, AT_FDCWD, name, 0) < 0)
		return false;
	if (lstat(name, &now) == 0 && is_same(&a->before, &now))
		return true;
	unlink(name);
	return false;
}

/* In partial/, where gc finds it if this process is killed. */
static char *other_name(const struct store_adopt *a)
{
	return mem_printf("%s/partial/.adopt-%llx.%06lx.tmp", a->store->home,
			  (unsigned long long)a->before.st_ino, (long)getpid() & 0xffffff);
}

/* Another owner could write to the blob, and set its time back. */
static bool is_own(const struct stat *st)
{
	return st->st_uid == geteuid() || (st->st_uid == 0 && !(st->st_mode & 0222));
}

static bool can_link(const struct store_adopt *a)
{
	CLEANUP(mem_free_ptr) char *name = other_name(a);
	bool linked = is_own(&a->before) && link_as(a, name);
	unlink(name);
	return linked;
}

static int make_file(struct store_adopt *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/partial/adopt", a->store->home);
	return file_new_open(&a->made, path, FILE_READ_ONLY, e);
}

static int try_clone(struct store_adopt *a, struct err *e)
{
	int rc = make_file(a, e);
	if (rc == 0 && os_clone(a->made.fd, a->fd))
		a->how = STORE_ADOPT_CLONE;
	else
		file_new_abort(&a->made);
	return rc;
}

static int begin_copy(struct store_adopt *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_printf("%s/partial/adopt", a->store->home);
	uint64_t size = (uint64_t)a->before.st_size;
	int rc = file_need_size(path, size, e);
	if (rc == 0)
		rc = file_need_space(path, size, e);
	if (rc == 0)
		rc = make_file(a, e);
	if (rc == 0)
		a->how = STORE_ADOPT_COPY;
	return rc;
}

static int choose(struct store_adopt *a, unsigned ways, struct err *e)
{
	int rc = ways & STORE_ADOPT_CLONES ? try_clone(a, e) : 0;
	if (rc < 0 || a->how)
		return rc;
	if ((ways & STORE_ADOPT_LINKS) && can_link(a))
		a->how = STORE_ADOPT_LINK;
	else if (ways & STORE_ADOPT_COPIES)
		rc = begin_copy(a, e);
	return rc;
}

int store_adopt_open(const struct store *s, const char *path, unsigned ways,
		     struct store_adopt *out, struct err *e)
{
	uint64_t size;
	int rc = file_open_regular(path, &out->fd, &size, e);
	if (rc < 0)
		return rc;
	out->store = s;
	out->path = mem_strdup(path);
	if (fstat(out->fd, &out->before) < 0)
		return err_sys(e, errno, "%s", path);
	return choose(out, ways, e);
}

/* -- hashing ---------------------------------------------------------------------------------- */

static int changed(const struct store_adopt *a, struct err *e)
{
	err_set(e, ERR_CONFLICT, "%s was changed while it was read", a->path);
	return err_hint(e, "run the same command again when no program writes to it");
}

static int hash_blocks(struct store_adopt *a, const char *task, struct sha256 *h, struct err *e)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(BLOCK);
	uint64_t size = (uint64_t)a->before.st_size;
	int from = a->how == STORE_ADOPT_CLONE ? a->made.fd : a->fd;
	int rc = 0;
	os_will_read_all(from);
	for (uint64_t at = 0; rc == 0 && at < size; at += BLOCK) {
		size_t n = (size_t)MIN(BLOCK, size - at);
		rc = cancel_check(a->store->cancel, e);
		if (rc == 0)
			rc = file_pread(from, data, n, at, a->path, e);
		if (rc == 0 && a->how == STORE_ADOPT_COPY)
			rc = file_pwrite(a->made.fd, data, n, at, a->made.path, e);
		if (rc == 0) {
			sha256_add(h, data, n);
			report_advance(a->store->report, task, (int64_t)n);
		}
	}
	return rc;
}

int store_adopt_hash(struct store_adopt *a, const char *task, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *h = sha256_new();
	struct stat now;
	report_begin(a->store->report, task, (uint64_t)a->before.st_size, 0);
	int rc = hash_blocks(a, task, h, e);
	if (rc == -ERR_INTEGRITY)
		rc = err_class_set(e, ERR_CONFLICT);
	if (rc == 0 && a->how != STORE_ADOPT_CLONE &&
	    (fstat(a->fd, &now) < 0 || !is_same(&a->before, &now)))
		rc = changed(a, e);
	/* Here, because only one thread at a time commits. */
	if (rc == 0 && a->how == STORE_ADOPT_COPY)
		rc = file_sync(a->made.fd, a->made.path, e);
	if (rc == 0)
		sha256_final(h, &a->sha256);
	a->hashed = rc == 0;
	report_end(a->store->report, task, rc == 0);
	return rc;
}

/* -- the blob --------------------------------------------------------------------------------- */

static int name_made(struct store_adopt *a, const char *blob, struct err *e)
{
	free(a->made.path);
	a->made.path = mem_strdup(blob);
	return file_new_commit(&a->made, e);
}

static int protect(struct store_adopt *a, struct err *e)
{
	struct stat now;
	file_make_read_only(a->fd);
	if (fstat(a->fd, &now) < 0 || !is_same(&a->before, &now))
		return changed(a, e);
	if (!(now.st_mode & 0222))
		return 0;
	err_set(e, ERR_SYSTEM, "%s cannot be made read-only, so it cannot be linked", a->path);
	return err_hint(e, "--copy copies it");
}

static int name_linked(struct store_adopt *a, const char *blob, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = other_name(a);
	int rc = file_sync(a->fd, a->path, e);
	if (rc == 0)
		rc = protect(a, e);
	if (rc == 0 && !link_as(a, name))
		rc = changed(a, e);
	if (rc == 0)
		rc = file_rename(name, blob, e);
	unlink(name);
	return rc;
}

/* What was written between the hashing and the mark would be vouched for, too. */
static void vouch(const struct store_adopt *a, const char *blob)
{
	struct stat now;
	blob_vouch(a->store, &a->sha256);
	if (a->how == STORE_ADOPT_LINK && (lstat(blob, &now) < 0 || !is_same(&a->before, &now)))
		blob_forget(a->store, &a->sha256);
}

int store_adopt_commit(struct store_adopt *a, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(a->store, &a->sha256);
	if (!a->hashed || a->how == STORE_ADOPT_NONE)
		return err_set(e, ERR_BUG, "%s: it was only to be hashed", a->path);
	if (store_has(a->store, &a->sha256, (uint64_t)a->before.st_size))
		return 0;
	int rc = file_make_way(blob, e);
	if (rc == 0)
		rc = a->how == STORE_ADOPT_LINK ? name_linked(a, blob, e) : name_made(a, blob, e);
	if (rc < 0)
		return rc;
	vouch(a, blob);
	store_partials_tidy(a->store, &a->sha256);
	return 0;
}
