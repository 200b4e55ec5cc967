#include "fetch/partial.h"

#include "util/file.h"
#include "util/mem.h"

/* Something of it is left from before, which is perhaps right. */
static bool is_begun(const struct store *s, const struct digest *sha256)
{
	CLEANUP(mem_free_ptr) char *part = store_part_path(s, sha256);
	CLEANUP(mem_free_ptr) char *damaged = store_damaged_path(s, sha256);
	return file_exists(part) || file_exists(damaged);
}

bool partial_open_single(const struct store *s, const char *name, const struct digest *sha256,
			 const struct grid *grid, const struct digest *pieces, struct partial *out)
{
	if (grid->count != 1 || is_begun(s, sha256))
		return false;
	int fd = store_single_open(s);
	if (fd < 0)
		return false;
	*out = (struct partial)PARTIAL_INIT;
	out->store = s;
	out->name = name;
	out->fd = fd;
	out->path = out->names.part = store_blob_path(s, sha256);
	out->claimed = mem_alloc(grid->count + 1);
	pieces_init(&out->pieces, grid, pieces, sha256);
	return true;
}

int partial_finish_single(struct partial *p, struct err *e)
{
	int rc = partial_check(p, e);
	return rc < 0 ? rc
		      : store_single_commit(p->store, p->pieces.sha256, p->pieces.grid.size, p->fd,
					    e);
}
