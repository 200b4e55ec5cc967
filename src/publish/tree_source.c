#include "publish/tree_source.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

/* ---- reading -------------------------------------------------------------------- */

struct target {
	uint8_t *data;
	uint64_t len, got;
};

static int take(void *ctx, const void *data, size_t len, struct err *e)
{
	struct target *t = ctx;
	if (len > t->len - t->got)
		return err_set(e, ERR_INTEGRITY, "sent more bytes than were requested");
	memcpy(t->data + t->got, data, len);
	t->got += len;
	return 0;
}

int tree_source_read(const struct tree *t, const struct repository_file *f, uint64_t offset,
		     void *data, uint64_t len, struct err *e)
{
	struct target target = { .data = data, .len = len };
	struct mirror_sink sink = { .write = take, .ctx = &target };
	struct retry retry = *t->retry;
	do {
		uint64_t before = target.got;
		struct mirror_range range = {
			.key = f->key,
			.offset = offset + target.got,
			.length = len - target.got,
		};
		if (mirror_get(t->source, &range, &sink, e) < 0 && target.got > before)
			retry_reset(&retry);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

int tree_source_corrupt(const struct tree *t, const struct repository_file *f, struct err *e)
{
	err_set(e, ERR_INTEGRITY,
		"mirror %s: %s does not match the signed metadata; it was not "
		"copied",
		t->source->id, f->key);
	return err_hint(e, "repair it on mirror %s (ferry push), or copy from another mirror",
			t->source->id);
}

/* ---- small objects -------------------------------------------------------------- */

static int get_small(const struct tree *t, const struct repository_file *f, struct buf *out,
		     struct err *e)
{
	struct retry retry = *t->retry;
	do {
		(void)!mirror_get_small(t->source, f->key, 0, out, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

int tree_source_keep(const struct tree *t, const struct repository_file *f, struct buf *out,
		     struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = path_join(t->dir, f->key);
	struct digest got;
	int rc = get_small(t, f, out, e);
	if (rc < 0)
		return rc;
	sha256_of(buf_str(out), out->len, &got);
	if (out->len != f->size || !digest_equal(&got, &f->sha256))
		return tree_source_corrupt(t, f, e);
	rc = file_mkdirs_for(path, FILE_DIR_MODE, e);
	return rc < 0 ? rc : file_write_atomic(path, buf_str(out), out->len, FILE_MODE, e);
}

/* ---- objects without a manifest ------------------------------------------------- */

static int add_piece(const struct tree *t, const struct repository_file *f, uint64_t offset,
		     uint64_t len, struct sha256 *whole, struct digest *out, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *piece = sha256_new();
	CLEANUP(mem_free_ptr) uint8_t *data = mem_alloc(MIB);
	for (uint64_t at = 0; at < len; at += MIB) {
		size_t n = (size_t)MIN(MIB, len - at);
		int rc = cancel_check(t->cancel, e);
		if (rc == 0)
			rc = tree_source_read(t, f, offset + at, data, n, e);
		if (rc < 0)
			return rc;
		sha256_add(piece, data, n);
		sha256_add(whole, data, n);
	}
	sha256_final(piece, out);
	return 0;
}

int tree_source_pieces(const struct tree *t, const struct repository_file *f,
		       const struct grid *grid, struct digest *pieces, struct err *e)
{
	CLEANUP_PTR(sha256_free) struct sha256 *whole = sha256_new();
	struct digest got;
	for (uint32_t i = 0; i < grid->count; i++) {
		int rc = add_piece(t, f, grid_offset(grid, i), grid_length(grid, i), whole,
				   &pieces[i], e);
		if (rc < 0)
			return rc;
	}
	sha256_final(whole, &got);
	return digest_equal(&got, &f->sha256) ? 0 : tree_source_corrupt(t, f, e);
}
