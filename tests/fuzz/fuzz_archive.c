/* Any bytes as an archive: nothing is written outside the folder, nothing stays after a
 * failure, and what is listed is there. */
#include "prepare/archive.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct archive_limits limits = {
		.max_bytes = MIB,
		.max_ratio = 100,
		.max_entries = 50,
	};
	struct err e = ERR_INIT;
	struct str_list files = { 0 }, left = { 0 };
	const char *tmp = getenv("TMPDIR");
	CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/ferry-fuzz-XXXXXX", tmp ? tmp : P_tmpdir);
	char path[64];
	int fd = memfd_create("archive", MFD_CLOEXEC);
	must(fd >= 0 && mkdtemp(dir) && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int rc = archive_extract(path, "x.tar", dir, &limits, NULL, NULL, &files, &e);
	for (size_t i = 0; i < files.count; i++) {
		CLEANUP(mem_free_ptr) char *file = path_join(dir, files.at[i]);
		must(path_is_key(files.at[i]) && file_exists(file));
	}
	struct err other = ERR_INIT;
	must(file_list_dir(dir, &left, &other) == 0);
	must((rc == 0) == (left.count > 0) && (rc == 0) == (e.class == ERR_NONE));
	str_list_release(&files);
	str_list_release(&left);
	file_remove_tree(dir);
	close(fd);
	return 0;
}
