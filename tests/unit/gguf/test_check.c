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
	assert_ok(gguf_check(&source, name, &r, &e), &e);
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
	assert_finding(&r.findings, "name", "the file name says Q4_K_M, but the file is Q8_0");
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
	assert_finding(&r.findings, "name", "is that of shard 1 of 3, but it is not a shard");
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
	assert_ok(gguf_check(&source, "m.gguf", &r, &e), &e);
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
	assert_int_equal(gguf_check_path(dir, &r, &e), -ERR_USAGE);
	char *none = path_join(dir, "none.gguf");
	struct err e2 = ERR_INIT;
	assert_int_equal(gguf_check_path(none, &r, &e2), -ERR_NOT_FOUND);
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
		cmocka_unit_test(shard_names_are_checked),
		cmocka_unit_test(padding_between_tensors_is_checked),
		cmocka_unit_test(refusal_is_a_verdict),
		cmocka_unit_test(unreadable_file_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
