/* What a file is for: general.type says it, else the names of its keys and tensors. */
#include "gguf/internal.h"

#include <string.h>

static const struct {
	const char *type; /* general.type */
	enum gguf_kind kind;
} types[] = {
	{ "model", GGUF_KIND_MODEL },
	{ "adapter", GGUF_KIND_ADAPTER },
	{ "mmproj", GGUF_KIND_PROJECTOR },
	{ "projector", GGUF_KIND_PROJECTOR },
	{ "imatrix", GGUF_KIND_IMATRIX },
	{ "controlvector", GGUF_KIND_CONTROL_VECTOR },
	{ "control-vector", GGUF_KIND_CONTROL_VECTOR },
	{ "control_vector", GGUF_KIND_CONTROL_VECTOR },
	{ "vocab", GGUF_KIND_VOCABULARY },
};

static const struct {
	const char *name, *is, *use;
} kinds[] = {
	[GGUF_KIND_MODEL] = { "model", "a model", "" },
	[GGUF_KIND_ADAPTER] = { "adapter", "a LoRA adapter",
				"engines load it together with its model (llama.cpp: --lora)" },
	[GGUF_KIND_CONTROL_VECTOR] = { "control-vector", "a control vector",
				       "engines load it together with its model (llama.cpp: "
				       "--control-vector)" },
	[GGUF_KIND_PROJECTOR] = { "projector", "a projector for images or sound",
				  "engines load it together with its model (llama.cpp: --mmproj)" },
	[GGUF_KIND_IMATRIX] = { "imatrix", "an importance matrix",
				"it is used to quantize a model, with --imatrix" },
	[GGUF_KIND_VOCABULARY] = { "vocabulary", "a vocabulary without weights",
				   "engines cannot run it" },
};

const char *gguf_kind_name(enum gguf_kind kind)
{
	return kinds[kind].name;
}

const char *gguf_kind_is(enum gguf_kind kind)
{
	return kinds[kind].is;
}

const char *gguf_kind_use(enum gguf_kind kind)
{
	return kinds[kind].use;
}

bool gguf_kind_knows(const char *type)
{
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(types) && !known; i++)
		known = str_eq_nocase(types[i].type, type);
	return known;
}

/* How many of the tensors have such a name? */
static size_t count_tensors(const struct gguf *g, const char *start, const char *end)
{
	size_t count = 0;
	for (size_t i = 0; i < g->tensor_count; i++)
		count += str_starts(g->tensors[i].name.s, start) &&
			 str_ends(g->tensors[i].name.s, end);
	return count;
}

static bool has_key(const struct gguf *g, const char *start)
{
	bool has = false;
	for (size_t i = 0; i < g->kv_count && !has; i++)
		has = str_starts(g->kvs[i].key.s, start);
	return has;
}

static bool is_shard(const struct gguf *g)
{
	uint64_t count;
	return gguf_get_u64(g, "split.count", &count) && count > 1;
}

static enum gguf_kind kind_of_content(const struct gguf *g)
{
	const char *arch = gguf_get_string(g, "general.architecture");
	size_t n = g->tensor_count;
	arch = arch ? arch : "";
	if (n == 0)
		return !is_shard(g) && gguf_find(g, "tokenizer.ggml.tokens") ? GGUF_KIND_VOCABULARY
									     : GGUF_KIND_MODEL;
	/* Beside its pairs, an adapter may have whole tensors, such as new embeddings. */
	if (gguf_find(g, "adapter.type") ||
	    (count_tensors(g, "", ".lora_a") && count_tensors(g, "", ".lora_b")))
		return GGUF_KIND_ADAPTER;
	if (strcmp(arch, "controlvector") == 0 || count_tensors(g, "direction.", "") == n)
		return GGUF_KIND_CONTROL_VECTOR;
	if (strcmp(arch, "clip") == 0 ||
	    (has_key(g, "clip.has_") && !gguf_find_tensor(g, "token_embd.weight")))
		return GGUF_KIND_PROJECTOR;
	if (count_tensors(g, "", ".in_sum2") && count_tensors(g, "", ".counts"))
		return GGUF_KIND_IMATRIX;
	return GGUF_KIND_MODEL;
}

/* A file that calls itself a model may still be something else: old converters wrote "model" into
 * everything. */
enum gguf_kind gguf_kind(const struct gguf *g)
{
	const char *type = gguf_get_string(g, "general.type");
	enum gguf_kind kind = kind_of_content(g);
	for (size_t i = 0; type && kind == GGUF_KIND_MODEL && i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(types[i].type, type))
			kind = types[i].kind;
	return kind;
}
