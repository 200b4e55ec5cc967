#include "publish/bundle.h"

#include "mirror/bundle_index.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define END (2 * MIRROR_BUNDLE_BLOCK) /* two empty blocks end a tar archive */

struct writer {
	const struct tree *tree;
	const struct bundle_options *o;
	struct mirror_bundle_index index;     /* in the order of the file */
	const struct repository_file **files; /* of each object in it */
	struct buf head;
	char *part, *task;
	int fd;
	uint64_t had; /* bytes of an earlier run in the file */
	struct bundle_result result;
	void *data; /* one piece */
	size_t data_size;
};

static void writer_release(struct writer *w)
{
	file_close(&w->fd);
	mirror_bundle_index_release(&w->index);
	buf_release(&w->head);
	free(w->files);
	free(w->part);
	free(w->task);
	free(w->data);
}

/* ---- what is in it ---- */

static bool is_chosen(const struct writer *w, size_t i)
{
	const struct repository_file *f = &w->tree->files.at[i];
	return !w->o->only || w->o->only[i] || f->class != REPOSITORY_OBJECT ||
	       !str_starts(f->key, "targets/" CARD_TARGETS);
}

static int lay_out(struct writer *w, struct err *e)
{
	const struct repository_files *all = &w->tree->files;
	w->files = mem_alloc((all->count + 1) * sizeof(struct repository_file *));
	w->index.repository = w->o->repository ? mem_strdup(w->o->repository) : NULL;
	w->index.release = w->tree->version;
	for (size_t i = 0; i < all->count; i++) {
		const struct repository_file *f = &all->at[i];
		if (!is_chosen(w, i))
			continue;
		w->files[w->index.count] = f;
		mirror_bundle_add(&w->index, f->key, f->size, &f->sha256);
	}
	int rc = mirror_bundle_lay_out(&w->index, &w->head, e);
	uint64_t block = MIRROR_BUNDLE_BLOCK;
	w->result.objects = w->index.count;
	w->result.size = (w->index.end + block - 1) / block * block + END;
	return rc;
}

/* ---- the file ---- */

/* A file that happens to have the name is not replaced. */
static int check_place(const char *path, struct err *e)
{
	uint8_t block[MIRROR_BUNDLE_BLOCK];
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	size_t unused;
	struct err why = ERR_INIT;
	if (!file_exists(path))
		return 0;
	if (file_open_regular(path, &fd, &size, &why) == 0 && size >= sizeof block &&
	    file_pread(fd, block, sizeof block, 0, path, &why) == 0 &&
	    mirror_bundle_head(block, &unused, &why) == 0)
		return 0;
	err_set(e, ERR_USAGE, "%s exists and is no bundle", path);
	return err_hint(e, "give another name, or remove it");
}

static int open_part(struct writer *w, struct err *e)
{
	struct stat st;
	int rc = file_mkdirs_for(w->part, FILE_DIR_MODE, e);
	if (rc < 0)
		return rc;
	w->fd = open(w->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return err_sys(e, errno, "%s", w->part);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_USAGE, "%s is not a file", w->part);
	if (flock(w->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(e, ERR_CONFLICT, "another process writes %s", w->part);
	w->had = (uint64_t)st.st_size;
	rc = file_need_size(w->part, w->result.size, e);
	if (rc == 0 && w->result.size > w->had)
		rc = file_need_space(w->part, w->result.size - w->had, e);
	return rc;
}

static int put(struct writer *w, const void *data, size_t len, uint64_t at, struct err *e)
{
	report_advance(w->o->report, w->task, (int64_t)len);
	return file_pwrite(w->fd, data, len, at, w->part, e);
}

/* The bytes behind a place up to the next block. */
static int put_padding(struct writer *w, uint64_t at, struct err *e)
{
	static const char zeros[END];
	size_t len = (size_t)(-at % MIRROR_BUNDLE_BLOCK);
	return len ? put(w, zeros, len, at, e) : 0;
}

static int need_data(struct writer *w, uint64_t len, struct err *e)
{
	if (len <= w->data_size)
		return 0;
	mem_free_ptr(&w->data);
	w->data_size = 0;
	int rc = mem_array(&w->data, len, 1, GIB, "a piece", e);
	if (rc == 0)
		w->data_size = (size_t)len;
	return rc;
}

/* Did an earlier run write these bytes? */
static bool is_there(struct writer *w, const struct digest *sha256, uint64_t at, uint64_t len)
{
	struct digest got;
	struct err ignored = ERR_INIT;
	if (at + len > w->had || file_pread(w->fd, w->data, len, at, w->part, &ignored) < 0)
		return false;
	sha256_of(w->data, len, &got);
	return digest_equal(&got, sha256);
}

static int put_piece(struct writer *w, const struct tree_object *o, uint32_t i, uint64_t begin,
		     struct err *e)
{
	const struct grid *g = &o->pieces.grid;
	uint64_t at = begin + grid_offset(g, i), len = grid_length(g, i);
	int rc = cancel_check(w->tree->cancel, e);
	if (rc == 0)
		rc = need_data(w, len, e);
	if (rc < 0)
		return rc;
	if (is_there(w, &o->pieces.at[i], at, len)) {
		w->result.kept += len;
		report_advance(w->o->report, w->task, (int64_t)len);
		return 0;
	}
	rc = tree_object_read(o, i, w->data, e);
	return rc < 0 ? rc : put(w, w->data, len, at, e);
}

static int put_object(struct writer *w, const struct repository_file *f, uint64_t begin,
		      struct err *e)
{
	CLEANUP(tree_object_close) struct tree_object o = { .fd = -1 };
	int rc = tree_object_open(w->tree, f, &o, e);
	for (uint32_t i = 0; rc == 0 && i < o.pieces.grid.count; i++)
		rc = put_piece(w, &o, i, begin, e);
	return rc;
}

static int put_entry(struct writer *w, size_t i, struct err *e)
{
	const struct mirror_bundle_object *o = &w->index.at[i];
	const struct repository_file *f = w->files[i];
	const struct buf *small = tree_small(w->tree, f);
	CLEANUP(buf_release) struct buf header = BUF_INIT(8 * KIB);
	mirror_bundle_header(o->key, o->size, &header);
	int rc = put(w, header.data, header.len, o->offset - header.len, e);
	if (rc == 0)
		rc = small ? put(w, buf_str(small), small->len, o->offset, e)
			   : put_object(w, f, o->offset, e);
	return rc < 0 ? rc : put_padding(w, o->offset + o->size, e);
}

static int finish(struct writer *w, const char *path, struct err *e)
{
	static const char zeros[END];
	int rc = put(w, zeros, END, w->result.size - END, e);
	if (rc == 0 && ftruncate(w->fd, (off_t)w->result.size) < 0)
		rc = err_sys(e, errno, "%s", w->part);
	if (rc == 0)
		rc = file_sync(w->fd, w->part, e);
	return rc < 0 ? rc : file_rename(w->part, path, e);
}

static int write_all(struct writer *w, const char *path, struct err *e)
{
	int rc = open_part(w, e);
	if (rc < 0)
		return rc;
	report_begin(w->o->report, w->task, w->result.size, 0);
	rc = put(w, w->head.data, w->head.len, 0, e);
	for (size_t i = 0; rc == 0 && i < w->index.count; i++)
		rc = put_entry(w, i, e);
	if (rc == 0)
		rc = finish(w, path, e);
	report_end(w->o->report, w->task, rc == 0);
	return rc;
}

int bundle_write(const struct tree *t, const char *path, const struct bundle_options *o,
		 struct bundle_result *out, struct err *e)
{
	CLEANUP(writer_release) struct writer w = {
		.tree = t,
		.o = o,
		.head = BUF_INIT(2 * MIRROR_BUNDLE_MAX_INDEX),
		.part = mem_printf("%s" BUNDLE_PART_SUFFIX, path),
		.task = mem_printf("write %s", path_base(path)),
		.fd = -1,
	};
	int rc = check_place(path, e);
	if (rc == 0)
		rc = lay_out(&w, e);
	if (rc == 0 && !o->dry_run)
		rc = write_all(&w, path, e);
	if (rc == 0)
		*out = w.result;
	return rc;
}
