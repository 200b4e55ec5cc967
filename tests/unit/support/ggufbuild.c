#include "ggufbuild.h"

#include "unit.h"

#include <stdio.h>

static void add32(struct buf *b, uint32_t v)
{
	uint8_t p[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) };
	buf_add(b, p, sizeof p);
}

static void add64(struct buf *b, uint64_t v)
{
	add32(b, (uint32_t)v);
	add32(b, (uint32_t)(v >> 32));
}

static void add_text(struct buf *b, const char *s, size_t len)
{
	add64(b, len);
	buf_add(b, s, len);
}

static void add_fill(struct buf *b, uint8_t byte, uint64_t count)
{
	char *room = buf_reserve(b, (size_t)count);
	if (!room)
		return;
	memset(room, byte, (size_t)count);
	buf_commit(b, (size_t)count);
}

void build_init(struct ggufbuild *b)
{
	*b = (struct ggufbuild){ .version = 3, .alignment = 32 };
	buf_init(&b->kvs, 512 * MIB);
	buf_init(&b->tensors, 512 * MIB);
	buf_init(&b->out, 512 * MIB);
}

void build_init_llama(struct ggufbuild *b)
{
	build_init(b);
	build_string(b, "general.architecture", "llama");
}

void build_release(struct ggufbuild *b)
{
	buf_release(&b->kvs);
	buf_release(&b->tensors);
	buf_release(&b->out);
}

void build_raw(struct ggufbuild *b, const char *key, size_t key_len, uint32_t type,
	       const void *value, size_t len)
{
	add_text(&b->kvs, key, key_len);
	add32(&b->kvs, type);
	buf_add(&b->kvs, value, len);
	b->kv_count++;
}

void build_u32(struct ggufbuild *b, const char *key, uint32_t value)
{
	uint8_t p[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			 (uint8_t)(value >> 24) };
	build_raw(b, key, strlen(key), GGUF_U32, p, sizeof p);
}

void build_f32(struct ggufbuild *b, const char *key, float value)
{
	build_raw(b, key, strlen(key), GGUF_F32, &value, sizeof value);
}

void build_string(struct ggufbuild *b, const char *key, const char *value)
{
	add_text(&b->kvs, key, strlen(key));
	add32(&b->kvs, GGUF_STRING);
	add_text(&b->kvs, value, strlen(value));
	b->kv_count++;
}

void build_array(struct ggufbuild *b, const char *key, uint32_t element, uint64_t count,
		 const void *data, size_t len)
{
	add_text(&b->kvs, key, strlen(key));
	add32(&b->kvs, GGUF_ARRAY);
	add32(&b->kvs, element);
	add64(&b->kvs, count);
	buf_add(&b->kvs, data, len);
	b->kv_count++;
}

void build_strings(struct ggufbuild *b, const char *key, const char *const *texts, size_t count)
{
	struct buf data = BUF_INIT(64 * MIB);
	for (size_t i = 0; i < count; i++)
		add_text(&data, texts[i], strlen(texts[i]));
	build_array(b, key, GGUF_STRING, count, buf_str(&data), data.len);
	buf_release(&data);
}

void build_tokens(struct ggufbuild *b, const char *key, size_t count)
{
	struct buf data = BUF_INIT(64 * MIB);
	for (size_t i = 0; i < count; i++) {
		char text[32];
		int len = snprintf(text, sizeof text, "t%zu", i);
		add_text(&data, text, (size_t)len);
	}
	build_array(b, key, GGUF_STRING, count, buf_str(&data), data.len);
	buf_release(&data);
}

void build_whole_llama(struct ggufbuild *b, const char *type, uint64_t embedding)
{
	int32_t types[8] = { 2, 3, 3, 6, 6, 1, 1, 1 };
	float scores[8] = { 0 };
	build_u32(b, "llama.context_length", 2048);
	build_u32(b, "llama.embedding_length", (uint32_t)embedding);
	build_u32(b, "llama.block_count", 1);
	build_u32(b, "llama.feed_forward_length", (uint32_t)(2 * embedding));
	build_u32(b, "llama.attention.head_count", 4);
	build_u32(b, "llama.attention.head_count_kv", 2);
	build_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
	build_string(b, "tokenizer.ggml.model", "llama");
	build_tokens(b, "tokenizer.ggml.tokens", 8);
	build_array(b, "tokenizer.ggml.token_type", GGUF_I32, 8, types, sizeof types);
	build_array(b, "tokenizer.ggml.scores", GGUF_F32, 8, scores, sizeof scores);
	build_u32(b, "tokenizer.ggml.bos_token_id", 1);
	build_tensor(b, "token_embd.weight", type, embedding, 8);
	build_tensor(b, "output_norm.weight", "f32", embedding, 0);
	build_tensor(b, "blk.0.attn_norm.weight", "f32", embedding, 0);
	build_tensor(b, "blk.0.attn_q.weight", type, embedding, embedding);
	build_tensor(b, "blk.0.attn_k.weight", type, embedding, embedding / 2);
	build_tensor(b, "blk.0.attn_v.weight", type, embedding, embedding / 2);
	build_tensor(b, "blk.0.attn_output.weight", type, embedding, embedding);
	build_tensor(b, "blk.0.ffn_norm.weight", "f32", embedding, 0);
	build_tensor(b, "blk.0.ffn_gate.weight", type, embedding, 2 * embedding);
	build_tensor(b, "blk.0.ffn_up.weight", type, embedding, 2 * embedding);
	build_tensor(b, "blk.0.ffn_down.weight", type, 2 * embedding, embedding);
}

void build_tensor_raw(struct ggufbuild *b, const char *name, size_t name_len, uint32_t dimensions,
		      const uint64_t *shape, uint32_t type, uint64_t offset)
{
	add_text(&b->tensors, name, name_len);
	add32(&b->tensors, dimensions);
	for (uint32_t i = 0; i < dimensions; i++)
		add64(&b->tensors, shape[i]);
	add32(&b->tensors, type);
	add64(&b->tensors, offset);
	b->tensor_count++;
}

uint64_t build_data(struct ggufbuild *b, uint64_t bytes)
{
	uint64_t at = b->data;
	b->data = (at + bytes + b->alignment - 1) / b->alignment * b->alignment;
	return at;
}

void build_tensor(struct ggufbuild *b, const char *name, const char *type, uint64_t d0, uint64_t d1)
{
	const struct gguf_type *t = gguf_type_named(type);
	uint64_t shape[2] = { d0, d1 };
	uint64_t size = d0 * (d1 ? d1 : 1) / t->block * t->bytes;
	build_tensor_raw(b, name, strlen(name), d1 ? 2 : 1, shape, t->id, build_data(b, size));
}

const struct buf *build_file(struct ggufbuild *b)
{
	buf_clear(&b->out);
	buf_adds(&b->out, "GGUF");
	add32(&b->out, b->version);
	add64(&b->out, b->tensor_count);
	add64(&b->out, b->kv_count);
	buf_add(&b->out, buf_str(&b->kvs), b->kvs.len);
	buf_add(&b->out, buf_str(&b->tensors), b->tensors.len);
	if (!b->header_only) {
		uint64_t pad = (b->alignment - b->out.len % b->alignment) % b->alignment;
		add_fill(&b->out, b->fill, pad + b->data);
	}
	add_fill(&b->out, 0xaa, b->trail);
	b->out.len -= MIN((size_t)b->cut, b->out.len);
	return &b->out;
}

static int read_memory(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	const struct memory_input *m = ctx;
	if (offset > m->len || len > m->len - offset)
		return err_set(e, ERR_BUG, "a read past the end");
	memcpy(data, (const uint8_t *)m->data + offset, len);
	return 0;
}

void memory_input_init(struct gguf_input *out, const struct memory_input *memory)
{
	*out = (struct gguf_input){
		.read_at = read_memory,
		.ctx = (void *)(uintptr_t)memory,
		.size = memory->len,
	};
}

int build_open(struct ggufbuild *b, struct gguf **out, struct err *e)
{
	const struct buf *file = build_file(b);
	struct memory_input memory = { buf_str(file), file->len };
	struct gguf_input source;
	memory_input_init(&source, &memory);
	return gguf_open(&source, "test.gguf", NULL, out, e);
}

struct gguf *build_open_ok(struct ggufbuild *b)
{
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	assert_ok(build_open(b, &g, &e), &e);
	return g;
}

void assert_refused_at(struct ggufbuild *b, const char *text, const char *file, int line)
{
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	int rc = build_open(b, &g, &e);
	build_release(b);
	if (rc == -ERR_INTEGRITY && strstr(e.text, text) && str_starts(e.text, "test.gguf: "))
		return;
	print_error("%s\n  class %d: '%s'\n  expected: '%s'\n", rc ? "another refusal" : "accepted",
		    rc, e.text, text);
	gguf_free(g);
	_fail(file, line);
}

const char *finding_text(const struct gguf_findings *f, const char *code)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->at[i].code, code) == 0)
			return f->at[i].text;
	return NULL;
}

void assert_finding_at(const struct gguf_findings *f, const char *code, const char *text,
		       const char *file, int line)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->at[i].code, code) == 0 && strstr(f->at[i].text, text))
			return;
	print_error("no finding %s '%s' among %zu:\n", code, text, f->count);
	for (size_t i = 0; i < f->count; i++)
		print_error("  %s: %s\n", f->at[i].code, f->at[i].text);
	_fail(file, line);
}
