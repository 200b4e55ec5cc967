/* What -o asks for. */
#include "fetch/fetch_internal.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <unistd.h>

/* Where the files of a variant go that the store has. */
struct placing {
	const struct store *store;
	const struct store_variant *variant;
	bool moves;   /* out of the store */
	bool checked; /* that there is space for the copies */
};

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Before the first copy: the space for all. */
static int need_copies(struct placing *p, size_t first, const char *path, struct err *e)
{
	uint64_t bytes = 0;
	if (p->checked)
		return 0;
	p->checked = true;
	for (size_t i = first; i < p->variant->file_count; i++)
		bytes += p->variant->files[i].size;
	return file_need_space(path, bytes, e);
}

static int place(struct placing *p, size_t i, const char *path, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(p->store, &p->variant->files[i].sha256);
	/* Root, above all in a container, can write to a read-only file: not to that of the store.
	 */
	bool own = faccessat(AT_FDCWD, blob, W_OK, AT_EACCESS) == 0, done = false;
	/* The output is the blob itself, or an existing link to it. */
	if (is_same_file(blob, path) && !p->moves)
		return 0;
	if (p->moves)
		return file_rename(blob, path, e);
	int rc = file_reflink(blob, path, FILE_READ_ONLY, &done, e);
	if (rc == 0 && !done && !own)
		rc = file_link(blob, path, &done, e);
	if (rc < 0 || done)
		return rc;
	rc = need_copies(p, i, path, e);
	return rc < 0 ? rc : file_copy(blob, path, FILE_READ_ONLY, p->store->cancel, e);
}

/* A typing error must not go unnoticed. */
static int make_folder(const struct store *s, const char *dir, struct err *e)
{
	if (file_is_dir(dir))
		return 0;
	int rc = file_mkdirs(dir, FILE_DIR_MODE, e);
	if (rc == 0)
		report_note(s->report, "made the folder %s", dir);
	return rc;
}

int fetch_place(const struct store *s, const struct store_variant *v, const char *output,
		bool moves, struct str_list *paths, struct err *e)
{
	struct placing p = { .store = s, .variant = v, .moves = moves };
	bool folder = v->file_count > 1 || file_is_dir(output) || str_ends(output, "/");
	CLEANUP(mem_free_ptr) char *dir = folder ? mem_strdup(output) : path_dir(output);
	int rc = make_folder(s, dir, e);
	for (size_t i = 0; rc == 0 && i < v->file_count; i++) {
		CLEANUP(mem_free_ptr) char *path = folder ? path_join(output, v->files[i].name)
							  : mem_strdup(output);
		rc = place(&p, i, path, e);
		if (rc == 0)
			str_list_take(paths, path_absolute(path));
	}
	if (rc == -ERR_NOT_FOUND)
		err_class_set(e, ERR_SYSTEM);
	return rc < 0 ? err_context(e, "--output %s", output) : 0;
}
