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

#define LOCK_WAIT_MS 60000 /* it is held only while a name is changed */

static int open_root(struct mirror *m, bool make, struct err *e)
{
	struct file_mirror *f = m->state;
	if (f->root >= 0)
		return 0;
	if (mirror_file_check_present(m, e) < 0)
		return -(int)e->class;
	mode_t mode = f->closed ? FILE_DIR_MODE & 0770 : FILE_PUBLIC_DIR_MODE;
	if (make && file_mkdirs(f->path, mode, e) < 0)
		return err_class_set(e, ERR_SYSTEM);
	f->root = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root >= 0) {
		mirror_file_note_held(m);
		return 0;
	}
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
	int rc = open_root(m, make, e);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

int mirror_file_take(int fd, struct err *e)
{
	int rc;
	while ((rc = flock(fd, LOCK_EX | LOCK_NB)) < 0 && errno == EINTR)
		continue;
	if (rc == 0 || errno != EWOULDBLOCK)
		return 0;
	err_set(e, ERR_CONFLICT, "is being written by another process");
	return err_hint(e, "wait until the other process has finished, then run the command again");
}

static int lock_file(struct mirror *m, uint64_t wait_ms, int *lock, struct err *e)
{
	const struct file_mirror *f = m->state;
	CLEANUP(file_close) int dir = -1;
	int rc = folder_open_dir(f->root, FILE_MIRROR_PRIVATE "/lock", FOLDER_MAKE, &dir, e);
	if (rc < 0)
		return rc;
	rc = file_lock_at(dir, "lock", wait_ms, m->env.cancel, lock, e);
	if (rc == -ERR_CONFLICT)
		err_hint(e, "wait until it has finished, or end it if it hangs");
	return rc < 0 ? err_context(e, "%s/" FILE_MIRROR_PRIVATE, f->path) : 0;
}

static unsigned missed(struct mirror *m)
{
	const struct file_mirror *f = m->state;
	pthread_mutex_lock(&m->lock);
	unsigned n = f->missed;
	pthread_mutex_unlock(&m->lock);
	return n;
}

static void count_miss(struct mirror *m)
{
	struct file_mirror *f = m->state;
	pthread_mutex_lock(&m->lock);
	f->missed++;
	pthread_mutex_unlock(&m->lock);
}

int mirror_file_lock(struct mirror *m, struct mirror_file_lock *lock, struct err *e)
{
	struct file_mirror *f = m->state;
	unsigned before = missed(m);
	pthread_mutex_lock(&f->names);
	/* When another thread has waited in vain meanwhile, this one has waited as long. */
	int rc = lock_file(m, missed(m) == before ? LOCK_WAIT_MS : 0, &lock->fd, e);
	if (rc < 0) {
		count_miss(m);
		pthread_mutex_unlock(&f->names);
		return rc;
	}
	lock->of = f;
	return 0;
}

void mirror_file_unlock(struct mirror_file_lock *lock)
{
	if (!lock->of)
		return;
	file_close(&lock->fd);
	pthread_mutex_unlock(&lock->of->names);
	lock->of = NULL;
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
