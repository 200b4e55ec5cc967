#include "util/file.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY_TRIES 100
#define READ_BYTES ((size_t)(64 * KIB)) /* of a file whose size is not known */

void file_close(int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	close(*fd);
	errno = saved;
	*fd = -1;
}

int file_open_read(const char *path, int *fd, struct err *e)
{
	int got = open(path, O_RDONLY | O_CLOEXEC);
	if (got < 0)
		return err_sys(e, errno, "%s", path);
	*fd = got;
	return 0;
}

/* Opens anything without waiting; *fd stays -1 for a socket, which only connect() opens. */
static int open_at_once(const char *path, int *fd, struct stat *st, struct err *e)
{
	/* O_NONBLOCK: opening a FIFO must not hang before it can be refused. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool socket = *fd < 0 && errno == ENXIO;
	if (socket ? stat(path, st) < 0 : *fd < 0 || fstat(*fd, st) < 0)
		return err_sys(e, errno, "%s", path);
	return 0;
}

int file_open_at_once(const char *path, int *fd, struct err *e)
{
	CLEANUP(file_close) int got = -1;
	struct stat st;
	int rc = open_at_once(path, &got, &st, e);
	if (rc < 0)
		return rc;
	if (got < 0)
		return err_sys(e, ENXIO, "%s", path);
	if (fcntl(got, F_SETFL, fcntl(got, F_GETFL) & ~O_NONBLOCK) < 0)
		return err_sys(e, errno, "%s", path);
	*fd = got;
	got = -1;
	return 0;
}

int file_open_regular(const char *path, int *fd, uint64_t *size, struct err *e)
{
	CLEANUP(file_close) int got = -1;
	struct stat st;
	int rc = open_at_once(path, &got, &st, e);
	if (rc < 0)
		return rc;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "not a regular file"), err_context(e, "%s", path);
	*size = (uint64_t)st.st_size;
	*fd = got;
	got = -1;
	return 0;
}

/* Reading a pipe could wait for ever, reading a device could be endless. */
static int open_found(const char *path, int *fd, struct err *e)
{
	CLEANUP(file_close) int got = -1;
	struct stat st;
	int rc = open_at_once(path, &got, &st, e);
	if (rc < 0)
		return rc;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		err_set(e, ERR_INTEGRITY, "%s is not a regular file", path);
		return err_hint(e, "remove it, or put a file in its place");
	}
	*fd = got;
	got = -1;
	return 0;
}

/* Room for all of a plain file and one byte more, in which its end is found: what is read may be
 * kept, and most files are small. Files of /proc have no size. */
static size_t first_room(int fd)
{
	struct stat st;
	bool known = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
	return known ? (size_t)st.st_size + 1 : READ_BYTES;
}

/* The room that there is is used before more is taken. */
static size_t next_room(const struct buf *b, size_t wanted)
{
	size_t unused = b->cap > b->len + 1 ? b->cap - b->len - 1 : 0;
	return MIN(unused ? unused : wanted, b->max - b->len);
}

int file_read_rest(int fd, const char *what, struct buf *out, struct err *e)
{
	size_t wanted = first_room(fd);
	buf_clear(out);
	for (;; wanted = READ_BYTES) {
		size_t room = next_room(out, wanted);
		char one;
		void *at = room ? buf_reserve(out, room) : &one;
		ssize_t n = read(fd, at, room ? room : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", what);
		if (n == 0)
			break;
		if (!room)
			return err_set(e, ERR_INTEGRITY, "%s is larger than %zu bytes", what,
				       out->max);
		buf_commit(out, (size_t)n);
	}
	return 0;
}

int file_read_all(const char *path, struct buf *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = open_found(path, &fd, e);
	return rc < 0 ? rc : file_read_rest(fd, path, out, e);
}

int file_read_named(const char *path, struct buf *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int rc = file_open_read(path, &fd, e);
	return rc < 0 ? rc : file_read_rest(fd, path, out, e);
}

int file_pread(int fd, void *data, size_t len, uint64_t offset, const char *what, struct err *e)
{
	for (char *p = data; len;) {
		ssize_t n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", what);
		if (n == 0)
			return err_set(e, ERR_INTEGRITY, "%s ends early, at byte %llu", what,
				       (unsigned long long)offset);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int file_pwrite(int fd, const void *data, size_t len, uint64_t offset, const char *what,
		struct err *e)
{
	for (const char *p = data; len;) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", what);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int file_write(int fd, const void *data, size_t len, const char *what, struct err *e)
{
	for (const char *p = data; len;) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", what);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

bool file_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int file_size(const char *path, uint64_t *size, struct err *e)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(e, errno, "%s", path);
	*size = (uint64_t)st.st_size;
	return 0;
}

static void publish_dir(const char *path)
{
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		file_make_public(fd);
}

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	int why = mkdir(path, mode & 0777) < 0 ? errno : 0;
	if (why == 0 && (mode & FILE_FOR_ALL))
		publish_dir(path);
	if (why && why != EEXIST && !file_is_dir(path))
		return err_sys(e, why, "cannot create the folder %s", path);
	return 0;
}

/* The path from the part on that has to be made: what is above it is there. */
static char *missing_part(char *path)
{
	char *before;
	for (char *slash = strrchr(path, '/'); slash && slash > path; slash = before) {
		*slash = '\0';
		bool found = file_is_dir(path);
		before = strrchr(path, '/');
		*slash = '/';
		if (found)
			return slash + 1;
	}
	return path + 1;
}

int file_mkdirs(const char *dir, mode_t mode, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_strdup(dir);
	if (file_is_dir(dir))
		return 0;
	for (char *p = missing_part(path); *path; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char kept = *p;
		*p = '\0';
		int rc = make_dir(path, mode, e);
		if (rc < 0)
			return rc;
		*p = kept;
		if (!kept)
			break;
	}
	if (!file_is_dir(dir))
		return err_sys(e, ENOTDIR, "%s", dir), err_class_set(e, ERR_SYSTEM);
	return 0;
}

int file_mkdirs_for(const char *path, mode_t mode, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	return file_mkdirs(dir, mode, e);
}

int file_sync(int fd, const char *what, struct err *e)
{
	if (fsync(fd) < 0 && !os_lacks(errno) && errno != EROFS && errno != EBADF)
		return err_sys(e, errno, "%s: fsync", what);
	return 0;
}

int file_sync_dir(const char *dir, struct err *e)
{
	CLEANUP(file_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A folder may be for writing alone. */
	if (fd < 0 && os_lacks(errno))
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "%s", dir);
	return file_sync(fd, dir, e);
}

static int sync_dir_of(const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	return file_sync_dir(dir, e);
}

/* What must not be replaced by a file. /dev/stdout and the like are links to a regular file if
 * the output is redirected to one. */
static bool is_special(const char *path)
{
	struct stat st;
	return os_is_open_file(path) ||
	       (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static int rename_unsynced(const char *from, const char *to, struct err *e)
{
	if (is_special(to))
		return err_set(e, ERR_USAGE,
			       "%s exists and is not a regular file; it is not replaced", to);
	if (rename(from, to) < 0)
		return err_sys(e, errno, "cannot rename %s to %s", from, to);
	return 0;
}

int file_rename(const char *from, const char *to, struct err *e)
{
	int rc = rename_unsynced(from, to, e);
	return rc < 0 ? rc : sync_dir_of(to, e);
}

int file_space(const char *path, uint64_t *bytes, struct err *e)
{
	/* The path may not exist yet: use the nearest folder above it that does. */
	CLEANUP(mem_free_ptr) char *at = path_absolute(path);
	struct statvfs st;
	while (statvfs(at, &st) < 0) {
		char *slash = strrchr(at, '/');
		if ((errno != ENOENT && errno != ENOTDIR) || !slash || !at[1])
			return err_sys(e, errno, "%s", path);
		slash[slash == at] = '\0';
	}
	/* File systems in user space need not count blocks. */
	*bytes = st.f_blocks ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
	return 0;
}

int file_need_space(const char *path, uint64_t need, struct err *e)
{
	uint64_t have;
	int rc = file_space(path, &have, e);
	if (rc < 0)
		return rc;
	if (have >= need)
		return 0;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	err_set(e, ERR_SYSTEM, "%s: not enough space: %s needed, %s free", path,
		format_size(a, need), format_size(b, have));
	e->sys = ENOSPC;
	return err_hint(e, "free some space or choose another disk, then run the same command "
			   "again: finished work is kept");
}

static char *temporary_name(const char *dir, const char *base)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char random[6];
	char text[sizeof random + 1] = "";
	if (!os_random(random, sizeof random))
		memset(random, getpid() & 0xff, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		text[i] = digits[random[i] % 32];
	return mem_printf("%s/.%s.%s.tmp", dir, base, text);
}

int file_new_open(struct file_new *f, const char *path, mode_t mode, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	CLEANUP(mem_free_ptr) char *temporary = NULL;
	int fd = -1;
	for (int tries = 0; fd < 0 && (tries == 0 || (errno == EEXIST && tries < TEMPORARY_TRIES));
	     tries++) {
		mem_free_ptr(&temporary);
		temporary = temporary_name(dir, path_base(path));
		/* Some file systems need two steps for a new file, and the second one would fail if
		 * it could not be written. */
		fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			  (mode & 0777) | S_IWUSR);
	}
	if (fd < 0)
		return err_sys(e, errno, "cannot write %s", path);
	if (!(mode & S_IWUSR))
		file_make_read_only(fd);
	if (mode & FILE_FOR_ALL)
		file_make_public(fd);
	*f = (struct file_new){ .fd = fd, .path = mem_strdup(path), .temporary = STEAL(temporary) };
	return 0;
}

void file_new_abort(struct file_new *f)
{
	file_close(&f->fd);
	if (f->temporary)
		unlink(f->temporary);
	free(f->temporary);
	free(f->path);
	*f = (struct file_new)FILE_NEW_INIT;
}

static int new_sync_close(struct file_new *f, struct err *e)
{
	int rc = file_sync(f->fd, f->path, e);
	if (rc == 0 && close(f->fd) < 0)
		rc = err_sys(e, errno, "%s: close", f->path);
	else if (rc < 0)
		close(f->fd);
	f->fd = -1;
	return rc;
}

int file_new_commit(struct file_new *f, struct err *e)
{
	int rc = new_sync_close(f, e);
	if (rc == 0 && (rc = file_rename(f->temporary, f->path, e)) == 0)
		mem_free_ptr(&f->temporary);
	file_new_abort(f);
	return rc;
}

int file_new_commit_unsynced(struct file_new *f, struct err *e)
{
	int rc = rename_unsynced(f->temporary, f->path, e);
	if (rc == 0)
		mem_free_ptr(&f->temporary);
	file_new_abort(f);
	return rc;
}

int file_new_commit_exclusive(struct file_new *f, struct err *e)
{
	int rc = new_sync_close(f, e);
	int failed = rc == 0 ? os_rename_exclusive(AT_FDCWD, f->temporary, AT_FDCWD, f->path) : 0;
	if (failed) {
		rc = err_sys(e, failed, "cannot create %s", f->path);
		if (failed == EEXIST)
			rc = err_class_set(e, ERR_CONFLICT);
	}
	if (rc == 0)
		rc = sync_dir_of(f->path, e);
	file_new_abort(f);
	return rc;
}

bool file_is_temporary(const char *name)
{
	size_t len = strlen(name);
	return name[0] == '.' && len > 12 && str_ends(name, ".tmp") && name[len - 11] == '.';
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_new_open(&f, path, mode, e);
	if (rc == 0)
		rc = file_write(f.fd, data, len, path, e);
	if (rc == 0)
		rc = file_new_commit(&f, e);
	return rc;
}

int file_write_unsynced(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_new_open(&f, path, mode, e);
	if (rc == 0)
		rc = file_write(f.fd, data, len, path, e);
	if (rc == 0 && rename(f.temporary, path) < 0)
		rc = err_sys(e, errno, "cannot rename %s to %s", f.temporary, path);
	if (rc == 0)
		mem_free_ptr(&f.temporary);
	return rc;
}

int file_sync_all(const char *dir, struct err *e)
{
	CLEANUP(file_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = fd < 0 ? errno : os_sync_all(fd);
	return failed ? err_sys(e, failed, "cannot sync %s", dir) : 0;
}

int file_make_way(const char *path, struct err *e)
{
	return is_special(path) ? file_remove(path, e) : 0;
}

int file_write_own(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	int rc = file_make_way(path, e);
	return rc < 0 ? rc : file_write_atomic(path, data, len, mode, e);
}

int file_write_output(const char *path, const void *data, size_t len, struct err *e)
{
	struct stat st;
	if (file_is_dir(path))
		return err_set(e, ERR_USAGE, "%s is a folder; the name of a file is needed", path);
	bool there = lstat(path, &st) == 0;
	if (!there || S_ISREG(st.st_mode))
		return file_write_atomic(path, data, len, FILE_MODE, e);
	CLEANUP(file_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
					  FILE_MODE);
	if (fd < 0)
		return err_sys(e, errno, "cannot write %s", path);
	return file_write(fd, data, len, path, e);
}

static int copy_bytes(int from, int to, const char *what, const struct cancel *cancel,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(MIB);
	for (;;) {
		int rc = cancel_check(cancel, e);
		if (rc < 0)
			return rc;
		ssize_t n = read(from, data, MIB);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", what);
		if (n == 0)
			return 0;
		rc = file_write(to, data, (size_t)n, what, e);
		if (rc < 0)
			return rc;
	}
}

int file_copy(const char *from, const char *to, mode_t mode, const struct cancel *cancel,
	      struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	uint64_t size;
	int rc = file_open_regular(from, &fd, &size, e);
	if (rc == 0)
		rc = file_need_size(to, size, e);
	if (rc == 0)
		rc = file_new_open(&f, to, mode, e);
	if (rc == 0 && !os_clone(f.fd, fd) && (rc = file_need_space(to, size, e)) == 0)
		rc = copy_bytes(fd, f.fd, to, cancel, e);
	if (rc == 0)
		rc = file_new_commit(&f, e);
	return rc;
}

int file_reflink(const char *from, const char *to, mode_t mode, bool *done, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	int rc = file_open_read(from, &fd, e);
	if (rc == 0)
		rc = file_new_open(&f, to, mode, e);
	*done = rc == 0 && os_clone(f.fd, fd);
	if (*done)
		rc = file_new_commit(&f, e);
	return rc;
}

/* Makes a link under a temporary name beside `path`; the caller frees the name. NULL: it cannot be
 * made, as errno says. */
static char *link_beside(const char *path, int (*make)(const char *target, const char *name),
			 const char *target)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	for (int tries = 0; tries < TEMPORARY_TRIES; tries++) {
		CLEANUP(mem_free_ptr) char *temporary = temporary_name(dir, path_base(path));
		if (make(target, temporary) == 0)
			return STEAL(temporary);
		if (errno != EEXIST)
			break;
	}
	return NULL;
}

static int hard_link(const char *target, const char *name)
{
	return linkat(AT_FDCWD, target, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

int file_link(const char *from, const char *to, bool *done, struct err *e)
{
	CLEANUP(mem_free_ptr) char *temporary = link_beside(to, hard_link, from);
	*done = temporary != NULL;
	if (!*done)
		return 0;
	int rc = file_rename(temporary, to, e);
	/* rename() of two names of one file does nothing and keeps both. */
	unlink(temporary);
	return rc;
}

int file_link_or_copy(const char *from, const char *to, mode_t mode, const struct cancel *cancel,
		      struct err *e)
{
	bool done;
	int rc = file_reflink(from, to, mode, &done, e);
	if (rc < 0 || done)
		return rc;
	rc = file_link(from, to, &done, e);
	return rc < 0 || done ? rc : file_copy(from, to, mode, cancel, e);
}

int file_symlink_unsynced(const char *target, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *temporary = link_beside(path, symlink, target);
	if (!temporary)
		return err_sys(e, errno, "cannot link %s", path);
	int rc = rename_unsynced(temporary, path, e);
	if (rc < 0)
		unlink(temporary);
	return rc;
}

int file_symlink_atomic(const char *target, const char *path, struct err *e)
{
	int rc = file_symlink_unsynced(target, path, e);
	return rc < 0 ? rc : sync_dir_of(path, e);
}

int file_list_dir(const char *dir, struct str_list *names, struct err *e)
{
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", dir);
	size_t first = names->count;
	struct dirent *entry;
	while (errno = 0, (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			str_list_add(names, entry->d_name);
	int failed = errno;
	closedir(d);
	if (failed)
		return err_sys(e, failed, "%s", dir);
	if (names->count > first)
		qsort(names->at + first, names->count - first, sizeof *names->at, str_compare);
	return 0;
}

int file_remove(const char *path, struct err *e)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove %s", path);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	remove(path);
	return 0;
}

void file_remove_tree(const char *dir)
{
	nftw(dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

void file_remove_dir_if_empty(const char *dir)
{
	rmdir(dir);
}
