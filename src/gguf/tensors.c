/* The tensor list and the layout of the data. */
#include "gguf/internal.h"

#include "util/mem.h"

static int check_name(const struct gguf_text *name, struct err *e)
{
	if (name->len == 0)
		return err_set(e, ERR_INTEGRITY, "a tensor without a name");
	if (!utf8_valid(name->s, name->len))
		return err_set(e, ERR_INTEGRITY, "the tensor's name is not valid UTF-8");
	for (size_t i = 0; i < name->len; i++) {
		unsigned char ch = (unsigned char)name->s[i];
		if (ch < 0x20 || ch == 0x7f)
			return err_set(e, ERR_INTEGRITY, "the tensor's name contains a %s",
				       ch ? "control character" : "NUL byte");
	}
	return 0;
}

static int read_shape(struct gguf *g, struct cursor *c, struct gguf_tensor *t, struct err *e)
{
	uint32_t n;
	int rc = cursor_u32(c, &n, e);
	if (rc)
		return rc;
	if (n > GGUF_MAX_DIMS)
		return err_set(e, ERR_INTEGRITY, "%u dimensions; the maximum is %d", n,
			       GGUF_MAX_DIMS);
	if (n == 0)
		gguf_finding_add(&g->findings, "no-dimensions",
				 "tensor '%.*s' has no dimensions: engines treat it as one element",
				 SHOW(t->name));
	t->dimensions = n;
	t->elements = 1;
	for (unsigned i = 0; i < GGUF_MAX_DIMS; i++) {
		t->shape[i] = 1;
		if (i < n)
			rc = cursor_u64(c, &t->shape[i], e);
		if (rc)
			return rc;
		if (t->shape[i] == 0)
			return err_set(e, ERR_INTEGRITY, "dimension %u is zero", i);
		/* Engines use signed integers: neither a dimension nor a product may exceed 2^63
		 * - 1. */
		if (!mul_u64(t->elements, t->shape[i], &t->elements) || t->elements > INT64_MAX)
			return err_set(e, ERR_INTEGRITY,
				       "the product of its dimensions overflows at dimension %u "
				       "(%llu)",
				       i, (unsigned long long)t->shape[i]);
	}
	return 0;
}

static int read_type(struct cursor *c, struct gguf_tensor *t, struct err *e)
{
	uint32_t id;
	int rc = cursor_u32(c, &id, e);
	if (rc)
		return rc;
	t->type = gguf_type(id) ? gguf_type(id) : gguf_type_foreign(id);
	if (!t->type && gguf_type_removed(id))
		return err_set(e, ERR_INTEGRITY,
			       "type %u (%s) was removed from ggml; current engines do not support "
			       "it",
			       id, gguf_type_removed(id));
	if (!t->type)
		return err_set(e, ERR_INTEGRITY,
			       "type %u is not a ggml type, nor one of a fork that this version "
			       "knows",
			       id);
	if (t->shape[0] % t->type->block)
		return err_set(e, ERR_INTEGRITY,
			       "rows of %llu elements are not a multiple of the block size of %s, "
			       "%u",
			       (unsigned long long)t->shape[0], t->type->name, t->type->block);
	if (!mul_u64(t->elements / t->type->block, t->type->bytes, &t->size) || t->size > INT64_MAX)
		return err_set(e, ERR_INTEGRITY, "its size in bytes overflows");
	return 0;
}

static int read_tensor(struct gguf *g, struct cursor *c, struct gguf_tensor *t, struct err *e)
{
	int rc = gguf_read_text(g, c, GGUF_MAX_NAME_BYTES, &t->name, e);
	if (rc)
		return err_context(e, "name");
	rc = check_name(&t->name, e);
	if (rc == 0)
		rc = read_shape(g, c, t, e);
	if (rc == 0)
		rc = read_type(c, t, e);
	return rc ? rc : cursor_u64(c, &t->offset, e);
}

int gguf_read_tensors(struct gguf *g, struct cursor *c, struct err *e)
{
	size_t count = g->tensor_count, cap = 0;
	for (g->tensor_count = 0; g->tensor_count < count; g->tensor_count++) {
		g->tensors = mem_grow(g->tensors, g->tensor_count, &cap, sizeof *g->tensors);
		struct gguf_tensor *t = &g->tensors[g->tensor_count];
		int rc = read_tensor(g, c, t, e);
		if (rc && t->name.len)
			err_context(e, "tensor '%.*s'", SHOW(t->name));
		else if (rc)
			err_context(e, "tensor %zu of %zu", g->tensor_count + 1, count);
		if (rc)
			return rc;
	}
	return name_index_build(&g->private->names, g->tensors, sizeof *g->tensors, count, "tensor",
				e);
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
	long at = name_index_find(&g->private->names, g->tensors, sizeof *g->tensors, name);
	return at < 0 ? NULL : &g->tensors[at];
}

/* v rounded up to the alignment, a power of two; false on overflow. */
static bool pad(uint64_t v, uint32_t alignment, uint64_t *out)
{
	uint64_t sum;
	if (!add_u64(v, alignment - 1, &sum))
		return false;
	*out = sum & ~(uint64_t)(alignment - 1);
	return true;
}

/* What a type of a fork takes is not known exactly: it has all up to the next tensor. */
static int measure_foreign(const struct gguf *g, struct gguf_tensor *t, struct err *e)
{
	bool last = t == &g->tensors[g->tensor_count - 1];
	uint64_t data = g->file_size > g->data_offset ? g->file_size - g->data_offset : 0;
	uint64_t end = last ? data : t[1].offset;
	if (!last && (end < t->offset || end - t->offset < t->size))
		return err_set(e, ERR_INTEGRITY, "the next tensor begins before its end");
	if (end > t->offset && end - t->offset > t->size)
		t->size = end - t->offset;
	return 0;
}

/* Offsets become absolute here. */
static int place(struct gguf *g, struct gguf_tensor *t, uint64_t *expected, struct err *e)
{
	if (t->offset % g->alignment)
		return err_set(e, ERR_INTEGRITY, "its offset %llu is not aligned to %u",
			       (unsigned long long)t->offset, g->alignment);
	if (t->offset != *expected)
		return err_set(e, ERR_INTEGRITY,
			       "its data is at offset %llu, but the previous tensors end at %llu: "
			       "%s",
			       (unsigned long long)t->offset, (unsigned long long)*expected,
			       t->offset < *expected ? "they overlap" : "there is a gap");
	int rc = t->type->fork ? measure_foreign(g, t, e) : 0;
	if (rc)
		return rc;
	if (!pad(t->size, g->alignment, &t->padded) || !add_u64(*expected, t->padded, expected) ||
	    !add_u64(t->offset, g->data_offset, &t->offset) || *expected > INT64_MAX / 2)
		return err_set(e, ERR_INTEGRITY, "the sum of the tensors' sizes overflows");
	return 0;
}

static int check_length(struct gguf *g, struct err *e)
{
	uint64_t size = g->file_size;
	const struct gguf_tensor *last = g->tensor_count ? &g->tensors[g->tensor_count - 1] : NULL;
	uint64_t need = last ? last->offset + last->size : g->header_end;
	if (size < need) {
		char missing[SIZE_TEXT];
		err_set(e, ERR_INTEGRITY,
			"the file is truncated: %llu bytes (%s) are missing; it has %llu of %llu",
			(unsigned long long)(need - size), format_size(missing, need - size),
			(unsigned long long)size, (unsigned long long)need);
		return err_hint(e, "the download or copy is incomplete: download the file again");
	}
	if (last && size < g->data_end)
		gguf_finding_note(&g->findings, "last-padding",
				  "%llu bytes of padding are missing after the last tensor: all "
				  "weights are there, and engines load the file",
				  (unsigned long long)(g->data_end - size));
	if (size > g->data_end)
		gguf_finding_add(&g->findings, "trailing-bytes",
				 "%llu bytes follow the last tensor",
				 (unsigned long long)(size - g->data_end));
	return 0;
}

int gguf_check_layout(struct gguf *g, struct err *e)
{
	uint64_t end = 0;
	if (!pad(g->header_end, g->alignment, &g->data_offset))
		return err_set(e, ERR_BUG, "header end"); /* capped at 256 MiB */
	for (size_t i = 0; i < g->tensor_count; i++) {
		int rc = place(g, &g->tensors[i], &end, e);
		if (rc)
			return err_context(e, "tensor '%.*s'", SHOW(g->tensors[i].name));
	}
	g->data_end = g->data_offset + end;
	return check_length(g, e);
}

static int padding_is_zero(const struct gguf_input *source, uint64_t from, uint64_t to, bool *zero,
			   struct err *e)
{
	to = MIN(to, source->size);
	*zero = true;
	while (from < to) {
		uint8_t bytes[4096];
		size_t len = (size_t)MIN(to - from, (uint64_t)sizeof bytes);
		int rc = source->read_at(source->ctx, from, bytes, len, e);
		if (rc)
			return rc;
		for (size_t i = 0; i < len; i++)
			*zero = *zero && bytes[i] == 0;
		from += len;
	}
	return 0;
}

static int has_magic(const struct gguf_input *source, uint64_t at, bool *magic, struct err *e)
{
	uint8_t head[4];
	*magic = false;
	if (source->size < at + sizeof head)
		return 0;
	int rc = source->read_at(source->ctx, at, head, sizeof head, e);
	*magic = rc == 0 && gguf_is_magic(head, sizeof head);
	return rc;
}

int gguf_check_end(const struct gguf *g, const struct gguf_input *source, struct err *e)
{
	uint64_t shards;
	bool padded, bare = false;
	if (!gguf_get_u64(g, "split.count", &shards) || shards < 2 || !g->tensor_count)
		return 0;
	const struct gguf_tensor *last = &g->tensors[g->tensor_count - 1];
	int rc = has_magic(source, g->data_end, &padded, e);
	if (rc == 0)
		rc = has_magic(source, last->offset + last->size, &bare, e);
	if (rc || (!padded && !bare))
		return rc;
	err_set(e, ERR_INTEGRITY,
		"it is a shard, and another GGUF follows its last tensor: the shards of a model "
		"were joined with cat");
	return err_hint(e, "give the shards themselves, or join them with `llama-gguf-split "
			   "--merge`");
}

int gguf_check_padding(struct gguf *g, const struct gguf_input *source, bool between_tensors,
		       struct err *e)
{
	bool zero;
	int rc = padding_is_zero(source, g->header_end, g->data_offset, &zero, e);
	if (rc)
		return rc;
	if (!zero)
		gguf_finding_add(&g->findings, "padding",
				 "the padding after the header is not zero");
	for (size_t i = 0; between_tensors && i < g->tensor_count; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		rc = padding_is_zero(source, t->offset + t->size, t->offset + t->padded, &zero, e);
		if (rc)
			return rc;
		if (zero)
			continue;
		gguf_finding_add(&g->findings, "padding",
				 "the padding after tensor '%.*s' is not zero", SHOW(t->name));
		break;
	}
	return 0;
}
