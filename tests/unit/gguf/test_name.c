#include "gguf/gguf.h"
#include "unit.h"

static struct gguf_name parse(const char *name)
{
	struct gguf_name n;
	assert_true(gguf_name_parse(name, &n));
	return n;
}

static void a_whole_name_is_parsed(void **state)
{
	(void)state;
	struct gguf_name n = parse("Mixtral-8x7B-Instruct-v0.1-Q4_K_M-00001-of-00003.gguf");
	assert_string_equal(n.base, "Mixtral");
	assert_string_equal(n.size, "8x7B");
	assert_string_equal(n.fine_tune, "Instruct");
	assert_string_equal(n.version, "v0.1");
	assert_string_equal(n.encoding, "Q4_K_M");
	assert_int_equal(n.shard, 1);
	assert_int_equal(n.shards, 3);
	assert_true(n.conforms);
}

static void parts_may_be_missing(void **state)
{
	(void)state;
	struct gguf_name n = parse("phi-2-q4_k_m.gguf");
	assert_string_equal(n.base, "phi-2");
	assert_string_equal(n.encoding, "q4_k_m");
	assert_false(n.conforms);
	n = parse("llama-2-7b-chat.Q5_K_S.gguf");
	assert_string_equal(n.base, "llama-2");
	assert_string_equal(n.size, "7b");
	assert_string_equal(n.fine_tune, "chat");
	assert_string_equal(n.encoding, "Q5_K_S");
	n = parse("model.gguf");
	assert_string_equal(n.base, "model");
	assert_string_equal(n.encoding, "");
	assert_int_equal(n.shards, 0);
}

static void prefixes_kinds_and_versions(void **state)
{
	(void)state;
	struct gguf_name n = parse("mmproj-Gemma-3-4B-it-v1.0-BF16.gguf");
	assert_string_equal(n.prefix, "mmproj");
	assert_string_equal(n.base, "Gemma-3");
	assert_string_equal(n.size, "4B");
	assert_string_equal(n.fine_tune, "it");
	assert_string_equal(n.version, "v1.0");
	n = parse("Hermes-2-Pro-Llama-3-8B-v1.0-F16-LoRA.gguf");
	assert_string_equal(n.kind, "LoRA");
	assert_string_equal(n.encoding, "F16");
	n = parse("Grok-100B-v1.0-Q4_0-00003-of-00009.gguf");
	assert_int_equal(n.shard, 3);
	n = parse("Tiny-1.5B-v2-Q8_0.gguf");
	assert_string_equal(n.size, "1.5B");
	assert_string_equal(n.version, "v2");
}

static void labels_that_are_no_file_types(void **state)
{
	(void)state;
	struct gguf_name n = parse("Foo-7B-UD-Q4_K_XL.gguf");
	assert_string_equal(n.encoding, "Q4_K_XL");
	assert_string_equal(n.flavor, "UD");
	assert_string_equal(n.size, "7B");
	assert_string_equal(n.fine_tune, "");
	n = parse("Foo.i1-IQ2_M.gguf");
	assert_string_equal(n.encoding, "IQ2_M");
	assert_string_equal(n.flavor, "i1");
	assert_string_equal(parse("m-IQ4_KS_R4.gguf").encoding, "IQ4_KS_R4");
	assert_string_equal(parse("m-i2_s.gguf").encoding, "i2_s");
	assert_string_equal(parse("m-Q4_report.gguf").encoding, "");
	assert_string_equal(parse("m-Q4.gguf").encoding, "");
	assert_string_equal(parse("m-q.gguf").encoding, "");
}

static void an_encoding_is_found_wherever_people_write_it(void **state)
{
	(void)state;
	static const char *const names[][3] = {
		{ "Q4_K_M.gguf", "Q4_K_M", "" },
		{ "foo_7b_Q4_K_M.gguf", "Q4_K_M", "" },
		{ "foo Q8_0.gguf", "Q8_0", "" },
		{ "Foo-Q4_K_M-imat.gguf", "Q4_K_M", "imat" },
		{ "Foo-imat-IQ3_XXS.gguf", "IQ3_XXS", "imat" },
		{ "Foo.imatrix.Q4_K_M.gguf", "Q4_K_M", "imatrix" },
		{ "Foo-imat.gguf", "", "" },
		{ "Foo-UD.gguf", "", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct gguf_name n = parse(names[i][0]);
		assert_string_equal(n.encoding, names[i][1]);
		assert_string_equal(n.flavor, names[i][2]);
	}
	assert_string_equal(parse("Foo-imat.gguf").base, "Foo-imat");
}

static void labels_contradict_by_file_type_or_by_class(void **state)
{
	(void)state;
	static const char *const right[][2] = {
		{ "Q4_K_M", "Q4_K_M" }, { "Q4_K_XL", "Q4_K_M" },  { "FP16", "F16" },
		{ "fp32", "F32" },      { "MXFP4", "MXFP4_MOE" }, { "Q4_0_4_4", "Q4_0" },
	};
	static const char *const wrong[][2] = {
		{ "Q4_K_S", "Q4_K_M" }, { "Q6_K_L", "Q4_K_M" }, { "IQ4_KSS", "Q4_K_M" },
		{ "FP16", "BF16" },     { "FP16", "F32" },      { "MXFP4", "NVFP4" },
	};
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		assert_false(gguf_contradicts(right[i][0], right[i][1]));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_true(gguf_contradicts(wrong[i][0], wrong[i][1]));
}

static void hostile_names_are_harmless(void **state)
{
	(void)state;
	struct gguf_name n;
	assert_false(gguf_name_parse("", &n));
	assert_false(gguf_name_parse(".gguf", &n));
	assert_false(gguf_name_parse("model.bin", &n));
	assert_true(gguf_name_parse("-.gguf", &n));
	assert_true(gguf_name_parse("----00001-of-00002.GGUF", &n));
	assert_int_equal(n.shards, 2);
	char name[5000];
	memset(name, 'x', sizeof name);
	strcpy(name + sizeof name - 6, ".gguf");
	assert_true(gguf_name_parse(name, &n));
	assert_int_equal(strlen(n.base), sizeof n.base - 1);
	for (size_t i = 1; i < sizeof name - 6; i += 2)
		name[i] = '-';
	assert_true(gguf_name_parse(name, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_name_is_parsed),
		cmocka_unit_test(parts_may_be_missing),
		cmocka_unit_test(prefixes_kinds_and_versions),
		cmocka_unit_test(labels_that_are_no_file_types),
		cmocka_unit_test(an_encoding_is_found_wherever_people_write_it),
		cmocka_unit_test(labels_contradict_by_file_type_or_by_class),
		cmocka_unit_test(hostile_names_are_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
