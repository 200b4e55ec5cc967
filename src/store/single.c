/* Files of one piece: nothing of them is worth resuming, so they need no partial file with a name,
 * no journal and no lock. */
#include "store/store.h"

#include "store/blob.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

int store_single_open(const struct store *s)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "blobs/sha256");
	return os_linkable_file(dir, FILE_MODE);
}

/* Where an open file gets no name; or something else has the name. */
static int write_anew(int fd, uint64_t size, const char *blob, struct err *e)
{
	CLEANUP(mem_free_ptr) void *bytes = mem_alloc((size_t)size + 1);
	int rc = file_make_way(blob, e);
	if (rc == 0)
		rc = file_pread(fd, bytes, (size_t)size, 0, blob, e);
	return rc < 0 ? rc : file_write_atomic(blob, bytes, (size_t)size, FILE_READ_ONLY, e);
}

int store_single_commit(const struct store *s, const struct digest *d, uint64_t size, int fd,
			struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, d);
	if (store_has_verified(s, d, size))
		return 0;
	file_make_read_only(fd);
	int rc = file_sync(fd, blob, e);
	if (rc == 0 && os_link_open_file(fd, blob) != 0)
		rc = write_anew(fd, size, blob, e);
	if (rc == 0)
		blob_vouch(s, d);
	return rc;
}
