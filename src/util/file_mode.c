/* Modes: what the umask says, what is for everybody, what is for nobody else. */
#include "util/file.h"

#include <errno.h>

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
