/* Does each block of layers have tensors, over all shards? */
#include "gguf/internal.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define INDEX_MAX ((uint64_t)1 << 16) /* no model has as many blocks */
#define RANGES_MAX 8

/* One kind of blocks in the files of a model. */
struct blocks {
	const struct gguf *first; /* has the keys */
	const char *key;
	uint64_t claimed; /* by the key */
	uint64_t found;   /* the highest index, plus one */
	bool *have;       /* of `found` blocks */
};

static const struct {
	const char *prefix;
	const char *keys[2]; /* the first that the file has */
	bool all;            /* projectors leave out the last blocks on purpose */
} kinds[] = {
	{ "blk.", { "block_count" }, true },
	{ "enc.blk.", { "block_count" }, true },
	{ "dec.blk.", { "decoder_block_count", "block_count" }, true },
	{ "v.blk.", { "vision.block_count" }, false },
	{ "a.blk.", { "audio.block_count" }, false },
};

static bool index_of(const char *name, const char *prefix, uint64_t *out)
{
	unsigned long long index;
	int used = 0;
	if (!str_starts(name, prefix))
		return false;
	const char *number = name + strlen(prefix);
	if (*number < '0' || *number > '9' || sscanf(number, "%9llu%n", &index, &used) != 1 ||
	    number[used] != '.' || index >= INDEX_MAX)
		return false;
	*out = index;
	return true;
}

static void find_blocks(const struct gguf *const *files, size_t count, const char *prefix,
			struct blocks *b)
{
	uint64_t index;
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++)
			if (index_of(files[f]->tensors[i].name.s, prefix, &index))
				b->found = MAX(b->found, index + 1);
	b->have = mem_alloc(b->found * sizeof *b->have);
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++)
			if (index_of(files[f]->tensors[i].name.s, prefix, &index))
				b->have[index] = true;
}

static bool is_zero_for(const struct gguf *g, const char *suffix, uint64_t index)
{
	const struct gguf_kv *kv = gguf_find_arch(g, suffix);
	uint64_t value;
	return kv && kv->type == GGUF_ARRAY && kv->kept && index < kv->count &&
	       gguf_array_u64(kv, (size_t)index, &value) && value == 0;
}

/* A model may skip a block: it has neither heads nor a feed-forward part there. */
static bool is_skipped(const struct blocks *b, uint64_t index)
{
	return is_zero_for(b->first, "attention.head_count", index) &&
	       is_zero_for(b->first, "feed_forward_length", index);
}

static bool is_missing(const struct blocks *b, uint64_t index)
{
	return (index >= b->found || !b->have[index]) && !is_skipped(b, index);
}

/* "1, 3 to 5"; the number of blocks. */
static uint64_t name_missing(const struct blocks *b, uint64_t end, char *out, size_t size)
{
	uint64_t missing = 0;
	size_t len = 0, ranges = 0;
	for (uint64_t i = 0; i < end; i++) {
		uint64_t from = i;
		while (i < end && is_missing(b, i))
			i++;
		if (i == from)
			continue;
		missing += i - from;
		const char *comma = ranges ? ", " : "";
		if (ranges++ == RANGES_MAX)
			len += (size_t)snprintf(out + len, size - len, ", …");
		if (ranges > RANGES_MAX)
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%llu", comma,
					(unsigned long long)from);
		if (i - from > 1)
			len += (size_t)snprintf(out + len, size - len, " to %llu",
						(unsigned long long)i - 1);
	}
	return missing;
}

static void tell_missing(const struct blocks *b, uint64_t end, struct gguf_findings *out)
{
	char list[256] = "";
	uint64_t missing = name_missing(b, MIN(end, INDEX_MAX), list, sizeof list);
	if (missing)
		gguf_finding_add(out, "blocks",
				 "%s is %llu, but there are no tensors of block%s %s: a part of "
				 "the model is missing",
				 b->key, (unsigned long long)b->claimed, missing == 1 ? "" : "s",
				 list);
}

/* Other names than "blk.3." have numbers, too: those models are not judged. */
static bool has_numbers(const struct gguf *const *files, size_t count)
{
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++)
			if (strpbrk(files[f]->tensors[i].name.s, "0123456789"))
				return true;
	return false;
}

static void check_kind(const struct gguf *const *files, size_t count, size_t kind, struct blocks *b,
		       struct gguf_findings *out)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds[kind].keys) && !b->claimed; i++)
		if ((b->key = kinds[kind].keys[i]) != NULL)
			gguf_get_arch_u64(b->first, b->key, &b->claimed);
	if (!b->claimed)
		return;
	find_blocks(files, count, kinds[kind].prefix, b);
	if (b->found > b->claimed)
		gguf_finding_add(out, "blocks", "there are tensors of %llu blocks, but %s is %llu",
				 (unsigned long long)b->found, b->key,
				 (unsigned long long)b->claimed);
	if (b->found || (kind == 0 && !has_numbers(files, count)))
		tell_missing(b, kinds[kind].all ? b->claimed : b->found, out);
}

/* An adapter, a control vector or an importance matrix has tensors for some blocks only. */
static bool is_model(const struct gguf *g)
{
	const char *type = gguf_get_string(g, "general.type");
	return !type || strcmp(type, "model") == 0 || strcmp(type, "mmproj") == 0;
}

void gguf_blocks_check(const struct gguf *const *files, size_t count, struct gguf_findings *out)
{
	const struct gguf *first = NULL;
	size_t tensors = 0;
	for (size_t f = 0; f < count; f++) {
		tensors += files[f]->tensor_count;
		if (!first && gguf_get_string(files[f], "general.architecture"))
			first = files[f];
	}
	for (size_t kind = 0; first && tensors && is_model(first) && kind < ARRAY_LEN(kinds);
	     kind++) {
		struct blocks b = { .first = first };
		check_kind(files, count, kind, &b, out);
		free(b.have);
	}
}
