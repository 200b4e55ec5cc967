#include "gguf/internal.h"

#include "util/file.h"
#include "util/mem.h"

#define SNIFF_BYTES 1024
/* The minimum size of a key (8 + 1 + 4 + 1) and a tensor (8 + 1 + 4 + 4 + 8). */
#define LEAST_KV 14
#define LEAST_TENSOR 25

static int sniff(struct cursor *c, struct err *e)
{
	const uint8_t *head = NULL;
	size_t len = (size_t)MIN(c->end, (uint64_t)SNIFF_BYTES);
	int rc = len ? cursor_take(c, len, &head, e) : 0;
	if (rc == 0)
		rc = gguf_sniff(head, len, c->source->size, e);
	c->pos = 0;
	return rc;
}

static int check_count(const struct cursor *c, uint64_t count, uint64_t max, uint64_t least,
		       const char *kind, struct err *e)
{
	if (count > max)
		return err_set(e, ERR_INTEGRITY, "it claims %llu %s; the maximum is %llu",
			       (unsigned long long)count, kind, (unsigned long long)max);
	if (count * least > c->source->size - c->pos)
		return err_set(e, ERR_INTEGRITY,
			       "it claims %llu %s, more than fit into its %llu bytes: truncated or "
			       "damaged",
			       (unsigned long long)count, kind,
			       (unsigned long long)c->source->size);
	return 0;
}

static int read_counts(struct gguf *g, struct cursor *c, struct err *e)
{
	uint8_t magic[4];
	uint64_t tensors, kvs;
	int rc = cursor_read(c, magic, sizeof magic, e);
	if (rc == 0)
		rc = cursor_u32(c, &g->version, e);
	if (rc == 0)
		rc = cursor_u64(c, &tensors, e);
	if (rc == 0)
		rc = cursor_u64(c, &kvs, e);
	if (rc == 0)
		rc = check_count(c, tensors, GGUF_MAX_TENSORS, LEAST_TENSOR, "tensors", e);
	if (rc == 0)
		rc = check_count(c, kvs, GGUF_MAX_KEYS, LEAST_KV, "keys", e);
	if (rc)
		return rc;
	g->tensor_count = (size_t)tensors;
	g->kv_count = (size_t)kvs;
	return 0;
}

static int read_kvs(struct gguf *g, struct cursor *c, struct err *e)
{
	size_t count = g->kv_count, cap = 0;
	for (g->kv_count = 0; g->kv_count < count; g->kv_count++) {
		g->kvs = mem_grow(g->kvs, g->kv_count, &cap, sizeof *g->kvs);
		struct gguf_kv *kv = &g->kvs[g->kv_count];
		int rc = gguf_read_kv(g, c, kv, e);
		if (rc && kv->key.len)
			err_context(e, "key '%.*s'", SHOW(kv->key));
		else if (rc)
			err_context(e, "key %zu of %zu", g->kv_count + 1, count);
		if (rc)
			return rc;
	}
	return name_index_build(&g->private->keys, g->kvs, sizeof *g->kvs, count, "key", e);
}

/* The format requires a multiple of 8; every reader expects a power of two. */
static int read_alignment(struct gguf *g, struct err *e)
{
	const struct gguf_kv *kv = gguf_find(g, "general.alignment");
	g->alignment = 32;
	if (!kv)
		return 0;
	if (kv->type != GGUF_U32)
		return err_set(e, ERR_INTEGRITY, "general.alignment is of type %s, not u32",
			       gguf_value_name(kv->type));
	uint64_t a = kv->as.u;
	if (a == 0 || (a & (a - 1)) || a > GGUF_MAX_ALIGNMENT)
		return err_set(e, ERR_INTEGRITY,
			       "general.alignment is %llu: it must be a power of two from 8 to "
			       "%llu",
			       (unsigned long long)a, (unsigned long long)GGUF_MAX_ALIGNMENT);
	if (a < 8)
		return err_set(e, ERR_INTEGRITY,
			       "general.alignment is %llu: the format requires a multiple of 8",
			       (unsigned long long)a);
	g->alignment = (uint32_t)a;
	return 0;
}

static int read_header(struct gguf *g, struct cursor *c, struct err *e)
{
	int rc = sniff(c, e);
	if (rc == 0)
		rc = read_counts(g, c, e);
	if (rc == 0)
		rc = read_kvs(g, c, e);
	if (rc == 0)
		rc = read_alignment(g, e);
	if (rc == 0)
		rc = gguf_read_tensors(g, c, e);
	if (rc == 0)
		g->header_end = c->pos;
	return rc;
}

int gguf_open(const struct gguf_input *source, const char *what, const struct gguf_options *opts,
	      struct gguf **out, struct err *e)
{
	static const struct gguf_options defaults;
	if (!opts)
		opts = &defaults;
	CLEANUP_PTR(gguf_free) struct gguf *g = NEW(struct gguf);
	g->private = NEW(struct gguf_private);
	g->file_size = source->size;
	CLEANUP(cursor_release) struct cursor c;
	cursor_init(&c, source);
	int rc = read_header(g, &c, e);
	if (rc == 0)
		rc = gguf_check_layout(g, e);
	if (rc == 0)
		rc = gguf_check_keys(g, e);
	if (rc == 0)
		rc = gguf_check_end(g, source, e);
	if (rc == 0)
		rc = gguf_check_padding(g, source, opts->padding, e);
	if (rc)
		return err_context(e, "%s", what);
	*out = STEAL(g);
	return 0;
}

int gguf_open_fd(int fd, const char *what, struct gguf **out, struct err *e)
{
	struct gguf_input source;
	int rc = gguf_input_fd(&source, &fd, what, e);
	return rc ? rc : gguf_open(&source, what, NULL, out, e);
}

void gguf_free(struct gguf *g)
{
	if (!g)
		return;
	arena_release(&g->private->arena);
	free(g->private->keys.entries);
	free(g->private->names.entries);
	free(g->private);
	free(g->kvs);
	free(g->tensors);
	gguf_findings_release(&g->findings);
	free(g);
}
