#include "fetch/pool.h"

#include "util/file.h"
#include "util/os.h"

#include <errno.h>
#include <sys/mman.h>

static int nameless_file(const char *dir, uint64_t size, int *fd, struct err *e)
{
	*fd = os_nameless_file(dir);
	if (*fd < 0)
		return err_sys(e, errno, "%s", dir);
	/* Allocate now: otherwise a full disk would raise a signal when the mapping is written
	 * to. */
	int rc = os_reserve(*fd, size);
	return rc ? err_sys(e, rc, "%s: cannot allocate space for a piece", dir) : 0;
}

int pool_piece_open(struct pool_piece *r, uint64_t size, const char *dir, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	if (size > PIECE_MEMORY_MAX) {
		int rc = nameless_file(dir, size, &fd, e);
		if (rc < 0)
			return rc;
		flags = MAP_SHARED;
	}
	void *data = mmap(NULL, MAX(size, 1), PROT_READ | PROT_WRITE, flags, fd, 0);
	if (data == MAP_FAILED)
		return err_sys(e, errno, "cannot allocate space for a piece");
	*r = (struct pool_piece){ .data = data, .size = MAX(size, 1) };
	return 0;
}

void pool_piece_close(struct pool_piece *r)
{
	if (r->data)
		munmap(r->data, r->size);
	*r = (struct pool_piece){ 0 };
}
