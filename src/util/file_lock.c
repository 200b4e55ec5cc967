#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STEP_MS 50

/* -- the file ------------------------------------------------------------------------------ */

static mode_t lock_mode(int dir, const char *path)
{
	CLEANUP(mem_free_ptr) char *folder = path_dir(path);
	struct stat st;
	bool group = fstatat(dir, folder, &st, 0) == 0 && (st.st_mode & S_ISGID) &&
		     (st.st_mode & S_IWGRP);
	return group ? 0660 : 0600;
}

/* Earlier versions made lock files that everybody could open. */
static void set_mode(int fd, const struct stat *st, mode_t mode)
{
	int ignored = (st->st_mode & 0777) != mode ? fchmod(fd, mode) : 0;
	(void)ignored;
}

static int open_lock(int dir, const char *path, int *fd, struct err *e)
{
	mode_t mode = lock_mode(dir, path);
	CLEANUP(file_close) int got = openat(dir, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
					     mode);
	struct stat st;
	if (got < 0 || fstat(got, &st) < 0) {
		int sys = errno;
		err_sys(e, sys, "cannot open the lock file %s", path);
		return sys == EACCES ? err_hint(e, FILE_GROUP_HINT) : -(int)e->class;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SYSTEM, "the lock file %s is not a regular file", path);
	set_mode(got, &st, mode);
	*fd = got;
	got = -1;
	return 0;
}

/* -- the holder ---------------------------------------------------------------------------- */

static void sign(int fd)
{
	char text[32];
	int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) < 0)
		return; /* then it has no name in messages */
}

static char *holder_of(int fd)
{
	char text[32], *end;
	ssize_t len = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
	text[MAX(len, 0)] = '\0';
	long pid = strtol(text, &end, 10);
	return pid > 0 && *end == '\n' ? mem_printf("process %ld", pid)
				       : mem_strdup("another process");
}

char *file_lock_holder(const char *path)
{
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return holder_of(fd);
}

static int is_held(int fd, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *holder = holder_of(fd);
	err_set(e, ERR_CONFLICT, "%s is locked by %s", path, holder);
	return err_cause(e, CAUSE_LOCKED, 0);
}

/* -- taking it ----------------------------------------------------------------------------- */

/* 1 when another process holds it; a file system without locks closes *fd. */
static int try_lock(int *fd, const char *path, struct err *e)
{
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK || errno == EINTR)
		return 1;
	if (errno != ENOLCK && errno != EBADF && !os_lacks(errno))
		return err_sys(e, errno, "%s: lock", path);
	file_close(fd);
	return 0;
}

int file_lock(const char *path, uint64_t wait_ms, const struct cancel *cancel, int *fd,
	      struct err *e)
{
	return file_lock_at(AT_FDCWD, path, wait_ms, cancel, fd, e);
}

int file_lock_at(int dir, const char *path, uint64_t wait_ms, const struct cancel *cancel, int *fd,
		 struct err *e)
{
	CLEANUP(file_close) int got = -1;
	int rc = open_lock(dir, path, &got, e);
	if (rc < 0)
		return rc;
	for (uint64_t waited = 0; (rc = try_lock(&got, path, e)) == 1; waited += STEP_MS) {
		if (waited >= wait_ms)
			return is_held(got, path, e);
		if ((rc = clock_sleep_ms(NULL, STEP_MS, cancel, e)) < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (got >= 0)
		sign(got);
	*fd = got;
	got = -1;
	return 0;
}

int file_lock_shared(const char *path, unsigned wait_ms)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	for (unsigned waited = 0; fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0; waited += STEP_MS) {
		struct err ignored = ERR_INIT;
		if (waited >= wait_ms || errno != EWOULDBLOCK ||
		    clock_sleep_ms(NULL, STEP_MS, NULL, &ignored) < 0)
			file_close(&fd);
	}
	return fd;
}
