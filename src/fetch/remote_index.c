/* The index that was read last, for when there is a newer one that cannot be had: a small file with
 * its SHA-256 leads to it among the cached targets. */
#include "fetch/remote_internal.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define LAST "index-sha256"

static char *path_in_cache(const struct remote *r, const char *name)
{
	CLEANUP(mem_free_ptr) char *dir = store_cache_dir(r->store, r->repository);
	return path_join(dir, name);
}

static bool read_last(const struct remote *r, char hex[DIGEST_HEX])
{
	CLEANUP(mem_free_ptr) char *path = path_in_cache(r, LAST);
	CLEANUP(buf_release) struct buf text = BUF_INIT(DIGEST_HEX);
	struct err none = ERR_INIT;
	struct digest d;
	if (file_read_all(path, &text, &none) < 0 || text.len != DIGEST_HEX - 1 ||
	    !hex_decode(&d, sizeof d, buf_str(&text), false))
		return false;
	digest_hex(hex, &d);
	return true;
}

void remote_index_keep(const struct remote *r, const struct buf *index)
{
	char last[DIGEST_HEX], hex[DIGEST_HEX];
	struct err ignored = ERR_INIT;
	struct digest d;
	sha256_of(buf_str(index), index->len, &d);
	digest_hex(hex, &d);
	if (read_last(r, last) && strcmp(last, hex) == 0)
		return;
	/* Without it, only an earlier index is not found again. */
	CLEANUP(mem_free_ptr) char *path = path_in_cache(r, LAST);
	(void)!file_write_own(path, hex, strlen(hex), FILE_MODE, &ignored);
}

bool remote_index_last(const struct remote *r, struct buf *out)
{
	CLEANUP(buf_release) struct buf got = BUF_INIT(INDEX_MAX_BYTES);
	char hex[DIGEST_HEX], has[DIGEST_HEX];
	struct err ignored = ERR_INIT;
	struct digest d;
	if (!read_last(r, hex))
		return false;
	CLEANUP(mem_free_ptr) char *path = path_in_cache(r, hex);
	if (file_read_all(path, &got, &ignored) < 0)
		return false;
	sha256_of(buf_str(&got), got.len, &d);
	if (strcmp(digest_hex(has, &d), hex) != 0)
		return false;
	buf_release(out);
	*out = got;
	got = (struct buf)BUF_INIT(0);
	return true;
}
