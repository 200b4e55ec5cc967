/*
 * Preloaded into a command under test: kills it just before its Nth rename or unlink, at a moment
 * that no test could hit from outside, and keeps a list of the files that it opens.
 *
 *   SIMULATED_KILL=rename:3      rename or unlink, counted from 1
 *   SIMULATED_OPENS=FILE         a line for each name
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rename(const char *from, const char *to);
int unlink(const char *path);
int open(const char *path, int flags, ...);
int open64(const char *path, int flags, ...);

static void count(const char *call)
{
	static unsigned seen;
	const char *when = getenv("SIMULATED_KILL");
	size_t len = strlen(call);
	if (when && strncmp(when, call, len) == 0 && when[len] == ':' &&
	    ++seen == (unsigned)atoi(when + len + 1))
		raise(SIGKILL);
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *);
	count("rename");
	*(void **)&real = dlsym(RTLD_NEXT, "rename");
	return real(from, to);
}

int unlink(const char *path)
{
	int (*real)(const char *);
	count("unlink");
	*(void **)&real = dlsym(RTLD_NEXT, "unlink");
	return real(path);
}

static int open_real(const char *path, int flags, int mode)
{
	int (*real)(const char *, int, ...);
	const char *list = getenv("SIMULATED_OPENS");
	*(void **)&real = dlsym(RTLD_NEXT, "open");
	int log = list ? real(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (log >= 0) {
		(void)!write(log, path, strlen(path));
		(void)!write(log, "\n", 1);
		close(log);
	}
	return real(path, flags, mode);
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		int mode = 0; \
		va_list args; \
		va_start(args, flags); \
		if (flags & (O_CREAT | O_TMPFILE)) \
			mode = va_arg(args, int); \
		va_end(args); \
		return open_real(path, flags, mode); \
	}

OPEN(open)
OPEN(open64)
