#include "publish/tree.h"

#include "catalog/manifest.h"
#include "hash/onepass.h"
#include "publish/release.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- the list ------------------------------------------------------------------- */

void tree_release(struct tree *t)
{
	for (size_t i = 0; t->small && i < t->files.count; i++)
		buf_release(&t->small[i]);
	free(t->small);
	free(t->by_key);
	free(t->dir);
	repository_files_release(&t->files);
	*t = (struct tree){ 0 };
}

static int compare_keys(const void *a, const void *b)
{
	const struct repository_file *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

static int compare_key_to(const void *key, const void *b)
{
	const struct repository_file *const *y = b;
	return strcmp(key, (*y)->key);
}

size_t tree_index(const struct tree *t, const struct repository_file *f)
{
	return (size_t)(f - t->files.at);
}

const struct repository_file *tree_find(const struct tree *t, const char *key)
{
	const struct repository_file **found =
		bsearch(key, t->by_key, t->files.count, sizeof *t->by_key, compare_key_to);
	return found ? *found : NULL;
}

const struct buf *tree_small(const struct tree *t, const struct repository_file *f)
{
	return f->class == REPOSITORY_OBJECT ? NULL : &t->small[tree_index(t, f)];
}

static int damaged(struct err *e, const char *path)
{
	err_set(e, ERR_INTEGRITY, "%s is not what the signed metadata says: it was not published",
		path);
	return err_hint(e, "the local file is damaged or was changed: put the right one back "
			   "(ferry catalog add), or sign again (ferry catalog sign)");
}

static int small_load(const struct tree *t, const struct repository_file *f, struct buf *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, f->key);
	buf_init(out, CATALOG_MAX_BYTES);
	int rc = file_read_all(path, out, e);
	if (rc < 0)
		return rc;
	struct digest got;
	sha256_of(buf_str(out), out->len, &got);
	if (out->len != f->size || !digest_equal(&got, &f->sha256))
		return damaged(e, path);
	return 0;
}

int tree_from_files(const char *dir, struct repository_files *files, struct tree *out,
		    struct err *e)
{
	CLEANUP(tree_release) struct tree t = { .dir = mem_strdup(dir), .files = *files };
	*files = (struct repository_files){ 0 };
	t.small = mem_alloc((t.files.count + 1) * sizeof *t.small);
	t.by_key = mem_alloc((t.files.count + 1) * sizeof *t.by_key);
	for (size_t i = 0; i < t.files.count; i++) {
		const struct repository_file *f = &t.files.at[i];
		t.by_key[i] = f;
		if (f->class == REPOSITORY_TIMESTAMP)
			t.timestamp = f;
		if (f->class == REPOSITORY_OBJECT)
			continue;
		int rc = small_load(&t, f, &t.small[i], e);
		if (rc < 0)
			return rc;
	}
	if (!t.timestamp)
		return err_set(e, ERR_NOT_FOUND, "%s has no timestamp.json: it was never signed", dir);
	qsort(t.by_key, t.files.count, sizeof *t.by_key, compare_keys);
	const struct buf *bytes = tree_small(&t, t.timestamp);
	int rc = release_parse(buf_str(bytes), bytes->len, t.timestamp->key, &t.version,
			       &t.expires_s, e);
	if (rc < 0)
		return rc;
	*out = t;
	t = (struct tree){ 0 };
	return 0;
}

int tree_open(const char *dir, struct tree *out, struct err *e)
{
	struct repository_files files = { 0 };
	int rc = repository_published(dir, &files, e);
	if (rc < 0)
		return rc;
	return tree_from_files(dir, &files, out, e);
}

/* ---- pieces --------------------------------------------------------------------- */

void tree_pieces_release(struct tree_pieces *p)
{
	free(p->at);
	*p = (struct tree_pieces){ 0 };
}

static int manifest_of(const struct tree *t, const struct repository_file *f,
		       struct manifest *out, struct err *e)
{
	const struct repository_file *mf = tree_find(t, f->manifest_key);
	if (!mf)
		return err_set(e, ERR_INTEGRITY, "%s: its manifest %s is not in the signed metadata",
			       f->key, f->manifest_key);
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, mf->key);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MANIFEST_MAX_BYTES);
	int rc = file_read_all(path, &bytes, e);
	if (rc < 0)
		return rc;
	struct digest got;
	sha256_of(buf_str(&bytes), bytes.len, &got);
	if (bytes.len != mf->size || !digest_equal(&got, &mf->sha256))
		return damaged(e, path);
	rc = manifest_parse(buf_str(&bytes), bytes.len, path, out, e);
	if (rc < 0)
		return rc;
	if (out->grid.size != f->size || !digest_equal(&out->sha256, &f->sha256)) {
		manifest_release(out);
		return err_set(e, ERR_INTEGRITY, "%s describes another file than %s", path, f->key);
	}
	return 0;
}

int tree_pieces_load(const struct tree *t, const struct repository_file *f,
		     struct tree_pieces *out, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	int rc = grid_for(f->size, &p.grid, e);
	if (rc < 0)
		return rc;
	if (p.grid.count <= 1) {
		p.at = NEW(struct digest);
		p.at[0] = f->sha256;
	} else if (f->manifest_key) {
		CLEANUP(manifest_release) struct manifest m = { 0 };
		rc = manifest_of(t, f, &m, e);
		if (rc < 0)
			return rc;
		p.at = STEAL(m.pieces);
	}
	if (p.at)
		grid_root(p.at, p.grid.count, &p.root);
	*out = p;
	p.at = NULL;
	return 0;
}

/* ---- reading for put() ---------------------------------------------------------- */

static int piece_read(struct tree_body *b, uint32_t index, struct err *e)
{
	if (b->piece_valid && b->piece_index == index)
		return 0;
	const struct grid *g = &b->pieces.grid;
	uint64_t len = grid_length(g, index);
	b->piece_valid = false;
	int rc = file_pread(b->fd, b->piece, len, grid_offset(g, index), b->path, e);
	if (rc < 0) {
		b->damaged = b->damaged || err_is(e, ERR_INTEGRITY);
		return rc;
	}
	struct digest got;
	sha256_of(b->piece, len, &got);
	if (!digest_equal(&got, &b->pieces.at[index])) {
		b->damaged = true;
		damaged(e, b->path);
		return err_context(e, "piece %u (bytes %llu to %llu)", index,
				   (unsigned long long)grid_offset(g, index),
				   (unsigned long long)(grid_offset(g, index) + len - 1));
	}
	b->piece_index = index;
	b->piece_valid = true;
	return 0;
}

static int file_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct tree_body *b = ctx;
	for (uint8_t *to = data; len;) {
		uint32_t index = (uint32_t)(offset / b->pieces.grid.piece_length);
		uint64_t within = offset - grid_offset(&b->pieces.grid, index);
		int rc = piece_read(b, index, e);
		if (rc < 0)
			return rc;
		size_t n = MIN(len, (size_t)(grid_length(&b->pieces.grid, index) - within));
		memcpy(to, b->piece + within, n);
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int small_read_at(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	struct tree_body *b = ctx;
	if (offset > b->small->len || len > b->small->len - offset)
		return err_set(e, ERR_BUG, "%s: read past the end", b->path);
	memcpy(data, b->small->data + offset, len);
	return 0;
}

/* A large file without a manifest: one pass over it verifies the whole and leaves the
 * piece digests, against which the second reading is checked. */
static int pieces_make(struct tree_body *b, const struct repository_file *f, struct err *e)
{
	struct tree_pieces *p = &b->pieces;
	int rc = mem_array((void **)&p->at, p->grid.count, sizeof *p->at, MIB, f->key, e);
	if (rc < 0)
		return rc;
	struct onepass pass = { .grid = p->grid, .pieces = p->at };
	rc = onepass_run(&pass, b->fd, b->path, NULL, e);
	if (rc == 0 && !digest_equal(&pass.whole, &f->sha256))
		rc = damaged(e, b->path);
	return rc;
}

static int object_open(const struct tree *t, const struct repository_file *f,
		       struct tree_body *b, struct err *e)
{
	uint64_t size;
	int rc = file_open_regular(b->path, &b->fd, &size, e);
	if (rc < 0)
		return rc;
	if (size != f->size) {
		damaged(e, b->path);
		return err_context(e, "%llu bytes instead of %llu", (unsigned long long)size,
				   (unsigned long long)f->size);
	}
	rc = tree_pieces_load(t, f, &b->pieces, e);
	if (rc == 0 && !b->pieces.at)
		rc = pieces_make(b, f, e);
	if (rc == 0)
		rc = mem_array((void **)&b->piece, MIN(size, b->pieces.grid.piece_length) + 1, 1,
			       5 * GIB, b->path, e);
	return rc;
}

int tree_body_open(const struct tree *t, const struct repository_file *f,
		   struct tree_body *out, struct err *e)
{
	*out = (struct tree_body){ .fd = -1, .path = path_join(t->dir, f->key) };
	out->small = tree_small(t, f);
	int rc = out->small ? grid_for(f->size, &out->pieces.grid, e)
			    : object_open(t, f, out, e);
	if (rc < 0) {
		tree_body_close(out);
		return rc;
	}
	out->body = (struct mirror_body){
		.read_at = out->small ? small_read_at : file_read_at,
		.ctx = out, .grid = out->pieces.grid, .sha256 = f->sha256,
		.pieces = out->pieces.at,
	};
	return 0;
}

void tree_body_close(struct tree_body *b)
{
	file_close(&b->fd);
	tree_pieces_release(&b->pieces);
	mem_free_ptr(&b->piece);
	mem_free_ptr(&b->path);
}
