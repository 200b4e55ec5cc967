/* Small objects, as a whole: cards, manifests. */
#include "serve/cache/cache_internal.h"

#include "util/file.h"
#include "util/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int from_view(const struct view_file *f, struct buf *out, struct err *e)
{
	buf_clear(out);
	buf_add(out, f->bytes->data, f->bytes->len);
	return buf_ok(out, f->file->key, e);
}

/* It costs nothing to hash it once more. */
static bool from_disk(struct cache *c, struct view *v, const struct view_file *f, struct buf *out)
{
	struct cache_blob *b;
	struct digest got;
	struct err ignored = ERR_INIT;
	if (cache_open(c, v, f, CACHE_HAVE, &b, &ignored) < 0)
		return false;
	buf_clear(out);
	char *at = cache_blob_was_there(b) ? buf_reserve(out, (size_t)f->file->size) : NULL;
	bool right = at &&
		     cache_blob_read(b, 0, at, f->file->size, &ignored) == (int64_t)f->file->size;
	if (right) {
		sha256_of(at, (size_t)f->file->size, &got);
		right = digest_equal(&got, &f->file->sha256);
		if (right)
			buf_commit(out, (size_t)f->file->size);
	}
	cache_close(b);
	return right;
}

static int write_blob(struct cache *c, const struct view_file *f, const struct buf *bytes,
		      struct err *e)
{
	CLEANUP(file_close) int fd = store_single_open(&c->store);
	if (fd < 0)
		return err_sys(e, errno, "%s: cannot be kept", f->file->key);
	int rc = file_write(fd, buf_str(bytes), bytes->len, f->file->key, e);
	return rc < 0 ? rc : store_single_commit(&c->store, &f->file->sha256, bytes->len, fd, e);
}

/* If it cannot be kept, it is read again. */
static void keep(struct cache *c, const struct view_file *f, const struct buf *bytes)
{
	const struct digest *d = &f->file->sha256;
	struct err ignored = ERR_INIT;
	if (cache_make_room(c, d, bytes->len, &ignored) < 0)
		return;
	if (write_blob(c, f, bytes, &ignored) == 0)
		(void)cache_object_adopt(c, d);
	cache_room_taken(c, d);
}

int cache_small(void *ctx, struct view *v, const struct view_file *f, struct buf *out,
		struct err *e)
{
	struct cache *c = ctx;
	if (f->bytes)
		return from_view(f, out, e);
	if (from_disk(c, v, f, out))
		return 0;
	if (!c->pulls)
		return err_set(e, ERR_NOT_FOUND, "%s is not in the cache", f->file->key);
	int rc = pulls_read_small(c->pulls, v, f, out, e);
	if (rc == 0)
		keep(c, f, out);
	return rc;
}
