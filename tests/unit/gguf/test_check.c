/* The verdict on a file, and what it is made of. */
#include "ggufbuild.h"
#include "unit.h"

#include "util/path.h"

static struct ggufbuild b;

static struct gguf_report check(const char *name)
{
	const struct buf *file = build_file(&b);
	struct memory_input memory = { buf_str(file), file->len };
	struct gguf_input source;
	struct gguf_report r;
	struct err e = ERR_INIT;
	memory_input_init(&source, &memory);
	assert_ok(gguf_check(&source, name, false, &r, &e), &e);
	build_release(&b);
	return r;
}

static void good_file_is_ok(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 7);
	build_whole_llama(&b, "q8_0", 256);
	struct gguf_report r = check("dir/Tiny-1M-v1.0-Q8_0.gguf");
	assert_int_equal(r.verdict, GGUF_OK);
	assert_string_equal(gguf_verdict_name(r.verdict), "ok");
	assert_int_equal(r.findings.count, 0);
	assert_non_null(r.file);
	gguf_report_release(&r);
}

static void unconventional_name_is_only_a_note(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_whole_llama(&b, "q8_0", 256);
	struct gguf_report r = check("tiny-q8_0.gguf");
	assert_int_equal(r.verdict, GGUF_OK);
	assert_int_equal(r.findings.count, 1);
	assert_true(r.findings.at[0].note);
	gguf_report_release(&r);
}

static void findings_make_warnings(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "general.file_type", 7);
	build_whole_llama(&b, "q8_0", 256);
	build_string(&b, "tokenizer.chat_template", "{% import 'os' %}");
	b.trail = 3;
	struct gguf_report r = check("tiny-Q4_K_M.gguf");
	assert_int_equal(r.verdict, GGUF_WARNINGS);
	assert_finding(&r.findings, "trailing-bytes", "3 bytes");
	assert_finding(&r.findings, "template",
		       "'tokenizer.chat_template' looks suspicious: import");
	assert_finding(&r.findings, "quantization",
		       "the file name says Q4_K_M, but the file is Q8_0");
	gguf_report_release(&r);
	build_init_llama(&b);
	build_whole_llama(&b, "q8_0", 256);
	r = check("model.bin");
	assert_finding(&r.findings, "name", "does not end in .gguf");
	gguf_report_release(&r);
}

static void missing_keys_are_found(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_tensor(&b, "token_embd.weight", "f32", 256, 8);
	build_tensor(&b, "blk.0.attn_q.weight", "f32", 256, 8);
	build_tensor(&b, "blk.4.attn_q.weight", "f32", 256, 8);
	build_u32(&b, "llama.block_count", 3);
	build_string(&b, "tokenizer.ggml.model", "gpt2");
	struct gguf_report r = check("m.gguf");
	assert_finding(&r.findings, "missing-key", "'llama.attention.head_count' is missing");
	assert_finding(&r.findings, "missing-key", "there is no tokenizer");
	assert_finding(&r.findings, "missing-pre", "'tokenizer.ggml.pre' is missing");
	assert_finding(&r.findings, "blocks", "tensors of 5 blocks, but block_count is 3");
	assert_null(finding_text(&r.findings, "no-tensors"));
	gguf_report_release(&r);
}

static struct gguf *with_blocks(uint32_t block_count, const char *const *names, size_t count)
{
	build_init_llama(&b);
	if (block_count)
		build_u32(&b, "llama.block_count", block_count);
	build_tensor(&b, "token_embd.weight", "f32", 32, 8);
	for (size_t i = 0; i < count; i++)
		build_tensor(&b, names[i], "f32", 32, 8);
	struct gguf *g = build_open_ok(&b);
	build_release(&b);
	return g;
}

static void blocks_without_tensors_are_named(void **state)
{
	(void)state;
	static const char *const names[] = { "blk.0.attn_q.weight", "blk.2.attn_q.weight" };
	static const struct {
		uint32_t claimed;
		size_t from, count;
		const char *said;
	} cases[] = {
		{ 3, 0, 2, "block_count is 3, but there are no tensors of block 1:" },
		{ 6, 0, 2, "there are no tensors of blocks 1, 3 to 5:" },
		{ 3, 1, 1, "there are no tensors of blocks 0 to 1:" },
		{ 2, 0, 0, "there are no tensors of blocks 0 to 1:" },
		{ 70, 0, 1, "there are no tensors of blocks 1 to 69:" },
		{ 4000000, 0, 1, "there are no tensors of blocks 1 to 65535:" },
		{ 2, 0, 2, "tensors of 3 blocks, but block_count is 2" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gguf *g = with_blocks(cases[i].claimed, names + cases[i].from,
					     cases[i].count);
		assert_finding(&g->findings, "blocks", cases[i].said);
		gguf_free(g);
	}
}

static void an_adapter_and_a_skipped_block_need_no_tensors(void **state)
{
	(void)state;
	static const uint32_t heads[] = { 4, 0, 4 };
	for (int i = 0; i < 2; i++) {
		build_init_llama(&b);
		build_u32(&b, "llama.block_count", 3);
		if (i == 0)
			build_string(&b, "general.type", "adapter");
		for (int key = 0; i == 1 && key < 2; key++)
			build_array(&b,
				    key ? "llama.feed_forward_length"
					: "llama.attention.head_count",
				    4, 3, heads, sizeof heads);
		build_tensor(&b, "blk.0.ffn_up.weight", "f32", 32, 8);
		build_tensor(&b, "blk.2.ffn_up.weight", "f32", 32, 8);
		struct gguf *g = build_open_ok(&b);
		build_release(&b);
		assert_null(finding_text(&g->findings, "blocks"));
		gguf_free(g);
	}
}

static void holes_are_seen_over_all_shards(void **state)
{
	(void)state;
	static const char *const names[] = { "blk.0.attn_q.weight", "blk.2.attn_q.weight",
					     "blk.1.attn_q.weight" };
	struct gguf *first = with_blocks(3, names, 1), *last = with_blocks(0, names + 1, 1),
		    *whole = with_blocks(0, names + 1, 2);
	const struct gguf *hole[] = { first, last }, *full[] = { first, whole };
	struct gguf_findings found = { 0 };
	gguf_blocks_check(full, 2, &found);
	assert_int_equal(found.count, 0);
	gguf_blocks_check(hole, 2, &found);
	assert_int_equal(found.count, 1);
	assert_finding(&found, "blocks", "no tensors of block 1");
	gguf_findings_release(&found);
	gguf_free(first);
	gguf_free(last);
	gguf_free(whole);
}

static void shard_names_are_checked(void **state)
{
	(void)state;
	uint16_t no = 1, count = 3;
	build_init(&b);
	build_raw(&b, "split.no", 8, GGUF_U16, &no, 2);
	build_raw(&b, "split.count", 11, GGUF_U16, &count, 2);
	struct gguf_report r = check("m-00001-of-00003.gguf");
	assert_finding(&r.findings, "name",
		       "it is shard 2 of 3: llama.cpp requires a name that "
		       "ends in -00002-of-00003.gguf");
	gguf_report_release(&r);
	build_init_llama(&b);
	r = check("m-00001-of-00003.gguf");
	assert_finding(&r.findings, "shard-name", "is that of shard 1 of 3, but it is not a shard");
	gguf_report_release(&r);
}

static void padding_between_tensors_is_checked(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_tensor(&b, "a", "f32", 1, 0);
	build_tensor(&b, "b", "f32", 8, 0);
	struct buf *file = (struct buf *)build_file(&b);
	struct memory_input memory = { file->data, file->len };
	struct gguf_input source;
	struct gguf_report r;
	struct err e = ERR_INIT;
	memory_input_init(&source, &memory);
	file->data[file->len - 40] = 1;
	assert_ok(gguf_check(&source, "m.gguf", false, &r, &e), &e);
	assert_finding(&r.findings, "padding", "the padding after tensor 'a' is not zero");
	gguf_report_release(&r);
	build_release(&b);
}

static void refusal_is_a_verdict(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_whole_llama(&b, "q8_0", 256);
	b.cut = 1000;
	struct gguf_report r = check("m.gguf");
	assert_int_equal(r.verdict, GGUF_REFUSED);
	assert_null(r.file);
	assert_int_equal(r.reason.class, ERR_INTEGRITY);
	assert_non_null(strstr(r.reason.text, "m.gguf: the file is truncated: 1000 bytes"));
	assert_true(r.reason.hint[0] != '\0');
	gguf_report_release(&r);
}

static void unreadable_file_is_an_error(void **state)
{
	(void)state;
	char *dir = scratch_new();
	struct gguf_report r;
	struct err e = ERR_INIT;
	assert_int_equal(gguf_check_path(dir, false, &r, &e), -ERR_USAGE);
	char *none = path_join(dir, "none.gguf");
	struct err e2 = ERR_INIT;
	assert_int_equal(gguf_check_path(none, false, &r, &e2), -ERR_NOT_FOUND);
	free(none);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_file_is_ok),
		cmocka_unit_test(unconventional_name_is_only_a_note),
		cmocka_unit_test(findings_make_warnings),
		cmocka_unit_test(missing_keys_are_found),
		cmocka_unit_test(blocks_without_tensors_are_named),
		cmocka_unit_test(an_adapter_and_a_skipped_block_need_no_tensors),
		cmocka_unit_test(holes_are_seen_over_all_shards),
		cmocka_unit_test(shard_names_are_checked),
		cmocka_unit_test(padding_between_tensors_is_checked),
		cmocka_unit_test(refusal_is_a_verdict),
		cmocka_unit_test(unreadable_file_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
