/*
 * How much memory llama.cpp needs. The formulas follow llama-kv-cache.cpp and
 * llama-kv-cache-iswa.cpp; the overhead is an upper bound fitted to what llama.cpp 0.5.0 reports
 * for models of many shapes (ci/engine-test compares them again).
 */
#include "gguf/internal.h"

#include <stdio.h>
#include <string.h>

#define CONTEXT_PAD 256
#define BATCH 512     /* n_ubatch */
#define CACHE_BYTES 2 /* f16 */

/* Keys and values of every token in every layer, and nothing else. */
static const char *const plain[] = {
	"llama",     "phi2",          "phi3",        "gemma",     "gemma2",       "gemma3",
	"qwen",      "qwen2",         "qwen2moe",    "qwen2vl",   "qwen3",        "qwen3moe",
	"qwen3vl",   "qwen3vlmoe",    "stablelm",    "gptneox",   "gpt2",         "gptj",
	"falcon",    "mpt",           "baichuan",    "starcoder", "starcoder2",   "bloom",
	"internlm2", "minicpm",       "orion",       "xverse",    "command-r",    "cohere2",
	"olmo",      "olmo2",         "olmoe",       "deepseek",  "glm4",         "glm4moe",
	"chatglm",   "nemotron",      "exaone",      "granite",   "granitemoe",   "arcee",
	"smollm3",   "hunyuan-dense", "hunyuan-moe", "ernie4_5",  "ernie4_5-moe", "seed_oss",
	"dots1",     "bailingmoe",    "apertus",     "refact",    "codeshell",    "openelm",
	"gpt-oss",   "mistral3",
};
/* Every layer except each n-th sees only a window. */
static const struct {
	const char *architecture;
	unsigned period;
} windowed[] = {
	{ "gemma2", 2 }, { "gemma3", 6 }, { "gpt-oss", 2 }, { "cohere2", 4 }, { "olmo2", 4 },
};
/* Keys that indicate something other than plain attention. */
static const struct {
	const char *suffix;
	const char *reason;
} special[] = {
	{ "attention.kv_lora_rank", "it compresses keys and values (MLA)" },
	{ "ssm.state_size", "it has recurrent layers" },
	{ "ssm.conv_kernel", "it has recurrent layers" },
	{ "wkv.head_size", "it is a recurrent model" },
	{ "shortconv.l_cache", "it has convolution layers" },
	{ "attention.recurrent_layers", "it has recurrent layers" },
	{ "nextn_predict_layers", "it has layers for speculative tokens" },
	{ "full_attention_interval", "it mixes kinds of attention" },
	{ "attention.key_length_swa", "its layers differ in head size" },
	{ "attention.shared_kv_layers", "its layers share keys and values" },
	{ "attention.indexer.head_count", "it uses sparse attention" },
	{ "attention.compress_ratios", "it compresses keys and values" },
};

struct shape {
	const struct gguf *g;
	const char *architecture;
	uint64_t layers, embedding, heads, key, value, vocabulary, feed_forward;
	uint64_t window; /* 0: none */
	unsigned period;
};

static int unknown(struct gguf_ram *out, const char *fmt, const char *arg)
{
	snprintf(out->reason, sizeof out->reason, fmt, arg);
	return -1;
}

static bool is_plain(const char *architecture)
{
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (strcmp(plain[i], architecture) == 0)
			return true;
	return false;
}

/* For some architectures, such as phi3, llama.cpp ignores the key and uses no window. */
static int read_window(struct shape *s, struct gguf_ram *out)
{
	uint64_t period;
	for (size_t i = 0; i < ARRAY_LEN(windowed); i++)
		if (strcmp(windowed[i].architecture, s->architecture) == 0)
			s->period = windowed[i].period;
	if (!s->period)
		return 0;
	if (!gguf_get_arch_u64(s->g, "attention.sliding_window", &s->window) || !s->window) {
		s->period = 0;
		return strcmp(s->architecture, "gemma2") == 0
			       ? unknown(out, "the size of its sliding window is not given%s", "")
			       : 0;
	}
	const struct gguf_kv *pattern = gguf_find_arch(s->g, "attention.sliding_window_pattern");
	if (pattern && pattern->type == GGUF_ARRAY)
		return unknown(out, "it lists its windowed layers individually%s", "");
	if (gguf_get_arch_u64(s->g, "attention.sliding_window_pattern", &period)) {
		if (period == 0 || period > 1024)
			return unknown(out, "its sliding window pattern is unusual%s", "");
		s->period = (unsigned)period;
	}
	return 0;
}

static int read_shape(const struct gguf *g, struct shape *s, struct gguf_ram *out)
{
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	*s = (struct shape){
		.g = g,
		.architecture = m.architecture,
		.layers = m.block_count,
		.embedding = m.embedding_length,
		.heads = m.head_count,
		.vocabulary = m.vocabulary_size,
		.feed_forward = m.feed_forward_length,
	};
	if (!m.architecture)
		return unknown(out, "the architecture is missing%s", "");
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (gguf_find_arch(g, special[i].suffix))
			return unknown(out, "%s", special[i].reason);
	if (!is_plain(m.architecture))
		return unknown(out,
			       "memory for the context of the architecture %s cannot be estimated",
			       m.architecture);
	if (!s->layers || !s->embedding || !s->heads || !s->vocabulary)
		return unknown(out,
			       "the number of layers or heads, the embedding length or the "
			       "vocabulary is not given%s",
			       "");
	if (s->layers > 65536 || s->embedding > 1 << 24 || s->heads > 65536 ||
	    s->vocabulary > 1 << 24 || s->feed_forward > 1 << 28)
		return unknown(out, "its dimensions are out of range%s", "");
	uint64_t expert = 0;
	if (gguf_get_arch_u64(g, "expert_feed_forward_length", &expert) && expert <= 1 << 20 &&
	    m.expert_used_count <= 1024)
		s->feed_forward = MAX(s->feed_forward, expert * m.expert_used_count);
	s->key = s->value = s->embedding / s->heads;
	gguf_get_arch_u64(g, "attention.key_length", &s->key);
	gguf_get_arch_u64(g, "attention.value_length", &s->value);
	if (s->key > 65536 || s->value > 65536)
		return unknown(out, "its dimensions are out of range%s", "");
	return read_window(s, out);
}

/* Heads of one layer's keys; false when the file contradicts itself. */
static bool layer_heads(const struct shape *s, uint64_t layer, uint64_t *heads)
{
	const struct gguf_kv *kv = gguf_find_arch(s->g, "attention.head_count_kv");
	if (!kv)
		kv = gguf_find_arch(s->g, "attention.head_count");
	if (kv && kv->type == GGUF_ARRAY)
		return kv->kept && gguf_array_u64(kv, (size_t)layer, heads) && *heads <= 65536;
	*heads = s->heads;
	gguf_get_arch_u64(s->g, "attention.head_count_kv", heads);
	return *heads <= 65536;
}

static uint64_t padded(uint64_t tokens)
{
	return (tokens + CONTEXT_PAD - 1) / CONTEXT_PAD * CONTEXT_PAD;
}

static int cache_bytes(const struct shape *s, struct gguf_ram *out)
{
	uint64_t small = s->window ? MIN(out->context, padded(MIN(s->window, out->context) + BATCH))
				   : out->context;
	for (uint64_t i = 0; i < s->layers; i++) {
		uint64_t heads;
		if (!layer_heads(s, i, &heads))
			return unknown(out, "the number of heads of each layer is not given%s", "");
		bool local = s->period && i % s->period < s->period - 1;
		uint64_t token = heads * (s->key + s->value) * CACHE_BYTES;
		out->kv_cache += token * (local ? small : out->context);
		/* A window that is full does not grow with the context. */
		out->token += local && small < out->context ? 0 : token;
	}
	return 0;
}

/* Logits, feed-forward results, residuals and the attention mask for one batch, as if
 * all lived at once, and one row of logits as output. */
static uint64_t overhead_bytes(const struct shape *s, uint64_t context)
{
	uint64_t batch = MIN(context, (uint64_t)BATCH);
	uint64_t row = s->vocabulary + 3 * s->feed_forward + 4 * s->embedding;
	return batch * 4 * row + batch * 2 * context + s->vocabulary * 4;
}

void gguf_ram(const struct gguf *const *files, size_t count, uint64_t context, struct gguf_ram *out)
{
	struct shape s;
	*out = (struct gguf_ram){ 0 };
	const struct gguf *first = NULL;
	size_t tensors = 0;
	for (size_t f = 0; f < count; f++) {
		for (size_t i = 0; i < files[f]->tensor_count; i++)
			out->weights += files[f]->tensors[i].padded;
		tensors += files[f]->tensor_count;
		if (!first && gguf_get_string(files[f], "general.architecture"))
			first = files[f];
	}
	if (!first || !tensors) {
		unknown(out, first ? "it has no tensors%s" : "the architecture is missing%s", "");
		return;
	}
	if (gguf_kind(first) != GGUF_KIND_MODEL) {
		unknown(out, "it is used together with a model%s", "");
		return;
	}
	if (!context && !gguf_get_arch_u64(first, "context_length", &context)) {
		unknown(out, "its context length is not given%s", "");
		return;
	}
	if (context == 0 || context > 1 << 28) {
		unknown(out, "the context length is out of range%s", "");
		return;
	}
	out->context = padded(context);
	if (read_shape(first, &s, out) || cache_bytes(&s, out)) {
		out->kv_cache = out->token = 0;
		return;
	}
	out->token += 2 * BATCH;
	out->overhead = overhead_bytes(&s, out->context);
	out->total = out->weights + out->kv_cache + out->overhead;
	out->known = true;
}
