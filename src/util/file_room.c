/* What can be written where: permission, the size of one file. */
#include "util/file.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

char *file_nearest(const char *path)
{
	char *at = path_absolute(path);
	struct stat st;
	while (lstat(at, &st) < 0 && at[1]) {
		char *slash = strrchr(at, '/');
		slash[slash == at] = '\0';
	}
	return at;
}

bool file_can_write_in(const char *dir)
{
	CLEANUP(mem_free_ptr) char *at = file_nearest(dir);
	return access(at, W_OK | X_OK) == 0;
}

uint64_t file_max_size(const char *path, const char **whose)
{
	CLEANUP(mem_free_ptr) char *at = file_nearest(path);
	struct rlimit limit;
	uint64_t most = os_max_file(at);
	*whose = "this file system";
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    (!most || limit.rlim_cur < most)) {
		most = limit.rlim_cur;
		*whose = "the shell's limit (ulimit -f)";
	}
	return most;
}

int file_need_size(const char *path, uint64_t size, struct err *e)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];
	const char *whose;
	uint64_t most = file_max_size(path, &whose);
	if (!most || size <= most)
		return 0;
	err_set(e, ERR_SYSTEM, "%s: the file has %s, but %s allows at most %s (%llu bytes)", path,
		format_size(a, size), whose, format_size(b, most), (unsigned long long)most);
	return err_hint(e, ERR_HINT_FILE_SIZE);
}
