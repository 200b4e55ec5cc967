#include "publish/tree.h"

#include "hash/onepass.h"
#include "publish/tree_files.h"
#include "publish/tree_pack.h"
#include "publish/tree_source.h"
#include "repository/seen.h"
#include "tuf/claim.h"
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
	free(t->dir);
	tree_packs_free(t->packs);
	repository_files_release(&t->files);
	*t = (struct tree){ 0 };
}

/* Whoever puts the right one there must not trust its mark. */
static int damaged_object(const struct tree_object *o, struct err *e)
{
	seen_forget(o->tree->dir, &o->file->sha256);
	return tree_files_damaged(o->path, e);
}

static int small_load(const struct tree *t, const struct repository_file *f, struct buf *out,
		      struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, f->key);
	buf_init(out, CATALOG_MAX_BYTES);
	return tree_files_read(f, path, out, e);
}

int tree_from_files(const char *dir, struct repository_files *files, struct tree *out,
		    struct err *e)
{
	CLEANUP(tree_release) struct tree t = { .dir = mem_strdup(dir), .files = *files };
	*files = (struct repository_files){ 0 };
	t.small = mem_alloc((t.files.count + 1) * sizeof *t.small);
	for (size_t i = 0; i < t.files.count; i++) {
		const struct repository_file *f = &t.files.at[i];
		if (f->class == REPOSITORY_TIMESTAMP)
			t.timestamp = f;
		if (f->class == REPOSITORY_OBJECT)
			continue;
		int rc = small_load(&t, f, &t.small[i], e);
		if (rc < 0)
			return rc;
	}
	if (!t.timestamp)
		return err_set(e, ERR_NOT_FOUND, "%s has no timestamp.json: it has not been signed",
			       dir);
	repository_files_index(&t.files);
	const struct buf *bytes = tree_small(&t, t.timestamp);
	struct tuf_claim claim;
	int rc = tuf_claim_parse(buf_str(bytes), bytes->len, t.timestamp->key, &claim, e);
	if (rc < 0)
		return rc;
	t.version = claim.version;
	t.expires_s = claim.expires_s;
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

int tree_manifest_load(const struct tree *t, const struct repository_file *f, struct manifest *out,
		       struct err *e)
{
	const struct repository_file *mf = tree_find(t, f->manifest_key);
	if (!mf)
		return err_set(e, ERR_INTEGRITY,
			       "%s: its manifest %s is not in the signed metadata", f->key,
			       f->manifest_key);
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, mf->key);
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MANIFEST_MAX_BYTES);
	int rc = tree_read_small(t, mf, &bytes, e);
	if (rc < 0)
		return rc;
	rc = manifest_parse(buf_str(&bytes), bytes.len, path, out, e);
	if (rc < 0)
		return rc;
	if (out->grid.size != f->size || !digest_equal(&out->sha256, &f->sha256)) {
		manifest_release(out);
		return err_set(e, ERR_INTEGRITY, "%s is not the manifest of %s", path, f->key);
	}
	return 0;
}

int tree_pieces_load(const struct tree *t, const struct repository_file *f, struct tree_pieces *out,
		     struct err *e)
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
		rc = tree_manifest_load(t, f, &m, e);
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

/* ---- reading objects ------------------------------------------------------------ */

/* One pass verifies the whole file and computes the digests of its pieces. */
static int pieces_make(const struct tree *t, const struct repository_file *f, struct tree_object *o,
		       struct err *e)
{
	struct tree_pieces *p = &o->pieces;
	int rc = mem_array((void **)&p->at, p->grid.count, sizeof *p->at, MIB, f->key, e);
	if (rc < 0)
		return rc;
	struct onepass pass = { .grid = p->grid, .pieces = p->at, .cancel = t->cancel };
	rc = o->fd < 0 ? tree_source_pieces(t, f, &p->grid, p->at, e)
		       : onepass_run(&pass, o->fd, o->path, NULL, e);
	if (rc == 0 && o->fd >= 0 && !digest_equal(&pass.whole, &f->sha256))
		rc = damaged_object(o, e);
	if (rc == 0)
		grid_root(p->at, p->grid.count, &p->root);
	return rc;
}

static int object_open(const struct tree *t, const struct repository_file *f, struct tree_object *o,
		       struct err *e)
{
	uint64_t size = f->size;
	int rc = f->is_pack  ? tree_pack_open(t, f, &o->fd, e)
		 : t->source ? 0
			     : file_open_regular(o->path, &o->fd, &size, e);
	if (rc < 0)
		return rc;
	if (size != f->size) {
		damaged_object(o, e);
		return err_context(e, "%llu bytes instead of %llu", (unsigned long long)size,
				   (unsigned long long)f->size);
	}
	rc = tree_pieces_load(t, f, &o->pieces, e);
	return rc == 0 && !o->pieces.at ? pieces_make(t, f, o, e) : rc;
}

int tree_object_open(const struct tree *t, const struct repository_file *f, struct tree_object *out,
		     struct err *e)
{
	*out = (struct tree_object){
		.tree = t,
		.file = f,
		.fd = -1,
		.path = path_join(t->dir, f->key),
	};
	int rc = object_open(t, f, out, e);
	if (rc < 0)
		tree_object_close(out);
	return rc;
}

void tree_object_close(struct tree_object *o)
{
	file_close(&o->fd);
	tree_pieces_release(&o->pieces);
	mem_free_ptr(&o->path);
}

int tree_object_read(const struct tree_object *o, uint32_t piece, void *data, struct err *e)
{
	const struct grid *g = &o->pieces.grid;
	uint64_t offset = grid_offset(g, piece), len = grid_length(g, piece);
	struct digest got;
	int rc = o->fd < 0 ? tree_source_read(o->tree, o->file, offset, data, len, e)
			   : file_pread(o->fd, data, len, offset, o->path, e);
	if (rc < 0)
		return rc;
	sha256_of(data, len, &got);
	if (digest_equal(&got, &o->pieces.at[piece]))
		return 0;
	if (o->fd < 0)
		tree_source_corrupt(o->tree, o->file, e);
	else
		damaged_object(o, e);
	return err_context(e, "piece %u (bytes %llu to %llu)", (unsigned)piece,
			   (unsigned long long)offset, (unsigned long long)(offset + len - 1));
}
