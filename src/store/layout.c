/* The names under which engines find the files of a variant: do they lead to the blobs? */
#include "store/store.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <sys/stat.h>

/* Where a file system has no links, the name is a copy. */
static bool is_copy(const struct store *s, const struct store_file *f, const char *path)
{
	struct err ignored = ERR_INIT;
	struct stat st;
	struct digest have;
	uint64_t size;
	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == f->size &&
	       sha256_of_file(path, s->cancel, &have, &size, &ignored) == 0 &&
	       digest_equal(&have, &f->sha256);
}

static bool leads_to_blob(const struct store *s, const struct store_file *f, const char *path)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(s, &f->sha256);
	struct stat a, b;
	if (stat(path, &a) < 0 || stat(blob, &b) < 0)
		return false;
	return (a.st_dev == b.st_dev && a.st_ino == b.st_ino) || is_copy(s, f, path);
}

/* Where there are no links, engines open the blob of a single file itself. */
static bool is_without_name(const struct store *s, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *path = v->file_count == 1 ? path_join(v->dir, v->files[0].name)
							      : NULL;
	struct store_traits t = { 0 };
	if (!path || file_exists(path))
		return false;
	if (!s->read_only)
		store_traits(s, &t);
	return !t.symlinks && !t.links && !t.clones;
}

bool store_is_linked(const struct store *s, const struct store_variant *v)
{
	bool linked = true;
	if (is_without_name(s, v))
		return true;
	for (size_t i = 0; linked && i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(v->dir, v->files[i].name);
		linked = leads_to_blob(s, &v->files[i], path);
	}
	return linked;
}
