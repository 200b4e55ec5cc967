#include "ggufbuild.h"
#include "unit.h"

#include "json/json.h"

static struct ggufbuild b;

static struct gguf_findings check(const char *quantization)
{
	struct gguf *g = build_open_ok(&b);
	const struct gguf *file = g;
	struct gguf_findings f = { 0 };
	gguf_census_check(&file, 1, quantization, &f);
	gguf_free(g);
	build_release(&b);
	return f;
}

static void rows_are_counted(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_tensor(&b, "token_embd.weight", "q6_K", 256, 64);
	build_tensor(&b, "blk.0.a.weight", "q4_K", 256, 8);
	build_tensor(&b, "blk.0.b.weight", "q4_K", 512, 8);
	build_tensor(&b, "norm.weight", "f32", 256, 0);
	struct gguf *g = build_open_ok(&b);
	const struct gguf *file = g;
	struct gguf_census c;
	gguf_census(&file, 1, &c);
	assert_int_equal(c.count, 3);
	assert_int_equal(c.tensors, 4);
	assert_string_equal(c.rows[0].type->name, "q6_K");
	assert_int_equal(c.rows[0].bytes, 64 * 210);
	assert_string_equal(c.rows[1].type->name, "q4_K");
	assert_int_equal(c.rows[1].tensors, 2);
	assert_int_equal(c.rows[1].elements, 6144);
	assert_int_equal(c.elements, 16384 + 6144 + 256);
	assert_string_equal(c.main_type->name, "q4_K"); /* embeddings aside */
	double want = 8.0 * (double)c.bytes / (double)c.elements;
	assert_true(c.bits_per_weight > want - 0.001 && c.bits_per_weight < want + 0.001);
	gguf_free(g);
	build_release(&b);
}

/* What llama-quantize does to a model whose rows are 64 or 320. */
static void silent_fallback_is_said(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 15);
	build_tensor(&b, "blk.0.attn_q.weight", "q4_K", 256, 320);
	build_tensor(&b, "blk.0.attn_v.weight", "q6_K", 256, 320);
	build_tensor(&b, "blk.0.ffn_down.weight", "q5_0", 320, 16);
	build_tensor(&b, "blk.1.ffn_down.weight", "q5_0", 320, 16);
	build_tensor(&b, "blk.2.ffn_down.weight", "q8_0", 320, 16);
	build_tensor(&b, "blk.0.attn_norm.weight", "f32", 320, 0);
	struct gguf_findings f = check(NULL);
	assert_int_equal(f.count, 2);
	assert_finding(&f, "fallback",
		       "Q4_K_M, but 2 tensors fell back to q5_0: rows of 320 "
		       "elements are not a multiple of 256 ('blk.0.ffn_down.weight')");
	assert_finding(&f, "fallback", "Q4_K_M, but 1 tensor fell back to q8_0");
	gguf_findings_release(&f);
}

static void another_main_type_is_said(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 7);
	build_whole_llama(&b, "f16", 256);
	struct gguf_findings f = check(NULL);
	assert_finding(&f, "file-type", "the file type is Q8_0, but most weights are f16");
	gguf_findings_release(&f);
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 1);
	build_whole_llama(&b, "f16", 256);
	f = check(NULL);
	assert_int_equal(f.count, 0);
	build_init_llama(&b);
	build_whole_llama(&b, "q4_K", 256);
	f = check("q5_k_m");
	assert_finding(&f, "file-type", "the file type is q5_k_m, but most weights are q4_K");
	gguf_findings_release(&f);
}

static void unknown_file_type_is_said(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 999);
	struct gguf *g = build_open_ok(&b);
	assert_finding(&g->findings, "file-type",
		       "general.file_type is 999, which is not a known quantization");
	gguf_free(g);
	build_release(&b);
}

static void metadata_is_extracted(void **state)
{
	(void)state;
	const char *const tags[] = { "chat", "small" };
	build_init_llama(&b);
	build_string(&b, "general.name", "Tiny");
	build_string(&b, "general.license", "mit");
	build_string(&b, "general.description", "");
	build_strings(&b, "general.tags", tags, 2);
	build_u32(&b, "general.file_type", 1024 + 7);
	build_whole_llama(&b, "q8_0", 64);
	build_string(&b, "tokenizer.chat_template", "{{ x.__class__ }}");
	struct gguf *g = build_open_ok(&b);
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	assert_string_equal(m.architecture, "llama");
	assert_string_equal(m.name, "Tiny");
	assert_string_equal(m.license, "mit");
	assert_null(m.description);
	assert_string_equal(m.quantization, "Q8_0");
	assert_int_equal(m.context_length, 2048);
	assert_int_equal(m.embedding_length, 64);
	assert_int_equal(m.block_count, 1);
	assert_int_equal(m.head_count, 4);
	assert_int_equal(m.head_count_kv, 2);
	assert_int_equal(m.vocabulary_size, 8);
	assert_string_equal(m.tokenizer_model, "llama");
	assert_int_equal(m.parameters, 64 * 8 + 3 * 64 + 3 * 64 * 64 + 6 * 64 * 64);
	assert_int_equal(m.tags->count, 2);
	gguf_free(g);
	build_release(&b);
}

static void json_says_the_same(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_string(&b, "general.name", "Ti\"ny");
	build_whole_llama(&b, "q8_0", 64);
	build_string(&b, "tokenizer.chat_template", "{{ x.__class__ }}");
	struct gguf *g = build_open_ok(&b);
	json_t *json = gguf_json(g);
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(MIB);
	assert_ok(json_canonical(json, &text, &e), &e);
	assert_non_null(strstr(text.data, "\"architecture\":\"llama\""));
	assert_non_null(strstr(text.data, "\"name\":\"Ti\\\"ny\""));
	assert_non_null(strstr(text.data, "\"context_length\":2048"));
	assert_non_null(strstr(text.data, "\"suspicious\":\"double underscores\""));
	assert_non_null(strstr(text.data, "{\"bytes\":39712,\"elements\":37376,"
					  "\"tensors\":8,\"type\":\"q8_0\"}"));
	assert_non_null(strstr(text.data, "\"tensor_count\":11"));
	buf_release(&text);
	json_decref(json);
	gguf_free(g);
	build_release(&b);
}

static void tokenizer_digest_follows_the_tokens(void **state)
{
	(void)state;
	struct gguf_metadata m[3];
	for (size_t i = 0; i < 3; i++) {
		build_init_llama(&b);
		build_string(&b, "general.name", i == 1 ? "other name" : "name");
		build_string(&b, "tokenizer.ggml.model", "llama");
		build_tokens(&b, "tokenizer.ggml.tokens", i == 2 ? 2000 : 2001);
		struct gguf *g = build_open_ok(&b);
		gguf_metadata(g, &m[i]);
		gguf_free(g);
		build_release(&b);
	}
	assert_true(digest_equal(&m[0].tokenizer_sha256, &m[1].tokenizer_sha256));
	assert_false(digest_equal(&m[0].tokenizer_sha256, &m[2].tokenizer_sha256));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_counted),
		cmocka_unit_test(silent_fallback_is_said),
		cmocka_unit_test(another_main_type_is_said),
		cmocka_unit_test(unknown_file_type_is_said),
		cmocka_unit_test(metadata_is_extracted),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(tokenizer_digest_follows_the_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
