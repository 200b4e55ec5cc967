#include "tuf/artifact.h"

#include "tuf/metadata.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

#define MAX_NAME 240    /* bytes, below what file systems allow */

static int local_path(const char *dir, const char *path, char **out, struct err *e)
{
	CLEANUP(mem_free_ptr) char *name = path_percent_encode(path, "");
	if (strlen(name) > MAX_NAME)
		return err_set(e, ERR_USAGE, "%.80s…: too long for a file name", name);
	/* "." and ".." have nothing to encode. */
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !*name;
	*out = dots ? mem_printf("%s/%%%s", dir, name) : mem_printf("%s/%s", dir, name);
	return 0;
}

/* Is the file there, as signed? */
static bool is_cached(const char *file, const struct tuf_meta *meta)
{
	CLEANUP(buf_release) struct buf have = BUF_INIT((size_t)meta->length);
	struct err ignored = ERR_INIT;
	return file_read_all(file, &have, &ignored) == 0 &&
	       tuf_meta_check(meta, buf_str(&have), have.len, file, &ignored) == 0;
}

static int fetch(struct tuf_client *c, const char *path, const struct tuf_meta *meta,
		 tuf_artifact_get get, void *ctx, const char *file, struct err *e)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT((size_t)meta->length);
	const char *hex = tuf_hashes_first(meta->hashes);
	if (!hex)
		return err_set(e, ERR_INTEGRITY, "%s: no hash of a known algorithm is signed",
			       path);
	CLEANUP(mem_free_ptr) char *name = tuf_client_hashed_name(c, path, hex);
	int rc = get(ctx, name, &raw, e);
	if (rc == 0)
		rc = buf_ok(&raw, path, e);
	if (rc == 0)
		rc = tuf_meta_check(meta, buf_str(&raw), raw.len, path, e);
	return rc < 0 ? rc : file_write_atomic(file, buf_str(&raw), raw.len, 0644, e);
}

int tuf_artifact_fetch(struct tuf_client *c, const char *path, tuf_artifact_get get, void *ctx,
		       const char *dir, struct err *e)
{
	CLEANUP(mem_free_ptr) char *file = NULL;
	const json_t *entry;
	int rc = tuf_client_find(c, path, &entry, e);
	if (rc == 0)
		rc = local_path(dir, path, &file, e);
	if (rc < 0)
		return rc;
	struct tuf_meta meta = { .has_length = true, .hashes = json_object_get(entry, "hashes") };
	rc = json_get_u64(entry, path, "length", &meta.length, e);
	if (rc < 0)
		return rc;
	if (meta.length > TUF_ARTIFACT_MAX)
		return err_set(e, ERR_INTEGRITY, "%s: %llu bytes are signed, too many for this "
						 "client", path, (unsigned long long)meta.length);
	return is_cached(file, &meta) ? 0 : fetch(c, path, &meta, get, ctx, file, e);
}
