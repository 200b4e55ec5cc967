/* Does each block of layers have tensors, over all shards? */
#include "gguf/internal.h"

#include "util/mem.h"

#include <stdio.h>
#include <string.h>

#define INDEX_MAX ((uint64_t)1 << 16) /* no model has as many blocks */
#define RANGES_MAX 8
#define ALIKE_MAX 1024 /* blocks that are compared with each other */
#define PARTIAL_MAX 2

/* One kind of blocks in the files of a model. */
struct blocks {
	const struct gguf *first; /* has the keys */
	const char *key;
	uint64_t claimed; /* by the key */
	uint64_t found;   /* the highest index, plus one */
	uint32_t *have;   /* tensors of each of the `found` blocks */
	uint64_t extra;   /* from here on: blocks that predict further tokens; may be left out */
};

static const struct {
	const char *prefix;
	const char *keys[2]; /* the first that the file has */
	bool all;            /* projectors leave out the last blocks on purpose */
	const char *arch;    /* has such blocks in any case; or NULL */
} kinds[] = {
	{ "blk.", { "block_count" }, true, NULL },
	{ "enc.blk.", { "block_count" }, true, "t5" },
	{ "dec.blk.", { "decoder_block_count", "block_count" }, true, "t5" },
	{ "v.blk.", { "vision.block_count" }, false, NULL },
	{ "a.blk.", { "audio.block_count" }, false, NULL },
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
				b->have[index]++;
}

static bool is_array(const struct gguf *g, const char *suffix)
{
	const struct gguf_kv *kv = gguf_find_arch(g, suffix);
	return kv && kv->type == GGUF_ARRAY;
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
	return (index >= b->found || !b->have[index]) && index < b->extra && !is_skipped(b, index);
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

static void tell_missing(const struct blocks *b, const char *prefix, uint64_t end,
			 struct gguf_findings *out)
{
	char list[256] = "";
	uint64_t missing = name_missing(b, MIN(end, INDEX_MAX), list, sizeof list);
	if (missing)
		gguf_finding_add(out, "blocks",
				 "%s is %llu, but there are no tensors of block%s %s%s: a part of "
				 "the model is missing",
				 b->key, (unsigned long long)b->claimed, missing == 1 ? "" : "s",
				 list,
				 str_starts(prefix, "enc.")   ? " of the encoder"
				 : str_starts(prefix, "dec.") ? " of the decoder"
							      : "");
}

/* ---- parts of blocks ----------------------------------------------------------------- */

static bool has_tensor(const struct gguf *const *files, size_t count, const char *name)
{
	for (size_t f = 0; f < count; f++)
		if (gguf_find_tensor(files[f], name))
			return true;
	return false;
}

/* How many tensors of the block `from` the block `index` has under the same names; `lacks` gets the
 * first name that it does not have. */
static uint64_t count_same(const struct gguf *const *files, size_t count, const char *prefix,
			   uint64_t from, uint64_t index, char lacks[GGUF_MAX_NAME_BYTES + 1])
{
	char start[32], name[GGUF_MAX_NAME_BYTES + 32];
	uint64_t same = 0;
	snprintf(start, sizeof start, "%s%llu.", prefix, (unsigned long long)from);
	lacks[0] = '\0';
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++) {
			const char *s = files[f]->tensors[i].name.s;
			if (!str_starts(s, start))
				continue;
			s += strlen(start);
			snprintf(name, sizeof name, "%s%llu.%s", prefix, (unsigned long long)index,
				 s);
			if (has_tensor(files, count, name))
				same++;
			else if (!lacks[0])
				snprintf(lacks, GGUF_MAX_NAME_BYTES + 1, "%s", s);
		}
	return same;
}

/* The number of tensors that most blocks have. */
static uint32_t usual_count(const struct blocks *b)
{
	uint32_t usual = 0;
	uint64_t most = 0;
	for (uint64_t i = 0; i < b->found; i++) {
		uint64_t same = 0;
		for (uint64_t k = 0; k < b->found && k < ALIKE_MAX; k++)
			same += b->have[k] == b->have[i];
		if (i < ALIKE_MAX && b->have[i] && same > most) {
			most = same;
			usual = b->have[i];
		}
	}
	return usual;
}

/* One or two blocks that have only some of the tensors that all others have: at the edges of a
 * part that was lost. Models whose blocks differ by design are not judged. */
static void tell_partial(const struct gguf *const *files, size_t count, const char *prefix,
			 const struct blocks *b, struct gguf_findings *out)
{
	char lacks[GGUF_MAX_NAME_BYTES + 1];
	uint32_t usual = usual_count(b);
	uint64_t model = b->found, partial[PARTIAL_MAX], partials = 0, alike = 0;
	for (uint64_t i = 0; i < b->found; i++) {
		if (b->have[i] == usual && model == b->found)
			model = i;
		if (b->have[i] && b->have[i] < usual && partials++ < PARTIAL_MAX)
			partial[partials - 1] = i;
		alike += b->have[i] == usual;
	}
	if (!partials || partials > PARTIAL_MAX || alike < 2 * partials || b->found > ALIKE_MAX)
		return;
	for (uint64_t i = 0; i < b->found; i++)
		if (b->have[i] == usual &&
		    count_same(files, count, prefix, model, i, lacks) != usual)
			return;
	for (uint64_t i = 0; i < partials; i++) {
		uint64_t same = count_same(files, count, prefix, model, partial[i], lacks);
		if (same == b->have[partial[i]])
			gguf_finding_add(out, "blocks",
					 "block %llu has only %llu of the %u tensors that other "
					 "blocks have; '%s' is missing: a part of the model is "
					 "missing",
					 (unsigned long long)partial[i], (unsigned long long)same,
					 usual, lacks);
	}
}

/* A model that normalises the input of its blocks has both of these. */
static void tell_ends(const struct gguf *const *files, size_t count, const char *arch,
		      struct gguf_findings *out)
{
	static const char *const names[] = { "token_embd.weight", "output_norm.weight" };
	if (!has_tensor(files, count, "blk.0.attn_norm.weight") || str_starts(arch, "eagle"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!has_tensor(files, count, names[i]))
			gguf_finding_add(out, "missing-tensor",
					 "there is no tensor '%s': a part of the model is missing",
					 names[i]);
}

/* ---- all of it ----------------------------------------------------------------------- */

/* "encoder.layer.3.": numbered, under another name than blocks. */
static bool is_numbered(const char *name)
{
	for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.')) {
		size_t digits = strspn(p + 1, "0123456789");
		if (digits && p[1 + digits] == '.')
			return true;
	}
	return false;
}

/* Models with other names are not judged. */
static bool has_numbers(const struct gguf *const *files, size_t count)
{
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++)
			if (is_numbered(files[f]->tensors[i].name.s))
				return true;
	return false;
}

/* Those for further tokens are left out by some, and made a file of their own by others. */
static bool is_extra_only(const struct blocks *b)
{
	for (uint64_t i = 0; i < b->found && i < b->extra; i++)
		if (b->have[i])
			return false;
	return b->found > b->extra;
}

static void check_kind(const struct gguf *const *files, size_t count, size_t kind, struct blocks *b,
		       struct gguf_findings *out)
{
	const char *arch = gguf_get_string(b->first, "general.architecture");
	uint64_t extra = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds[kind].keys) && !b->claimed; i++)
		if ((b->key = kinds[kind].keys[i]) != NULL)
			gguf_get_arch_u64(b->first, b->key, &b->claimed);
	if (!b->claimed)
		return;
	gguf_get_arch_u64(b->first, "nextn_predict_layers", &extra);
	b->extra = b->claimed - MIN(extra, b->claimed);
	find_blocks(files, count, kinds[kind].prefix, b);
	if (b->found > b->claimed)
		gguf_finding_add(out, "blocks", "there are tensors of %llu blocks, but %s is %llu",
				 (unsigned long long)b->found, b->key,
				 (unsigned long long)b->claimed);
	if (is_extra_only(b))
		return;
	bool needed = kinds[kind].arch && strcmp(kinds[kind].arch, arch) == 0;
	if (b->found || needed || (kind == 0 && !has_numbers(files, count)))
		tell_missing(b, kinds[kind].prefix, kinds[kind].all ? b->claimed : b->found, out);
	if (!is_array(b->first, "attention.head_count"))
		tell_partial(files, count, kinds[kind].prefix, b, out);
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
	if (first && tensors && is_model(first))
		tell_ends(files, count, gguf_get_string(first, "general.architecture"), out);
}
