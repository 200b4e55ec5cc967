/* Any bytes as backup.json, beside a card, a key and ferry.conf: a dry run puts nothing into the
 * folder, and what is accepted has its names. */
#include "prepare/archive_write.h"
#include "repository/backup.h"
#include "util/file.h"
#include "util/mem.h"

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

static void add(struct archive_writer *w, const char *path, const void *data, size_t size)
{
	struct err e = ERR_INIT;
	must(archive_writer_file(w, path, size, &e) == 0);
	must(archive_writer_data(w, data, size, &e) == 0);
}

static void make_archive(int fd, const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	CLEANUP_PTR(archive_writer_free) struct archive_writer *w = NULL;
	must(archive_writer_new(fd, "backup", &w, &e) == 0);
	add(w, "repository/cards/a", "a", 1);
	add(w, "keys/a.pub", "a", 1);
	add(w, "ferry.conf", "a", 1);
	add(w, BACKUP_INDEX, data, size);
	must(archive_writer_end(w, &e) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT, ignored = ERR_INIT;
	struct backup_restored out = { 0 };
	struct str_list left = { 0 };
	const char *tmp = getenv("TMPDIR");
	CLEANUP(mem_free_ptr) char *dir = mem_printf("%s/ferry-fuzz-XXXXXX", tmp ? tmp : P_tmpdir);
	char path[64];
	int fd = memfd_create("backup", MFD_CLOEXEC);
	must(fd >= 0 && mkdtemp(dir));
	make_archive(fd, data, size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	const struct backup_restoring how = { .dir = dir, .dry_run = true };
	int rc = backup_restore(path, &how, &out, &e);
	must((rc == 0) == (e.class == ERR_NONE) && (rc < 0 || (out.tree && out.files == 3)));
	must(file_list_dir(dir, &left, &ignored) == 0 && left.count == 0);
	backup_restored_release(&out);
	str_list_release(&left);
	file_remove_tree(dir);
	close(fd);
	return 0;
}
