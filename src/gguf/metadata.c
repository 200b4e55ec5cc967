#include "gguf/gguf.h"

#include <stdio.h>
#include <string.h>

/* The value, or the largest one if each layer has its own; 0 if missing. */
static uint64_t largest(const struct gguf *g, const char *suffix)
{
	uint64_t v, max = 0;
	if (gguf_get_arch_u64(g, suffix, &v))
		return v;
	const struct gguf_kv *kv = gguf_find_arch(g, suffix);
	if (!kv || kv->type != GGUF_ARRAY || !kv->kept)
		return 0;
	for (size_t i = 0; i < kv->count; i++)
		if (gguf_array_u64(kv, i, &v))
			max = MAX(max, v);
	return max;
}

static void add_array(struct sha256 *s, const struct gguf_kv *kv, const char *key)
{
	struct digest d;
	sha256_add(s, key, strlen(key) + 1);
	if (!kv)
		return;
	if (!kv->kept)
		d = kv->sha256;
	else
		sha256_of(kv->as.numbers, (size_t)kv->bytes, &d);
	sha256_add(s, d.bytes, sizeof d.bytes);
}

static void tokenizer(const struct gguf *g, struct gguf_metadata *out)
{
	static const char *const arrays[] = { "tokenizer.ggml.tokens", "tokenizer.ggml.token_type",
					      "tokenizer.ggml.scores", "tokenizer.ggml.merges" };
	const struct gguf_kv *tokens = gguf_find(g, arrays[0]);
	out->tokenizer_model = gguf_get_string(g, "tokenizer.ggml.model");
	out->tokenizer_pre = gguf_get_string(g, "tokenizer.ggml.pre");
	if (!tokens) {
		gguf_get_arch_u64(g, "vocab_size", &out->vocabulary_size);
		return;
	}
	out->has_tokenizer = true;
	out->vocabulary_size = tokens->count;
	CLEANUP_PTR(sha256_free) struct sha256 *s = sha256_new();
	const char *model = out->tokenizer_model ? out->tokenizer_model : "";
	sha256_add(s, model, strlen(model) + 1);
	for (size_t i = 0; i < ARRAY_LEN(arrays); i++)
		add_array(s, gguf_find(g, arrays[i]), arrays[i]);
	sha256_final(s, &out->tokenizer_sha256);
}

static void texts(const struct gguf *g, struct gguf_metadata *m)
{
	const struct {
		const char *key;
		const char **to;
	} map[] = {
		{ "general.architecture", &m->architecture },
		{ "general.type", &m->type },
		{ "general.name", &m->name },
		{ "general.basename", &m->basename },
		{ "general.size_label", &m->size_label },
		{ "general.finetune", &m->finetune },
		{ "general.version", &m->version },
		{ "general.author", &m->author },
		{ "general.organization", &m->organization },
		{ "general.quantized_by", &m->quantized_by },
		{ "general.description", &m->description },
		{ "general.url", &m->url },
		{ "general.source.url", &m->source_url },
		{ "general.source.repo_url", &m->source_repo },
		{ "general.source.huggingface.repository", &m->source_repo },
		{ "general.license", &m->license },
		{ "general.license.name", &m->license_name },
		{ "general.license.link", &m->license_link },
	};
	for (size_t i = 0; i < ARRAY_LEN(map); i++) {
		const char *value = gguf_get_string(g, map[i].key);
		if (value && *value && !*map[i].to)
			*map[i].to = value;
	}
	m->licenses = gguf_get_array(g, "general.license", GGUF_STRING);
	m->tags = gguf_get_array(g, "general.tags", GGUF_STRING);
	m->languages = gguf_get_array(g, "general.languages", GGUF_STRING);
}

void gguf_metadata(const struct gguf *g, struct gguf_metadata *out)
{
	*out = (struct gguf_metadata){ 0 };
	texts(g, out);
	tokenizer(g, out);
	uint64_t type;
	if (gguf_get_u64(g, "general.file_type", &type))
		out->quantization = gguf_file_type_name(type);
	for (size_t i = 0; i < g->tensor_count; i++)
		out->parameters += g->tensors[i].elements;
	out->context_length = largest(g, "context_length");
	out->embedding_length = largest(g, "embedding_length");
	out->block_count = largest(g, "block_count");
	out->feed_forward_length = largest(g, "feed_forward_length");
	out->head_count = largest(g, "attention.head_count");
	out->head_count_kv = largest(g, "attention.head_count_kv");
	if (!out->head_count_kv)
		out->head_count_kv = out->head_count;
	out->expert_count = largest(g, "expert_count");
	out->expert_used_count = largest(g, "expert_used_count");
	gguf_get_u64(g, "split.no", &out->split_no);
	gguf_get_u64(g, "split.count", &out->split_count);
}

/* ---- JSON ---- */

static void put_number(json_t *object, const char *key, uint64_t value)
{
	if (value)
		json_put_u64(object, key, value);
}

/* Documents that contain this have limits of their own. */
#define TEXT_MAX 4096
#define LIST_MAX 256

static json_t *text(const char *value, size_t len)
{
	return json_string_lossy(value, MIN(len, (size_t)TEXT_MAX));
}

static void put_text(json_t *object, const char *key, const char *value)
{
	if (value)
		json_put(object, key, text(value, strlen(value)));
}

static void put_texts(json_t *object, const char *key, const struct gguf_kv *kv)
{
	if (!kv)
		return;
	json_t *list = json_array();
	for (size_t i = 0; i < kv->count && i < LIST_MAX; i++)
		json_push(list, text(kv->as.strings[i].s, kv->as.strings[i].len));
	json_put(object, key, list);
}

/* As one text, "mit, apache-2.0". */
static void put_joined(json_t *object, const char *key, const struct gguf_kv *kv)
{
	struct buf joined = BUF_INIT(TEXT_MAX);
	for (size_t i = 0; i < kv->count && i < LIST_MAX; i++) {
		buf_adds(&joined, i ? ", " : "");
		buf_add(&joined, kv->as.strings[i].s, kv->as.strings[i].len);
	}
	if (joined.len)
		json_put(object, key, text(joined.data, joined.len));
	buf_release(&joined);
}

static void put_metadata(json_t *object, const struct gguf_metadata *m)
{
	put_text(object, "architecture", m->architecture);
	put_text(object, "type", m->type);
	put_text(object, "name", m->name);
	put_text(object, "basename", m->basename);
	put_text(object, "size_label", m->size_label);
	put_text(object, "finetune", m->finetune);
	put_text(object, "model_version", m->version);
	put_text(object, "author", m->author);
	put_text(object, "organization", m->organization);
	put_text(object, "quantized_by", m->quantized_by);
	put_text(object, "description", m->description);
	put_text(object, "url", m->url);
	put_text(object, "source_url", m->source_url);
	put_text(object, "source_repository", m->source_repo);
	put_text(object, "license", m->license);
	if (m->licenses)
		put_joined(object, "license", m->licenses);
	put_text(object, "license_name", m->license_name);
	put_text(object, "license_link", m->license_link);
	put_texts(object, "tags", m->tags);
	put_texts(object, "languages", m->languages);
	if (m->parameters || m->split_count)
		put_text(object, "quantization", m->quantization);
	put_number(object, "parameters", m->parameters);
	put_number(object, "context_length", m->context_length);
	put_number(object, "embedding_length", m->embedding_length);
	put_number(object, "block_count", m->block_count);
	put_number(object, "feed_forward_length", m->feed_forward_length);
	put_number(object, "head_count", m->head_count);
	put_number(object, "head_count_kv", m->head_count_kv);
	put_number(object, "expert_count", m->expert_count);
	put_number(object, "expert_used_count", m->expert_used_count);
	put_number(object, "vocabulary_size", m->vocabulary_size);
}

static void put_tokenizer(json_t *object, const struct gguf_metadata *m)
{
	if (!m->has_tokenizer)
		return;
	json_t *t = json_object();
	put_text(t, "model", m->tokenizer_model);
	put_text(t, "pre", m->tokenizer_pre);
	json_put_hex(t, "sha256", m->tokenizer_sha256.bytes, DIGEST_SIZE);
	json_put(object, "tokenizer", t);
}

static void put_census(json_t *object, const struct gguf *g)
{
	struct gguf_census c;
	gguf_census(&g, 1, &c);
	json_t *rows = json_array();
	for (size_t i = 0; i < c.count; i++) {
		json_t *row = json_object();
		json_put_string(row, "type", c.rows[i].type->name);
		json_put_u64(row, "tensors", c.rows[i].tensors);
		json_put_u64(row, "elements", c.rows[i].elements);
		json_put_u64(row, "bytes", c.rows[i].bytes);
		json_push(rows, row);
	}
	/* A text: canonical JSON has no fractions. */
	char bits[32];
	snprintf(bits, sizeof bits, "%.2f", c.bits_per_weight);
	if (c.tensors)
		json_put_string(object, "bits_per_weight", bits);
	json_put_u64(object, "tensor_count", g->tensor_count);
	json_put(object, "types", rows);
}

static void put_templates(json_t *object, const struct gguf *g)
{
	json_t *list = json_array();
	struct gguf_template t;
	for (size_t i = 0; gguf_template(g, i, &t); i++) {
		json_t *one = json_object();
		json_put_string(one, "key", t.key);
		json_put_u64(one, "bytes", t.bytes);
		json_put_hex(one, "sha256", t.sha256.bytes, DIGEST_SIZE);
		char flags[256];
		if (t.flags)
			json_put_string(one, "suspicious",
					gguf_template_describe(t.flags, flags, sizeof flags));
		json_push(list, one);
	}
	json_put(object, "chat_templates", list);
}

json_t *gguf_json(const struct gguf *g)
{
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	json_t *object = json_object();
	json_put_u64(object, "version", g->version);
	json_put_u64(object, "alignment", g->alignment);
	put_metadata(object, &m);
	put_tokenizer(object, &m);
	put_census(object, g);
	put_templates(object, g);
	if (m.split_count) {
		json_t *split = json_object();
		json_put_u64(split, "no", m.split_no);
		json_put_u64(split, "count", m.split_count);
		json_put(object, "split", split);
	}
	return object;
}
