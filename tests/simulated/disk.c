/*
 * SIMULATED: a disk that is full. Preloaded into a program, it lets the folder $SIMULATED_DISK
 * look like a file system of as many bytes as the file $SIMULATED_DISK.size says: statvfs()
 * tells what is left, what would be written beyond fails with ENOSPC, and no file gets there by a
 * link. For machines where the tests may not mount a small file system.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t used;

static int is_there(const char *path)
{
	const char *disk = getenv("SIMULATED_DISK");
	size_t len = disk ? strlen(disk) : 0;
	return disk && strncmp(path, disk, len) == 0 && (!path[len] || path[len] == '/');
}

static int add(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)path, (void)kind, (void)place;
	used += (uint64_t)st->st_blocks * 512;
	return 0;
}

/* Bytes left, or -1 when path is not on the simulated disk. */
static int64_t left_for(const char *path)
{
	const char *disk = getenv("SIMULATED_DISK");
	char name[4096];
	uint64_t size = 0;
	if (!is_there(path))
		return -1;
	snprintf(name, sizeof name, "%s.size", disk);
	FILE *f = fopen(name, "r");
	if (!f || fscanf(f, "%ju", &size) != 1)
		abort();
	fclose(f);
	used = 0;
	nftw(disk, add, 16, FTW_PHYS);
	return used < size ? (int64_t)(size - used) : 0;
}

static const char *path_of(int fd, char path[static 4096])
{
	char name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, path, 4095);
	path[n < 0 ? 0 : n] = '\0';
	return path;
}

/* Is there no room for len bytes in this file? */
static int is_full(int fd, size_t len)
{
	char path[4096];
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	int64_t left = left_for(path_of(fd, path));
	return left >= 0 && (uint64_t)left < len;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t len)
{
	if (!is_full(fd, len))
		return NEXT(write)(fd, data, len);
	errno = ENOSPC;
	return -1;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	if (!is_full(fd, len))
		return NEXT(pwrite64)(fd, data, len, offset);
	errno = ENOSPC;
	return -1;
}

int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
	return is_full(fd, (size_t)len) ? ENOSPC : NEXT(posix_fallocate64)(fd, offset, len);
}

int statvfs64(const char *path, struct statvfs64 *out)
{
	int rc = NEXT(statvfs64)(path, out);
	char resolved[4096];
	int64_t left = rc == 0 && realpath(path, resolved) ? left_for(resolved) : -1;
	if (left >= 0)
		out->f_bavail = out->f_bfree = (uint64_t)left / out->f_frsize;
	return rc;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	char resolved[4096];
	if (!is_there(to) || (realpath(from, resolved) && is_there(resolved)))
		return NEXT(linkat)(from_dir, from, to_dir, to, flags);
	errno = EXDEV;
	return -1;
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	va_start(list, request);
	uintptr_t argument = va_arg(list, uintptr_t);
	va_end(list);
	char path[4096];
	if (request != FICLONE || !is_there(path_of(fd, path)))
		return NEXT(ioctl)(fd, request, argument);
	errno = EXDEV;
	return -1;
}
