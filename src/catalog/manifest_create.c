#include "catalog/manifest.h"

#include "hash/onepass.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>

static int open_gguf(int fd, uint64_t size, const char *path, struct gguf **out, struct err *e)
{
	uint8_t start[4];
	size_t len = (size_t)MIN(size, sizeof start);
	int rc = file_pread(fd, start, len, 0, path, e);
	if (rc < 0)
		return rc;
	size_t name = strlen(path);
	bool named = name >= 5 && str_eq_nocase(path + name - 5, ".gguf");
	if (!named && !gguf_is_magic(start, len))
		return 0;
	return gguf_open_fd(fd, path, out, e);
}

/* The header first, then each tensor. */
static struct hash_range *ranges_of(const struct gguf *g, uint64_t size, size_t *count)
{
	struct hash_range *ranges = mem_alloc((g->tensor_count + 1) * sizeof *ranges);
	ranges[0].size = g->tensor_count ? g->tensors[0].offset : MIN(g->data_offset, size);
	for (size_t i = 0; i < g->tensor_count; i++)
		ranges[i + 1] = (struct hash_range){
			.offset = g->tensors[i].offset,
			.size = g->tensors[i].size,
		};
	*count = g->tensor_count + 1;
	return ranges;
}

static void take_gguf(struct manifest *m, const struct gguf *g, const struct hash_range *ranges)
{
	m->gguf = gguf_json(g);
	m->header_size = ranges[0].size;
	m->header_sha256 = ranges[0].digest;
	m->tensors = mem_alloc(g->tensor_count * sizeof *m->tensors);
	m->tensor_count = g->tensor_count;
	for (size_t i = 0; i < g->tensor_count; i++) {
		const struct gguf_tensor *from = &g->tensors[i];
		struct manifest_tensor *to = &m->tensors[i];
		to->name = mem_strndup(from->name.s, from->name.len);
		to->type = mem_strdup(from->type->name);
		memcpy(to->shape, from->shape, sizeof to->shape);
		to->dimensions = from->dimensions;
		to->offset = from->offset;
		to->size = from->size;
		to->sha256 = ranges[i + 1].digest;
	}
}

static void look(void *ctx, const void *data, size_t len)
{
	gguf_data_add(ctx, data, len);
}

/* Of the file `from`; `path` gives the name, and copy_to, unless NULL, gets the bytes. */
static int create(const char *from, const char *path, const int *copy_to, struct report *report,
		  const struct cancel *cancel, struct manifest *out, struct gguf_findings *findings,
		  struct err *e)
{
	CLEANUP(file_close) int fd = -1;
	CLEANUP_PTR(gguf_free) struct gguf *g = NULL;
	CLEANUP(manifest_release) struct manifest m = { 0 };
	CLEANUP(mem_free_ptr) struct hash_range *ranges = NULL;
	CLEANUP_PTR(gguf_data_free) struct gguf_data *data = NULL;
	struct onepass p = { .cancel = cancel, .copy_to = copy_to };
	uint64_t size;
	int rc = file_open_regular(from, &fd, &size, e);
	if (rc == 0 && !path_is_name(path_base(path)))
		return err_set(e, ERR_USAGE, "%s: this file name is not allowed on mirrors", path);
	if (rc == 0 && (rc = grid_for(size, &p.grid, e)) < 0)
		return err_context(e, "%s", path);
	if (rc == 0)
		rc = open_gguf(fd, size, from, &g, e);
	if (rc < 0)
		return rc;
	if (g)
		p.ranges = ranges = ranges_of(g, size, &p.range_count);
	if (g && findings) {
		p.look = look;
		p.look_ctx = data = gguf_data_new(g);
	}
	m.grid = p.grid;
	m.pieces = p.pieces = mem_alloc(p.grid.count * sizeof *m.pieces);
	rc = onepass_run(&p, fd, from, report, e);
	if (rc < 0)
		return rc;
	m.name = mem_strdup(path_base(path));
	m.sha256 = p.whole;
	grid_root(p.pieces, p.grid.count, &m.pieces_sha256);
	if (g)
		take_gguf(&m, g, ranges);
	if (data)
		gguf_data_findings(data, findings);
	*out = m;
	m = (struct manifest){ 0 };
	return 0;
}

int manifest_create(const char *path, struct report *report, const struct cancel *cancel,
		    struct manifest *out, struct err *e)
{
	return create(path, path, NULL, report, cancel, out, NULL, e);
}

int manifest_create_findings(const char *path, struct report *report, const struct cancel *cancel,
			     struct manifest *out, struct gguf_findings *findings, struct err *e)
{
	return create(path, path, NULL, report, cancel, out, findings, e);
}

int manifest_create_copy(const char *from, const char *to, mode_t mode, struct report *report,
			 const struct cancel *cancel, struct manifest *out,
			 struct gguf_findings *findings, struct err *e)
{
	CLEANUP(file_new_abort) struct file_new f = FILE_NEW_INIT;
	struct manifest m = { 0 };
	int rc = file_new_open(&f, to, mode, e);
	if (rc == 0)
		rc = create(from, to, &f.fd, report, cancel, &m, findings, e);
	if (rc == 0)
		rc = file_new_commit(&f, e);
	if (rc < 0)
		manifest_release(&m);
	else
		*out = m;
	return rc;
}
