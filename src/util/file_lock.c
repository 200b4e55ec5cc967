#include "util/clock.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STEP_MS 50

/* -- the file ------------------------------------------------------------------------------ */

static mode_t lock_mode(const char *path)
{
	CLEANUP(mem_free_ptr) char *dir = path_dir(path);
	struct stat st;
	bool group = stat(dir, &st) == 0 && (st.st_mode & S_ISGID) && (st.st_mode & S_IWGRP);
	return group ? 0660 : 0600;
}

/* Earlier versions made lock files that everybody could open. */
static void set_mode(int fd, const struct stat *st, mode_t mode)
{
	int ignored = (st->st_mode & 0777) != mode ? fchmod(fd, mode) : 0;
	(void)ignored;
}

static int open_lock(const char *path, int *fd, struct err *e)
{
	mode_t mode = lock_mode(path);
	CLEANUP(file_close) int got = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
	struct stat st;
	if (got < 0 || fstat(got, &st) < 0)
		return err_sys(e, errno, "cannot open the lock file %s", path);
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

char *file_lock_holder(const char *path)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(32);
	struct err ignored = ERR_INIT;
	char *end;
	if (file_read_all(path, &text, &ignored) < 0 || !text.len)
		return mem_strdup("another process");
	long pid = strtol(buf_str(&text), &end, 10);
	return pid > 0 && *end == '\n' ? mem_printf("process %ld", pid)
				       : mem_strdup("another process");
}

static int is_held(const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *holder = file_lock_holder(path);
	return err_set(e, ERR_CONFLICT, "%s is locked by %s", path, holder);
}

/* -- taking it ----------------------------------------------------------------------------- */

/* 1 when another process holds it; a file system without locks closes *fd. */
static int try_lock(int *fd, const char *path, struct err *e)
{
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK || errno == EINTR)
		return 1;
	if (errno != ENOLCK && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
		return err_sys(e, errno, "%s: lock", path);
	file_close(fd);
	return 0;
}

int file_lock(const char *path, uint64_t wait_ms, const struct cancel *cancel, int *fd,
	      struct err *e)
{
	CLEANUP(file_close) int got = -1;
	int rc = open_lock(path, &got, e);
	if (rc < 0)
		return rc;
	for (uint64_t waited = 0; (rc = try_lock(&got, path, e)) == 1; waited += STEP_MS) {
		if (waited >= wait_ms)
			return is_held(path, e);
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
