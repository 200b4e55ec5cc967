/* The numbers here are those that llama.cpp 0.5.0 reports for such models. */
#include "ggufbuild.h"
#include "unit.h"

#include <stdio.h>

static struct ggufbuild b;

static void start(const char *architecture, uint32_t layers, uint32_t embedding, uint32_t heads,
		  uint32_t heads_kv)
{
	char key[64];
	build_init(&b);
	build_string(&b, "general.architecture", architecture);
	const struct {
		const char *suffix;
		uint32_t value;
	} keys[] = {
		{ "context_length", 8192 },        { "embedding_length", embedding },
		{ "block_count", layers },         { "feed_forward_length", 2 * embedding },
		{ "attention.head_count", heads }, { "attention.head_count_kv", heads_kv },
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		snprintf(key, sizeof key, "%s.%s", architecture, keys[i].suffix);
		if (keys[i].value)
			build_u32(&b, key, keys[i].value);
	}
	build_tokens(&b, "tokenizer.ggml.tokens", 768);
	build_tensor(&b, "w", "f32", 100, 0);
}

static struct gguf_ram estimate(uint64_t context)
{
	struct gguf *g = build_open_ok(&b);
	const struct gguf *file = g;
	struct gguf_ram r;
	gguf_ram(&file, 1, context, &r);
	gguf_free(g);
	build_release(&b);
	return r;
}

static void plain_cache_is_exact(void **state)
{
	(void)state;
	start("llama", 2, 256, 4, 2);
	struct gguf_ram r = estimate(4000);
	assert_true(r.known);
	assert_string_equal(r.reason, "");
	assert_int_equal(r.context, 4096);
	assert_int_equal(r.weights, 416); /* 400, padded */
	assert_int_equal(r.kv_cache, 4 * MIB);
	assert_true(r.overhead >= 8 * MIB + 10486 && r.overhead < 11 * MIB);
	assert_int_equal(r.total, r.weights + r.kv_cache + r.overhead);
	assert_int_equal(r.token, r.kv_cache / 4096 + 1024); /* and a column of the mask */
	start("llama", 8, 1024, 8, 4);
	r = estimate(32768);
	assert_int_equal(r.kv_cache, 512 * MIB);
	assert_true(r.overhead >= 50 * MIB && r.overhead < 60 * MIB);
}

static void context_of_the_model_is_the_default(void **state)
{
	(void)state;
	start("qwen2", 2, 256, 4, 0);
	struct gguf_ram r = estimate(0);
	assert_int_equal(r.context, 8192);
	assert_int_equal(r.kv_cache, 16 * MIB); /* as many heads as queries */
}

static void key_and_value_length_count(void **state)
{
	(void)state;
	start("qwen3", 2, 256, 4, 2);
	build_u32(&b, "qwen3.attention.key_length", 128);
	build_u32(&b, "qwen3.attention.value_length", 32);
	struct gguf_ram r = estimate(256);
	assert_int_equal(r.kv_cache, 2 * 256 * 2 * (128 + 32) * 2);
}

static void heads_may_differ_by_layer(void **state)
{
	(void)state;
	uint32_t heads[3] = { 4, 0, 2 };
	start("openelm", 3, 256, 4, 0);
	build_array(&b, "openelm.attention.head_count_kv", GGUF_U32, 3, heads, sizeof heads);
	struct gguf_ram r = estimate(256);
	assert_true(r.known);
	assert_int_equal(r.kv_cache, (4 + 0 + 2) * 256 * (64 + 64) * 2);
	start("openelm", 4, 256, 4, 0);
	build_array(&b, "openelm.attention.head_count_kv", GGUF_U32, 3, heads, sizeof heads);
	r = estimate(256);
	assert_false(r.known);
	assert_string_equal(r.reason, "the number of heads of each layer is not given");
}

/* Gemma 3: five layers of six see a window of 1024; a batch of 512 is kept on top. */
static void windows_are_windows(void **state)
{
	(void)state;
	start("gemma3", 6, 256, 4, 2);
	build_u32(&b, "gemma3.attention.sliding_window", 1024);
	struct gguf_ram r = estimate(8192);
	assert_true(r.known);
	uint64_t row = 2 * (64 + 64) * 2;
	assert_int_equal(r.kv_cache, row * 8192 + 5 * row * 1536);
	assert_int_equal(r.token, row + 1024);
	start("gemma3", 6, 256, 4, 2);
	build_u32(&b, "gemma3.attention.sliding_window", 1024);
	r = estimate(512);
	assert_int_equal(r.kv_cache, 6 * row * 512);
	/* The key of an architecture that has no windows in llama.cpp. */
	start("llama", 6, 256, 4, 2);
	build_u32(&b, "llama.attention.sliding_window", 1024);
	r = estimate(8192);
	assert_int_equal(r.kv_cache, 6 * row * 8192);
}

static void assert_unknown(uint64_t context, const char *reason)
{
	struct gguf_ram r = estimate(context);
	assert_false(r.known);
	assert_string_equal(r.reason, reason);
	assert_int_equal(r.total, 0);
	assert_int_equal(r.kv_cache, 0);
	assert_int_equal(r.weights, 416);
}

static void what_is_not_known_is_said(void **state)
{
	(void)state;
	start("mamba", 2, 256, 4, 2);
	build_u32(&b, "mamba.ssm.state_size", 16);
	assert_unknown(0, "it has recurrent layers");
	start("deepseek2", 2, 256, 4, 2);
	build_u32(&b, "deepseek2.attention.kv_lora_rank", 512);
	assert_unknown(0, "it compresses keys and values (MLA)");
	start("newthing", 2, 256, 4, 2);
	assert_unknown(0,
		       "memory for the context of the architecture newthing cannot be estimated");
	start("llama", 0, 256, 4, 2);
	assert_unknown(0, "the number of layers or heads, the embedding length or the vocabulary "
			  "is not given");
	start("llama", 2, 256, 4, 2);
	assert_unknown(UINT64_MAX, "the context length is out of range");
	start("llama", 100000, 256, 4, 2);
	assert_unknown(0, "its dimensions are out of range");
	start("gemma2", 2, 256, 4, 2);
	assert_unknown(0, "the size of its sliding window is not given");
	build_init(&b);
	build_string(&b, "general.type", "imatrix");
	struct gguf_ram r = estimate(0);
	assert_string_equal(r.reason, "the architecture is missing");
	build_init_llama(&b);
	build_u32(&b, "llama.context_length", 512);
	r = estimate(0);
	assert_string_equal(r.reason, "it has no tensors");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_cache_is_exact),
		cmocka_unit_test(context_of_the_model_is_the_default),
		cmocka_unit_test(key_and_value_length_count),
		cmocka_unit_test(heads_may_differ_by_layer),
		cmocka_unit_test(windows_are_windows),
		cmocka_unit_test(what_is_not_known_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
