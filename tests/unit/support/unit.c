#include "unit.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <ftw.h>
#include <stdio.h>

void assert_ok_at(int rc, const struct err *e, const char *file, int line)
{
	if (rc == 0)
		return;
	print_error("error %d: %s\n", rc, e->text);
	_fail(file, line);
}

char *scratch_new(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = mem_printf("%s/ferry-unit-XXXXXX", tmp ? tmp : "/tmp");
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
