/*
 * SIMULATED: a file system that lacks something, as FAT, exFAT, CIFS, 9p or NFS do. Preloaded into
 * a program, it refuses what the words in $SIMULATED_LACKS name, everywhere, with the errno
 * $SIMULATED_ERRNO:
 *
 *   chmod      a mode cannot be changed        times      nor a time
 *   links      no hard and no symbolic links   locks      no flock()
 *   symbolic   no symbolic links
 *   exclusive  no rename that never replaces   sync       a folder cannot be synced
 *   modes      every file is for everybody, whatever its mode was to be
 *   fat        statfs() tells that it is FAT, where a file has less than 4 GiB
 *
 * For machines whose kernel has no such file systems, or where the tests may not mount them.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static int lacks(const char *word)
{
	const char *all = getenv("SIMULATED_LACKS"), *at = all ? strstr(all, word) : NULL;
	return at != NULL;
}

static int refuse(void)
{
	const char *value = getenv("SIMULATED_ERRNO");
	errno = value ? atoi(value) : EPERM;
	return -1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int chmod(const char *path, mode_t mode)
{
	return lacks("chmod") ? refuse() : NEXT(chmod)(path, mode);
}

int fchmod(int fd, mode_t mode)
{
	return lacks("chmod") ? refuse() : NEXT(fchmod)(fd, mode);
}

int futimens(int fd, const struct timespec times[2])
{
	return lacks("times") ? refuse() : NEXT(futimens)(fd, times);
}

int utimensat(int dir, const char *path, const struct timespec times[2], int flags)
{
	return lacks("times") ? refuse() : NEXT(utimensat)(dir, path, times, flags);
}

int link(const char *from, const char *to)
{
	return lacks("links") ? refuse() : NEXT(link)(from, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return lacks("links") ? refuse() : NEXT(linkat)(from_dir, from, to_dir, to, flags);
}

int symlink(const char *target, const char *path)
{
	return lacks("links") || lacks("symbolic") ? refuse() : NEXT(symlink)(target, path);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	va_start(list, request);
	void *argument = va_arg(list, void *);
	va_end(list);
	return lacks("links") && request == 0x40049409 /* FICLONE */
		       ? refuse()
		       : NEXT(ioctl)(fd, request, argument);
}

int flock(int fd, int how)
{
	return lacks("locks") ? refuse() : NEXT(flock)(fd, how);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	return flags && lacks("exclusive") ? refuse()
					   : NEXT(renameat2)(from_dir, from, to_dir, to, flags);
}

int fsync(int fd)
{
	struct stat st;
	return lacks("sync") && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? refuse()
									   : NEXT(fsync)(fd);
}

int open64(const char *path, int flags, ...)
{
	va_list list;
	va_start(list, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
	va_end(list);
	int fd = NEXT(open64)(path, flags, mode);
	if (fd >= 0 && (flags & O_CREAT) && lacks("modes"))
		NEXT(fchmod)(fd, 0777);
	return fd;
}

int statfs64(const char *path, struct statfs64 *out)
{
	int rc = NEXT(statfs64)(path, out);
	if (rc == 0 && lacks("fat"))
		out->f_type = MSDOS_SUPER_MAGIC;
	return rc;
}
