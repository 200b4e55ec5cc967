/*
 * SIMULATED: a file system that has reflinks, as Btrfs and XFS do. Preloaded into a program, a
 * clone is made by copying; like a real one it has the bytes of the moment and is another file.
 *
 * For machines where the tests may not mount such a file system.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLONE 0x40049409 /* FICLONE */

static int copy(int to, int from)
{
	char block[1 << 16];
	ssize_t n;
	for (off_t at = 0; (n = pread(from, block, sizeof block, at)) > 0; at += n)
		if (pwrite(to, block, (size_t)n, at) != n)
			return -1;
	return n < 0 ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	va_start(list, request);
	void *argument = va_arg(list, void *);
	va_end(list);
	return request == CLONE
		       ? copy(fd, (int)(intptr_t)argument)
		       : ((__typeof__(&ioctl))dlsym(RTLD_NEXT, "ioctl"))(fd, request, argument);
}
