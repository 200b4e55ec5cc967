/* The keys that engines read: their types, and how they relate to each other. */
#include "gguf/internal.h"

#include "util/mem.h"

#include <string.h>

#define BIT(type) (1u << (type))

/* Engines require exactly these types; if two bits are set, either is accepted. `array` is the
 * set of element types of an array with one value for each layer. CVE-2024-8063 was a block_count
 * that was a string. */
struct rule {
	const char *key; /* "*." stands for the architecture */
	unsigned scalar, array;
};
#define INTS (BIT(GGUF_U32) | BIT(GGUF_I32))
static const struct rule rules[] = {
	{ "general.architecture", BIT(GGUF_STRING), 0 },
	{ "general.name", BIT(GGUF_STRING), 0 },
	{ "general.type", BIT(GGUF_STRING), 0 },
	{ "general.file_type", BIT(GGUF_U32), 0 },
	{ "general.quantization_version", BIT(GGUF_U32), 0 },
	{ "*.context_length", BIT(GGUF_U32), 0 },
	{ "*.embedding_length", BIT(GGUF_U32), 0 },
	{ "*.block_count", BIT(GGUF_U32), 0 },
	{ "*.vocab_size", BIT(GGUF_U32), 0 },
	{ "*.feed_forward_length", BIT(GGUF_U32), INTS },
	{ "*.attention.head_count", BIT(GGUF_U32), INTS },
	{ "*.attention.head_count_kv", BIT(GGUF_U32), INTS },
	{ "*.attention.key_length", BIT(GGUF_U32), 0 },
	{ "*.attention.value_length", BIT(GGUF_U32), 0 },
	{ "*.attention.layer_norm_rms_epsilon", BIT(GGUF_F32), 0 },
	{ "*.attention.layer_norm_epsilon", BIT(GGUF_F32), 0 },
	{ "*.rope.dimension_count", BIT(GGUF_U32), 0 },
	{ "*.rope.freq_base", BIT(GGUF_F32), 0 },
	{ "*.expert_count", BIT(GGUF_U32), 0 },
	{ "*.expert_used_count", BIT(GGUF_U32), INTS },
	{ "tokenizer.ggml.model", BIT(GGUF_STRING), 0 },
	{ "tokenizer.ggml.pre", BIT(GGUF_STRING), 0 },
	{ "tokenizer.ggml.tokens", 0, BIT(GGUF_STRING) },
	{ "tokenizer.ggml.merges", 0, BIT(GGUF_STRING) },
	{ "tokenizer.ggml.scores", 0, BIT(GGUF_F32) | BIT(GGUF_I32) },
	{ "tokenizer.ggml.token_type", 0, INTS },
	{ "tokenizer.chat_template", BIT(GGUF_STRING), 0 },
	{ "split.no", BIT(GGUF_U16), 0 },
	{ "split.count", BIT(GGUF_U16), 0 },
	{ "split.tensors.count", BIT(GGUF_I32), 0 },
};

static void name_types(unsigned set, char *out, size_t size)
{
	out[0] = '\0';
	for (unsigned t = 0; t < GGUF_VALUES; t++)
		if (set & BIT(t)) {
			if (out[0])
				strncat(out, " or ", size - strlen(out) - 1);
			strncat(out, gguf_value_name((enum gguf_value)t), size - strlen(out) - 1);
		}
}

static int check_rule(const struct rule *r, const struct gguf_kv *kv, struct err *e)
{
	unsigned set = kv->type == GGUF_ARRAY ? r->array : r->scalar;
	enum gguf_value type = kv->type == GGUF_ARRAY ? kv->element : kv->type;
	if (set & BIT(type))
		return 0;
	char want[64];
	name_types(r->scalar ? r->scalar : r->array, want, sizeof want);
	return err_set(e, ERR_INTEGRITY, "key '%.*s' is %s%s; engines accept only %s%s",
		       SHOW(kv->key), kv->type == GGUF_ARRAY ? "an array of " : "",
		       gguf_value_name(type), r->scalar ? "" : "an array of ", want);
}

static const struct gguf_kv *find_rule_key(const struct gguf *g, const char *key)
{
	return key[0] == '*' ? gguf_find_arch(g, key + 2) : gguf_find(g, key);
}

static int check_types(const struct gguf *g, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct gguf_kv *kv = find_rule_key(g, rules[i].key);
		int rc = kv ? check_rule(&rules[i], kv, e) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* Later shards have only split.* keys; an importance matrix is not a model. */
static bool needs_architecture(const struct gguf *g)
{
	uint64_t no = 0;
	if (gguf_get_u64(g, "split.no", &no) && no > 0)
		return false;
	return gguf_kind(g) != GGUF_KIND_IMATRIX;
}

static bool is_plain_name(const struct gguf_text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if (!t->s[i] || !strchr("abcdefghijklmnopqrstuvwxyz0123456789_-.", t->s[i]))
			return false;
	return t->len > 0 && t->len <= 64;
}

static int check_architecture(const struct gguf *g, struct err *e)
{
	const struct gguf_kv *kv = gguf_find(g, "general.architecture");
	if (!kv && needs_architecture(g))
		return err_set(e, ERR_INTEGRITY,
			       "key 'general.architecture' is missing: engines cannot tell which "
			       "model this is");
	if (!kv)
		return 0;
	int rc = check_rule(&rules[0], kv, e);
	if (rc)
		return rc;
	if (!kv->kept)
		return err_set(e, ERR_INTEGRITY, "general.architecture is %llu bytes long",
			       (unsigned long long)kv->bytes);
	if (!is_plain_name(&kv->as.string))
		return err_set(e, ERR_INTEGRITY, "general.architecture is not a plain name: '%.*s'",
			       SHOW(kv->as.string));
	return 0;
}

/* Engines divide by these, so 0 is refused. Models without attention correctly have 0 heads. */
static int check_zeroes(const struct gguf *g, struct err *e)
{
	static const char *const keys[] = { "attention.head_count", "context_length",
					    "embedding_length", "block_count" };
	bool attention = gguf_find_tensor(g, "blk.0.attn_q.weight");
	for (size_t i = attention ? 0 : 1; i < ARRAY_LEN(keys); i++) {
		uint64_t v;
		if (!gguf_get_arch_u64(g, keys[i], &v))
			continue;
		if (v == 0 || v > INT32_MAX)
			return err_set(e, ERR_INTEGRITY, "key '%s.%s' is %llu",
				       gguf_get_string(g, "general.architecture"), keys[i],
				       (unsigned long long)v);
	}
	return 0;
}

/* Engines index these arrays by token: shorter ones are read past their end
 * (CVE-2025-49847 and its kin). */
static int check_vocabulary(struct gguf *g, struct err *e)
{
	static const char *const arrays[] = { "tokenizer.ggml.scores",
					      "tokenizer.ggml.token_type" };
	const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");
	for (size_t i = 0; tokens && i < ARRAY_LEN(arrays); i++) {
		const struct gguf_kv *kv = gguf_find(g, arrays[i]);
		if (kv && kv->count < tokens->count)
			return err_set(e, ERR_INTEGRITY,
				       "key '%s' has %llu elements for %llu tokens", arrays[i],
				       (unsigned long long)kv->count,
				       (unsigned long long)tokens->count);
	}
	if (tokens && tokens->count == 0)
		return err_set(e, ERR_INTEGRITY, "key 'tokenizer.ggml.tokens' is empty");
	if (tokens && tokens->count > INT32_MAX / 4)
		return err_set(e, ERR_INTEGRITY,
			       "%llu tokens are more than token ids can represent",
			       (unsigned long long)tokens->count);
	const struct gguf_tensor *embedding = gguf_find_tensor(g, "token_embd.weight");
	if (tokens && embedding && embedding->dimensions == 2 &&
	    embedding->shape[1] != tokens->count)
		gguf_finding_add(&g->findings, "vocabulary",
				 "token_embd.weight has %llu rows for %llu tokens: llama.cpp "
				 "refuses this",
				 (unsigned long long)embedding->shape[1],
				 (unsigned long long)tokens->count);
	return 0;
}

static void check_token_ids(struct gguf *g)
{
	const struct gguf_kv *tokens = gguf_find(g, "tokenizer.ggml.tokens");
	for (size_t i = 0; tokens && i < g->kv_count; i++) {
		const struct gguf_kv *kv = &g->kvs[i];
		uint64_t id;
		if (!str_starts(kv->key.s, "tokenizer.ggml.") || !str_ends(kv->key.s, "_token_id"))
			continue;
		if (kv->type != GGUF_U32)
			gguf_finding_add(&g->findings, "token-id",
					 "key '%.*s' is of type %s, not u32", SHOW(kv->key),
					 gguf_value_name(kv->type));
		else if (gguf_get_u64(g, kv->key.s, &id) && id >= tokens->count)
			gguf_finding_add(&g->findings, "token-id",
					 "key '%.*s' is %llu, but there are only %llu tokens",
					 SHOW(kv->key), (unsigned long long)id,
					 (unsigned long long)tokens->count);
	}
}

/* Keys that llama.cpp needs for a text model; some bindings abort without them. */
static void check_missing(struct gguf *g)
{
	static const char *const keys[] = { "context_length", "embedding_length", "block_count",
					    "attention.head_count" };
	const char *arch = gguf_get_string(g, "general.architecture");
	if (!arch || !gguf_find_tensor(g, "token_embd.weight") ||
	    !gguf_find_tensor(g, "blk.0.attn_q.weight"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!gguf_find_arch(g, keys[i]))
			gguf_finding_add(&g->findings, "missing-key",
					 "key '%s.%s' is missing: llama.cpp will not load the "
					 "model",
					 arch, keys[i]);
	if (!gguf_find(g, "tokenizer.ggml.model") || !gguf_find(g, "tokenizer.ggml.tokens"))
		gguf_finding_add(&g->findings, "missing-key", "there is no tokenizer in the file");
	const char *model = gguf_get_string(g, "tokenizer.ggml.model");
	if (model && strcmp(model, "gpt2") == 0 && !gguf_find(g, "tokenizer.ggml.pre"))
		gguf_finding_add(&g->findings, "missing-pre",
				 "key 'tokenizer.ggml.pre' is missing: engines guess how to split "
				 "words, which makes answers worse");
}

static void check_file_type(struct gguf *g)
{
	uint64_t type, count = 0;
	if (gguf_get_u64(g, "general.file_type", &type) && !gguf_file_type_name(type))
		gguf_finding_add(&g->findings, "file-type",
				 "general.file_type is %llu, which is not a known quantization",
				 (unsigned long long)type);
	gguf_get_u64(g, "split.count", &count);
	if (g->tensor_count == 0 && count < 2)
		gguf_finding_add(&g->findings, "no-tensors", "there are no tensors in the file");
}

int gguf_check_keys(struct gguf *g, struct err *e)
{
	uint64_t shards;
	int rc = check_architecture(g, e);
	if (rc == 0)
		rc = check_types(g, e);
	if (rc == 0)
		rc = check_zeroes(g, e);
	if (rc == 0)
		rc = check_vocabulary(g, e);
	if (rc)
		return rc;
	check_token_ids(g);
	check_missing(g);
	/* Of shards, gguf_blocks_check() needs all. */
	if (!gguf_get_u64(g, "split.count", &shards) || shards < 2)
		gguf_blocks_check((const struct gguf *const *)&g, 1, &g->findings);
	check_file_type(g);
	return 0;
}
