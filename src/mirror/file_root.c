/* The folder of a file mirror, and its locks. */
#include "mirror/file.h"

#include "mirror/folder.h"
#include "util/file.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <string.h>
#include <unistd.h>

static int open_root(struct file_mirror *f, bool make, struct err *e)
{
	if (f->root >= 0)
		return 0;
	if (make && file_mkdirs(f->path, 0755, e) < 0)
		return err_class_set(e, ERR_SYSTEM);
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root >= 0)
		return 0;
	int sys = errno;
	err_sys(e, sys, "the mirror's folder %s", f->path);
	if (!make && (sys == EACCES || sys == EPERM))
		return err_class_set(e, ERR_AUTH);
	return make || sys == ENOENT || sys == ENOTDIR ? -(int)e->class
						       : err_class_set(e, ERR_NETWORK);
}

int mirror_file_root(struct mirror *m, bool make, struct err *e)
{
	pthread_mutex_lock(&m->lock);
	int rc = open_root(m->state, make, e);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int mirror_file_take(int fd, bool wait, const struct cancel *cancel, struct err *e)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return 0;
		if (!wait) {
			err_set(e, ERR_CONFLICT, "is being written by another process");
			return err_hint(e, "wait until the other process has finished, then run "
					   "the command again");
		}
		int rc = cancel_check(cancel, e);
		if (rc < 0)
			return rc;
		usleep(20000);
	}
	return 0;
}

int mirror_file_lock(struct mirror *m, int *lock, struct err *e)
{
	const struct file_mirror *f = m->state;
	CLEANUP(file_close) int dir = -1;
	int rc = folder_open_dir(f->root, FILE_MIRROR_PRIVATE "/lock", true, &dir, e);
	if (rc < 0)
		return rc;
	CLEANUP(file_close) int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
					    0644);
	if (fd < 0)
		return err_sys(e, errno, "the lock file in %s/" FILE_MIRROR_PRIVATE, f->path);
	rc = mirror_file_take(fd, true, m->env.cancel, e);
	if (rc == 0) {
		*lock = fd;
		fd = -1;
	}
	return rc;
}

int mirror_file_refuse_private(const char *key, struct err *e)
{
	if (!str_starts(key, FILE_MIRROR_PRIVATE "/") && strcmp(key, FILE_MIRROR_PRIVATE) != 0)
		return 0;
	return err_set(e, ERR_USAGE, "keys below " FILE_MIRROR_PRIVATE "/ are reserved");
}

int mirror_file_open_object(struct mirror *m, const char *key, int *fd, struct mirror_stat *st,
			    struct err *e)
{
	const struct file_mirror *f = m->state;
	if (str_starts(key, FILE_MIRROR_PRIVATE "/"))
		return err_set(e, ERR_NOT_FOUND, "not found");
	int rc = mirror_file_root(m, false, e);
	return rc < 0 ? rc : folder_open_file(f->root, key, fd, st, e);
}
