/* Partial files of uploads that were not committed. */
#include "mirror/file.h"

#include "mirror/folder.h"
#include "util/file.h"
#include "util/os.h"
#include "util/path.h"
#include "util/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTIAL FILE_MIRROR_PRIVATE "/partial/"

/* *dir is -1 where nothing was ever uploaded. */
static int open_partials(struct mirror *m, int *dir, struct err *e)
{
	const struct file_mirror *f = m->state;
	struct err why = ERR_INIT;
	int rc = mirror_file_root(m, false, &why);
	if (rc == 0)
		rc = folder_open_dir(f->root, PARTIAL "x", FOLDER_FIND, dir, &why);
	if (rc == 0 || err_is(&why, ERR_NOT_FOUND))
		return 0;
	*e = why;
	return rc;
}

static int read_names(int dir, struct str_list *out, struct err *e)
{
	/* A new descriptor: a duplicate would share the reading position. */
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	if (!d) {
		err_sys(e, errno, "the folder of partial files");
		file_close(&fd);
		return -(int)e->class;
	}
	while ((errno = 0, entry = readdir(d)))
		if (str_ends(entry->d_name, ".part"))
			str_list_add(out, entry->d_name);
	int sys = errno;
	closedir(d);
	if (sys)
		return err_sys(e, sys, "the folder of partial files");
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, str_compare);
	return 0;
}

static int tell(int dir, const char *name, mirror_leftover_fn *fn, void *ctx, struct err *e)
{
	struct stat st;
	/* Skip what was renamed or removed meanwhile. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	const struct mirror_leftover left = {
		.kind = MIRROR_LEFT_UPLOAD,
		.key = "",
		.id = name,
		.started_s = os_modified(&st).tv_sec,
		.has_bytes = true,
		.bytes = (uint64_t)st.st_size,
	};
	return fn(ctx, &left, e);
}

int mirror_file_leftovers(struct mirror_connection *c, mirror_leftover_fn *fn, void *ctx,
			  struct err *e)
{
	CLEANUP(file_close) int dir = -1;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = open_partials(c->mirror, &dir, e);
	if (rc == 0 && dir >= 0)
		rc = read_names(dir, &names, e);
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = tell(dir, names.at[i], fn, ctx, e);
	return rc;
}

/* The lock says that no upload writes to it; the name may meanwhile belong to another file. */
static int remove_part(int dir, const char *name, struct err *e)
{
	struct stat mine, named;
	CLEANUP(file_close) int fd = openat(dir, name,
					    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, errno, "cannot open the partial file %s", name);
	int rc = mirror_file_take(fd, e);
	if (rc < 0)
		return rc;
	if (fstat(fd, &mine) < 0 || fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    mine.st_ino != named.st_ino)
		return 0;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "cannot remove the partial file %s", name);
	return file_sync(dir, name, e);
}

int mirror_file_leftover_remove(struct mirror_connection *c, const struct mirror_leftover *left,
				struct err *e)
{
	CLEANUP(file_close) int dir = -1;
	if (!path_is_name(left->id) || !str_ends(left->id, ".part"))
		return err_set(e, ERR_USAGE, "this is not the name of a partial file");
	int rc = open_partials(c->mirror, &dir, e);
	if (rc == 0 && dir >= 0)
		rc = remove_part(dir, left->id, e);
	return rc < 0 ? err_context(e, "%s", left->id) : 0;
}
