#include "catalog/manifest.h"

#include "catalog/manifest_internal.h"
#include "gguf/gguf.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 16
#define MAX_TYPE 32

static int parse_head(const json_t *object, struct manifest *m, struct err *e)
{
	const char *format, *name;
	uint64_t version, size, length;
	int rc = json_get_string(object, "", "format", &format, e);
	if (rc == 0 && strcmp(format, MANIFEST_FORMAT) != 0)
		return err_set(e, ERR_INTEGRITY, "format: not a manifest");
	if (rc == 0)
		rc = json_get_u64(object, "", "version", &version, e);
	if (rc == 0 && version != MANIFEST_VERSION) {
		err_set(e, ERR_INTEGRITY, "version: version %llu is not supported",
			(unsigned long long)version);
		return err_hint(e, "use a newer version of Model Ferry");
	}
	if (rc == 0)
		rc = json_get_string(object, "", "name", &name, e);
	if (rc == 0 && !path_is_name(name))
		return err_set(e, ERR_INTEGRITY, "name: not a plain file name");
	if (rc == 0)
		rc = json_get_u64(object, "", "size", &size, e);
	if (rc == 0)
		rc = grid_for(size, &m->grid, e);
	if (rc == 0)
		rc = json_get_u64(object, "", "piece_length", &length, e);
	if (rc < 0)
		return rc;
	m->name = mem_strdup(name);
	if (length != m->grid.piece_length)
		return err_set(e, ERR_INTEGRITY,
			       "piece_length: must be %llu bytes for a file of this size",
			       (unsigned long long)m->grid.piece_length);
	return 0;
}

static int parse_pieces(const json_t *object, struct manifest *m, struct err *e)
{
	json_t *list;
	int rc = json_get_array(object, "", "pieces", GRID_MAX_PIECES, &list, e);
	if (rc < 0)
		return rc;
	if (json_array_size(list) != m->grid.count)
		return err_set(e, ERR_INTEGRITY,
			       "pieces: %zu entries, but a file of this size has %u pieces",
			       json_array_size(list), m->grid.count);
	m->pieces = mem_alloc(m->grid.count * sizeof *m->pieces);
	for (uint32_t i = 0; i < m->grid.count; i++) {
		const char *hex = json_string_value(json_array_get(list, i));
		if (!hex || !hex_decode(m->pieces[i].bytes, DIGEST_SIZE, hex, false))
			return err_set(e, ERR_INTEGRITY,
				       "pieces[%u]: expected 64 lower-case hex digits", i);
	}
	return 0;
}

static int parse_digests(const json_t *object, struct manifest *m, struct err *e)
{
	struct digest root, empty;
	int rc = json_get_hex(object, "", "sha256", m->sha256.bytes, DIGEST_SIZE, e);
	if (rc == 0)
		rc = json_get_hex(object, "", "pieces_sha256", m->pieces_sha256.bytes, DIGEST_SIZE,
				  e);
	if (rc == 0)
		rc = parse_pieces(object, m, e);
	if (rc < 0)
		return rc;
	grid_root(m->pieces, m->grid.count, &root);
	if (!digest_equal(&root, &m->pieces_sha256))
		return err_set(e, ERR_INTEGRITY, "pieces_sha256: is not the digest of the pieces");
	sha256_of("", 0, &empty);
	const struct digest *whole = m->grid.count == 0 ? &empty : &m->pieces[0];
	if (m->grid.count <= 1 && !digest_equal(whole, &m->sha256))
		return err_set(e, ERR_INTEGRITY, "sha256: differs from that of the only piece");
	return 0;
}

static int parse_header(const json_t *gguf, struct manifest *m, struct err *e)
{
	json_t *header;
	int rc = json_get_object(gguf, "gguf", "header", &header, e);
	if (rc == 0)
		rc = json_get_u64(header, "gguf.header", "size", &m->header_size, e);
	if (rc == 0)
		rc = json_get_hex(header, "gguf.header", "sha256", m->header_sha256.bytes,
				  DIGEST_SIZE, e);
	if (rc == 0 && m->header_size > m->grid.size)
		return err_set(e, ERR_INTEGRITY, "gguf.header.size: larger than the file");
	return rc;
}

/* Unknown types are accepted, but the form is checked. */
static bool type_ok(const char *type)
{
	size_t len = strlen(type);
	return len > 0 && len <= MAX_TYPE &&
	       strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       len;
}

static int parse_shape(const json_t *object, const char *at, struct manifest_tensor *t,
		       struct err *e)
{
	json_t *shape, *item;
	size_t i;
	int rc = json_get_array(object, at, "shape", GGUF_MAX_DIMS, &shape, e);
	if (rc < 0)
		return rc;
	t->dimensions = (unsigned)json_array_size(shape);
	for (i = 0; i < GGUF_MAX_DIMS; i++)
		t->shape[i] = 1;
	json_array_foreach (shape, i, item) {
		if (!json_is_integer(item) || json_integer_value(item) < 1)
			return err_set(e, ERR_INTEGRITY,
				       "%s.shape[%zu]: expected a positive integer", at, i);
		t->shape[i] = (uint64_t)json_integer_value(item);
	}
	return 0;
}

static int parse_tensor(const json_t *object, const char *at, struct manifest_tensor *t,
			struct err *e)
{
	const char *name, *type;
	int rc = json_get_string(object, at, "name", &name, e);
	if (rc == 0)
		rc = json_get_string(object, at, "type", &type, e);
	if (rc < 0)
		return rc;
	if (!*name || strlen(name) > GGUF_MAX_NAME_BYTES)
		return err_set(e, ERR_INTEGRITY, "%s.name: must have 1 to %d bytes", at,
			       GGUF_MAX_NAME_BYTES);
	if (!type_ok(type))
		return err_set(e, ERR_INTEGRITY, "%s.type: not a valid type name", at);
	t->name = mem_strdup(name);
	t->type = mem_strdup(type);
	rc = parse_shape(object, at, t, e);
	if (rc == 0)
		rc = json_get_u64(object, at, "offset", &t->offset, e);
	if (rc == 0)
		rc = json_get_u64(object, at, "size", &t->size, e);
	if (rc == 0)
		rc = json_get_hex(object, at, "sha256", t->sha256.bytes, DIGEST_SIZE, e);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	const struct manifest_tensor *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static int check_names(const struct manifest *m, struct err *e)
{
	CLEANUP(mem_free_ptr)
	const struct manifest_tensor **sorted = mem_alloc(m->tensor_count * sizeof *sorted);
	for (size_t i = 0; i < m->tensor_count; i++)
		sorted[i] = &m->tensors[i];
	qsort(sorted, m->tensor_count, sizeof *sorted, compare_names);
	for (size_t i = 1; i < m->tensor_count; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			return err_set(e, ERR_INTEGRITY,
				       "gguf.tensors: the name '%s' appears twice",
				       sorted[i]->name);
	return 0;
}

static int parse_tensors(const json_t *gguf, struct manifest *m, struct err *e)
{
	json_t *list, *item;
	size_t i;
	uint64_t end = m->header_size;
	int rc = json_get_array(gguf, "gguf", "tensors", MANIFEST_MAX_TENSORS, &list, e);
	if (rc < 0)
		return rc;
	m->tensors = mem_alloc(json_array_size(list) * sizeof *m->tensors);
	json_array_foreach (list, i, item) {
		struct manifest_tensor *t = &m->tensors[i];
		char at[48];
		snprintf(at, sizeof at, "gguf.tensors[%zu]", i);
		m->tensor_count = i + 1;
		rc = parse_tensor(item, at, t, e);
		if (rc < 0)
			return rc;
		if (t->offset < end)
			return err_set(e, ERR_INTEGRITY,
				       "%s.offset: is before the end of the previous tensor or the "
				       "header",
				       at);
		if (!add_u64(t->offset, t->size, &end) || end > m->grid.size)
			return err_set(e, ERR_INTEGRITY, "%s: extends beyond the end of the file",
				       at);
	}
	return check_names(m, e);
}

static int parse_gguf(const json_t *object, struct manifest *m, struct err *e)
{
	json_t *gguf;
	int rc = json_opt_object(object, "", "gguf", &gguf, e);
	if (rc < 0 || !gguf)
		return rc;
	rc = parse_header(gguf, m, e);
	if (rc == 0)
		rc = parse_tensors(gguf, m, e);
	if (rc < 0)
		return rc;
	m->gguf = json_copy(gguf);
	json_object_del(m->gguf, "header");
	json_object_del(m->gguf, "tensors");
	return 0;
}

int manifest_parse(const void *data, size_t len, const char *what, struct manifest *out,
		   struct err *e)
{
	const struct json_limits limits = {
		.max_bytes = MANIFEST_MAX_BYTES,
		.max_depth = MAX_DEPTH,
	};
	CLEANUP(json_release) json_t *document = NULL;
	CLEANUP(manifest_release) struct manifest m = { 0 };
	int rc = json_parse(data, len, &limits, what, &document, e);
	if (rc < 0)
		return rc;
	rc = parse_head(document, &m, e);
	if (rc == 0)
		rc = parse_digests(document, &m, e);
	if (rc == 0)
		rc = parse_gguf(document, &m, e);
	if (rc < 0)
		return err_context(e, "%s", what);
	*out = m;
	m = (struct manifest){ 0 };
	return 0;
}

int manifest_load(const char *path, struct manifest *out, struct err *e)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	int rc = file_read_all(path, &text, e);
	if (rc < 0)
		return rc;
	return manifest_parse(buf_str(&text), text.len, path, out, e);
}
