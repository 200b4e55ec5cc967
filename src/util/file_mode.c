/* Modes: what the umask says, what is for everybody, what is for nobody else. */
#include "util/file.h"

#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* -- files --------------------------------------------------------------------------------- */

/* `take` and `give` are bits. Where that fails, the file has what modes there are. */
static void change(int fd, mode_t take, mode_t give)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return;
	mode_t mode = st.st_mode & 07777, wanted = (mode & ~take) | give;
	int ignored = wanted != mode ? fchmod(fd, wanted) : 0;
	(void)ignored;
}

void file_make_read_only(int fd)
{
	change(fd, 0222, 0);
}

void file_make_public(int fd)
{
	struct stat st;
	bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	change(fd, 0, folder ? 0555 : 0444);
}

void file_close_to_others(int fd)
{
	change(fd, 0007, 0);
}

int file_make_private(int fd, const char *what, struct err *e)
{
	struct stat st;
	change(fd, 0077, 0);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", what);
	if (!(st.st_mode & 0077))
		return 0;
	return err_set(e, ERR_SYSTEM,
		       "%s: this file system cannot keep a file private: other users could read it",
		       what);
}

/* -- folders ------------------------------------------------------------------------------- */

static void publish_dir(const char *path)
{
	CLEANUP(file_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		file_make_public(fd);
}

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	int why = mkdir(path, mode & 0777) < 0 ? errno : 0;
	if (why == 0 && (mode & FILE_FOR_ALL))
		publish_dir(path);
	if (why && why != EEXIST && !file_is_dir(path))
		return err_sys(e, why, "cannot create the folder %s", path);
	return 0;
}

int file_mkdirs(const char *dir, mode_t mode, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = mem_strdup(dir);
	for (char *p = path + 1; *path; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char kept = *p;
		*p = '\0';
		int rc = make_dir(path, mode, e);
		if (rc < 0)
			return rc;
		*p = kept;
		if (!kept)
			break;
	}
	if (!file_is_dir(dir))
		return err_sys(e, ENOTDIR, "%s", dir), err_class_set(e, ERR_SYSTEM);
	return 0;
}
