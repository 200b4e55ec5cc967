#include "store/use.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define TRIES 10
#define TRY_MS 20

static char *used_path(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	return path_join(dir, STORE_USE_NAME);
}

void store_use(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *path = used_path(s, v);
	const struct timespec now = { .tv_sec = (time_t)clock_wall_s(s->clock) };
	const struct timespec times[] = { now, now };
	struct err ignored = ERR_INIT;
	if (s->read_only)
		return;
	/* A new file each time: the time of another user's could not be set. */
	if (file_write_unsynced(path, "", 0, FILE_MODE, &ignored) == 0)
		(void)!utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

int64_t store_use_time_s(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *path = used_path(s, v);
	struct stat st;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_mtime
							    : MAX(v->fetched_s, v->replaced_s);
}

/* -- locks ----------------------------------------------------------------------------------- */

void store_use_release(struct store_use_hold *h)
{
	for (size_t i = 0; i < h->count; i++)
		file_close(&h->fds[i]);
	mem_free_ptr(&h->fds);
	h->count = 0;
}

static void keep(struct store_use_hold *h, int *fd)
{
	h->fds[h->count++] = *fd;
	*fd = -1;
}

/* Who looks whether the blob is in use has it for a moment. */
static bool share(const struct store *s, int fd)
{
	struct err ignored = ERR_INIT;
	for (int i = 0; i < TRIES; i++) {
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK ||
		    clock_sleep_ms(s->clock, TRY_MS, s->cancel, &ignored) < 0)
			return false;
	}
	return false;
}

static bool is_blob(const char *path, int fd)
{
	struct stat a, b;
	return lstat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int hold_file(const struct store *s, const struct store_file *f, struct store_use_hold *h,
		     struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &f->sha256);
	/* Not closed by exec: the lock is the program's from then on. */
	CLEANUP(file_close) int fd = open(blob, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	bool shared = fd >= 0 && share(s, fd);
	if ((fd < 0 && errno == ENOENT) || (shared && !is_blob(blob, fd))) {
		err_set(e, ERR_CONFLICT, "%s is not in the store: another process removed it",
			f->name);
		return err_hint(e, "run the same command again");
	}
	if (shared)
		keep(h, &fd);
	return 0;
}

int store_use_hold(const struct store *s, const struct store_file *files, size_t count,
		   struct store_use_hold *out, struct err *e)
{
	CLEANUP(store_use_release) struct store_use_hold h = {
		.fds = mem_alloc((count + 1) * sizeof *h.fds),
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = hold_file(s, &files[i], &h, e);
	if (rc < 0)
		return rc;
	*out = h;
	h = (struct store_use_hold){ 0 };
	return 0;
}

/* *works is false where the lock says nothing. */
static bool claim_file(const char *blob, struct store_use_hold *h, bool *works)
{
	CLEANUP(file_close) int fd = open(blob, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return true;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		keep(h, &fd);
		return true;
	}
	*works &= errno == EWOULDBLOCK;
	return errno != EWOULDBLOCK;
}

/* Some file systems give a lock to everybody: is one that this process has refused? */
static bool lock_counts(const char *blob)
{
	CLEANUP(file_close) int fd = open(blob, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0;
}

/* A lock that this process has would look like that of another one. */
static bool is_again(const struct store_variant *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (digest_equal(&v->files[k].sha256, &v->files[i].sha256))
			return true;
	return false;
}

static bool was_used_lately(const struct store *s, const struct store_variant *v)
{
	return clock_wall_s(s->clock) - store_use_time_s(s, v) < STORE_USE_GUESS_S;
}

enum store_use_state store_use_claim(const struct store *s, const struct store_variant *v,
				     struct store_use_hold *out)
{
	CLEANUP(store_use_release) struct store_use_hold h = {
		.fds = mem_alloc((v->file_count + 1) * sizeof *h.fds),
	};
	bool works = true;
	for (size_t i = 0; i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &v->files[i].sha256);
		if (is_again(v, i))
			continue;
		if (!claim_file(blob, &h, &works))
			return STORE_USE_HELD;
		works = works && (i > 0 || lock_counts(blob));
	}
	if (!works && was_used_lately(s, v))
		return STORE_USE_MAYBE;
	*out = h;
	h = (struct store_use_hold){ 0 };
	return STORE_USE_NONE;
}
