/*
 * Preloaded into a command under test: ends it just before its Nth call of a kind. So a test
 * reaches every moment that matters, however fast or busy the machine is.
 *
 *   SIMULATED_KILL=rename:3        rename, unlink, read, change (every call that changes a file
 *                                  or a folder) or step (the same, but writes in a row are
 *                                  one), send (to a socket), counted from 1
 *   SIMULATED_SIGNAL=15            this signal; without it, SIGKILL
 *   SIMULATED_CHANGES=FILE         at its end, a line with the numbers of changes, steps and sends
 *   SIMULATED_OPENS=FILE           a line for each name that it opens
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_uint seen, changes, steps, sends;
static atomic_bool wrote;

static void count(const char *call)
{
	const char *when = getenv("SIMULATED_KILL"), *number = getenv("SIMULATED_SIGNAL");
	size_t len = strlen(call);
	if (when && strncmp(when, call, len) == 0 && when[len] == ':' &&
	    atomic_fetch_add(&seen, 1) + 1 == (unsigned)atoi(when + len + 1))
		raise(number ? atoi(number) : SIGKILL);
}

static void change(const char *call)
{
	bool writes = strcmp(call, "write") == 0;
	atomic_fetch_add(&changes, 1);
	count(call);
	count("change");
	if (!atomic_exchange(&wrote, writes) || !writes) {
		atomic_fetch_add(&steps, 1);
		count("step");
	}
}

/* What goes to a terminal, a pipe or a socket changes no file. */
static int is_file(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* In one write: others append, too. */
static void append(const char *file, const char *line)
{
	int log = NEXT(open)(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return;
	(void)!NEXT(write)(log, line, strlen(line));
	close(log);
}

__attribute__((destructor)) static void at_end(void)
{
	const char *file = getenv("SIMULATED_CHANGES");
	char line[48];
	snprintf(line, sizeof line, "%u %u %u\n", atomic_load(&changes), atomic_load(&steps),
		 atomic_load(&sends));
	if (file)
		append(file, line);
}

#define CHANGE(kind, name, parameters, arguments) \
	int name parameters \
	{ \
		change(kind); \
		return NEXT(name) arguments; \
	}

CHANGE("rename", rename, (const char *from, const char *to), (from, to))
CHANGE("rename", renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CHANGE("rename", renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
       (a, from, b, to, flags))
CHANGE("unlink", unlink, (const char *path), (path))
CHANGE("unlink", unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
CHANGE("link", link, (const char *from, const char *to), (from, to))
CHANGE("link", linkat, (int a, const char *from, int b, const char *to, int flags),
       (a, from, b, to, flags))
CHANGE("symlink", symlink, (const char *from, const char *to), (from, to))
CHANGE("mkdir", mkdir, (const char *path, mode_t mode), (path, mode))
CHANGE("mkdir", mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))
CHANGE("rmdir", rmdir, (const char *path), (path))
CHANGE("chmod", chmod, (const char *path, mode_t mode), (path, mode))
CHANGE("chmod", fchmod, (int fd, mode_t mode), (fd, mode))
CHANGE("sync", fsync, (int fd), (fd))
CHANGE("truncate", ftruncate64, (int fd, off64_t size), (fd, size))
CHANGE("allocate", posix_fallocate64, (int fd, off64_t at, off64_t size), (fd, at, size))

ssize_t write(int fd, const void *data, size_t len)
{
	if (is_file(fd))
		change("write");
	return NEXT(write)(fd, data, len);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	change("write");
	return NEXT(pwrite64)(fd, data, len, at);
}

ssize_t read(int fd, void *data, size_t len)
{
	if (is_file(fd))
		count("read");
	return NEXT(read)(fd, data, len);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
	count("read");
	return NEXT(pread64)(fd, data, len, at);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	atomic_fetch_add(&sends, 1);
	count("send");
	return NEXT(send)(fd, data, len, flags);
}

static void opens(const char *path, int flags)
{
	const char *list = getenv("SIMULATED_OPENS");
	char line[4096];
	if (list && snprintf(line, sizeof line, "%s\n", path) < (int)sizeof line)
		append(list, line);
	if (flags & (O_CREAT | O_TRUNC))
		change("create");
}

static int mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		va_list args; \
		va_start(args, flags); \
		int mode = mode_of(flags, args); \
		va_end(args); \
		opens(path, flags); \
		return NEXT(name)(path, flags, mode); \
	}

#define OPENAT(name) \
	int name(int dir, const char *path, int flags, ...) \
	{ \
		va_list args; \
		va_start(args, flags); \
		int mode = mode_of(flags, args); \
		va_end(args); \
		opens(path, flags); \
		return NEXT(name)(dir, path, flags, mode); \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
