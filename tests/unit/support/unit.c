#include "unit.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void assert_ok_at(int rc, const struct err *e, const char *file, int line)
{
	if (rc == 0)
		return;
	print_error("error %d: %s\n", rc, e->text);
	_fail(file, line);
}

/* Instead of libc's: no test waits for the disk. What a power cut leaves cannot be tested
 * here; what fsync() refuses is refused all the same. */
int fsync(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return 0;
	errno = EINVAL;
	return -1;
}

/* No test reads or writes a person's own files: without a home, nobody has any. */
__attribute__((constructor)) static void leave_home(void)
{
	static const char *const own[] = { "FERRY_HOME",    "XDG_CACHE_HOME",  "XDG_CONFIG_HOME",
					   "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		unsetenv(own[i]);
	setenv("HOME", "/dev/null", 1);
}

char *scratch_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = mem_printf("%s/ferry-unit-XXXXXX", tmp ? tmp : P_tmpdir);
	if (!mkdtemp(dir))
		fail_msg("mkdtemp %s", dir);
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void scratch_free(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

void scratch_write(const char *dir, const char *name, const void *data, size_t len)
{
	struct err e = ERR_INIT;
	char *path = path_join(dir, name);
	assert_ok(file_mkdirs_for(path, 0755, &e), &e);
	assert_ok(file_write_atomic(path, data, len, 0644, &e), &e);
	free(path);
}
