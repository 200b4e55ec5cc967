#include "catalog/manifest.h"

#include "catalog/manifest_internal.h"
#include "hash/onepass.h"
#include "util/file.h"
#include "util/mem.h"

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; i < m->tensor_count; i++) {
		free(m->tensors[i].name);
		free(m->tensors[i].type);
	}
	free(m->tensors);
	free(m->pieces);
	free(m->name);
	json_decref(m->gguf);
	*m = (struct manifest){ 0 };
}

bool manifest_is_of(const struct manifest *m, uint64_t size, const struct digest *sha256)
{
	return m->grid.size == size && digest_equal(&m->sha256, sha256);
}

static json_t *tensor_json(const struct manifest_tensor *t)
{
	json_t *object = json_object(), *shape = json_array();
	for (unsigned i = 0; i < t->dimensions; i++)
		json_push(shape, json_integer((json_int_t)t->shape[i]));
	json_put_string(object, "name", t->name);
	json_put_string(object, "type", t->type);
	json_put(object, "shape", shape);
	json_put_u64(object, "offset", t->offset);
	json_put_u64(object, "size", t->size);
	json_put_hex(object, "sha256", t->sha256.bytes, DIGEST_SIZE);
	return object;
}

static json_t *gguf_member(const struct manifest *m)
{
	if (!m->gguf)
		return NULL;
	json_t *object = json_copy(m->gguf), *header = json_object(), *tensors = json_array();
	json_put_u64(header, "size", m->header_size);
	json_put_hex(header, "sha256", m->header_sha256.bytes, DIGEST_SIZE);
	json_put(object, "header", header);
	for (size_t i = 0; i < m->tensor_count; i++)
		json_push(tensors, tensor_json(&m->tensors[i]));
	json_put(object, "tensors", tensors);
	return object;
}

json_t *manifest_json(const struct manifest *m)
{
	json_t *object = json_object(), *pieces = json_array();
	json_put_string(object, "format", MANIFEST_FORMAT);
	json_put_u64(object, "version", MANIFEST_VERSION);
	json_put_string(object, "name", m->name);
	json_put_u64(object, "size", m->grid.size);
	json_put_hex(object, "sha256", m->sha256.bytes, DIGEST_SIZE);
	json_put_u64(object, "piece_length", m->grid.piece_length);
	json_put_hex(object, "pieces_sha256", m->pieces_sha256.bytes, DIGEST_SIZE);
	for (uint32_t i = 0; i < m->grid.count; i++) {
		char hex[DIGEST_HEX];
		json_push(pieces, json_string(digest_hex(hex, &m->pieces[i])));
	}
	json_put(object, "pieces", pieces);
	json_put(object, "gguf", gguf_member(m));
	return object;
}

int manifest_save(const struct manifest *m, const char *path, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	CLEANUP(json_release) json_t *document = manifest_json(m);
	int rc = json_rows(document, &text, e);
	if (rc < 0)
		return err_context(e, "%s", path);
	return file_write_atomic(path, text.data, text.len, FILE_MODE, e);
}

/* Finds the first wrong piece; if there is none, the digest of the whole file must be right,
 * too. */
static int compare(const struct manifest *m, const struct onepass *p, struct manifest_verdict *v,
		   struct err *e)
{
	for (uint32_t i = 0; i < m->grid.count; i++) {
		if (digest_equal(&p->pieces[i], &m->pieces[i]))
			continue;
		v->fault = MANIFEST_CONTENT;
		v->has_piece = true;
		v->piece = i;
		v->piece_offset = grid_offset(&m->grid, i);
		return 0;
	}
	if (digest_equal(&p->whole, &m->sha256))
		return 0;
	return err_set(e, ERR_INTEGRITY,
		       "the manifest of %s contradicts itself: all pieces are right, but the "
		       "SHA-256 of the whole file is wrong",
		       m->name);
}

int manifest_check_open(const struct manifest *m, int fd, const char *what, const int *copy_to,
			struct report *report, const struct cancel *cancel,
			struct manifest_verdict *out, struct err *e)
{
	struct manifest_verdict v = { .fault = MANIFEST_OK, .actual_size = m->grid.size };
	struct onepass p = { .cancel = cancel, .grid = m->grid, .copy_to = copy_to };
	CLEANUP(mem_free_ptr) struct digest *pieces = mem_alloc(m->grid.count * sizeof *pieces);
	p.pieces = pieces;
	int rc = onepass_run(&p, fd, what, report, e);
	if (rc == 0)
		rc = compare(m, &p, &v, e);
	if (rc == 0)
		*out = v;
	return rc;
}

int manifest_check(const struct manifest *m, const char *path, struct report *report,
		   const struct cancel *cancel, struct manifest_verdict *out, struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	struct manifest_verdict v = { .fault = MANIFEST_OK };
	struct err open_error = ERR_INIT;
	int rc = file_open_regular(path, &fd, &v.actual_size, &open_error);
	if (rc < 0 && open_error.class != ERR_NOT_FOUND) {
		*e = open_error;
		return rc;
	}
	if (rc < 0 || v.actual_size != m->grid.size) {
		v.fault = rc < 0 ? MANIFEST_MISSING : MANIFEST_SIZE;
		*out = v;
		return 0;
	}
	return manifest_check_open(m, fd, path, NULL, report, cancel, out, e);
}
