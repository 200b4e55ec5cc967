/* Right files: what is read from them. */
#include "ggufbuild.h"
#include "unit.h"

#include "util/file.h"
#include "util/path.h"

static void whole_model_is_read(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	build_string(&b, "general.name", "Test");
	build_whole_llama(&b, "q8_0", 64);
	struct gguf *g = build_open_ok(&b);
	assert_int_equal(g->version, 3);
	assert_int_equal(g->alignment, 32);
	assert_int_equal(g->kv_count, 14);
	assert_int_equal(g->tensor_count, 11);
	assert_int_equal(g->data_offset % 32, 0);
	assert_true(g->data_offset >= g->header_end && g->data_offset < g->header_end + 32);
	assert_int_equal(g->data_end, b.out.len);
	assert_int_equal(g->findings.count, 0);
	assert_string_equal(gguf_get_string(g, "general.name"), "Test");
	gguf_free(g);
	build_release(&b);
}

static void tensors_have_absolute_offsets(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	build_tensor(&b, "a", "f32", 3, 0);
	build_tensor(&b, "b.weight", "q4_K", 512, 2);
	build_tensor(&b, "c", "f16", 1, 0);
	struct gguf *g = build_open_ok(&b);
	const struct gguf_tensor *t = g->tensors;
	assert_int_equal(t[0].offset, g->data_offset);
	assert_int_equal(t[0].size, 12);
	assert_int_equal(t[0].padded, 32);
	assert_int_equal(t[0].dimensions, 1);
	assert_int_equal(t[1].offset, g->data_offset + 32);
	assert_int_equal(t[1].size, 4 * 144);
	assert_int_equal(t[1].elements, 1024);
	assert_int_equal(t[1].shape[0], 512);
	assert_int_equal(t[1].shape[1], 2);
	assert_int_equal(t[1].shape[2], 1);
	assert_string_equal(t[1].type->name, "q4_K");
	assert_int_equal(t[2].offset, g->data_offset + 32 + 576);
	assert_ptr_equal(gguf_find_tensor(g, "b.weight"), &t[1]);
	assert_null(gguf_find_tensor(g, "b"));
	gguf_free(g);
	build_release(&b);
}

static void every_scalar_type_is_read(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	uint64_t v;
	double d64 = -2.5;
	int8_t i8 = -1;
	int16_t i16 = 300;
	int64_t i64 = -5;
	uint64_t u64 = UINT64_MAX;
	uint16_t u16 = 65535;
	uint8_t u8 = 200, yes = 1;
	build_raw(&b, "a.u8", 4, GGUF_U8, &u8, 1);
	build_raw(&b, "a.i8", 4, GGUF_I8, &i8, 1);
	build_raw(&b, "a.u16", 5, GGUF_U16, &u16, 2);
	build_raw(&b, "a.i16", 5, GGUF_I16, &i16, 2);
	build_raw(&b, "a.u64", 5, GGUF_U64, &u64, 8);
	build_raw(&b, "a.i64", 5, GGUF_I64, &i64, 8);
	build_raw(&b, "a.f64", 5, GGUF_F64, &d64, 8);
	build_raw(&b, "a.yes", 5, GGUF_BOOL, &yes, 1);
	build_f32(&b, "a.f32", 0.5f);
	struct gguf *g = build_open_ok(&b);
	assert_true(gguf_get_u64(g, "a.u8", &v) && v == 200);
	assert_false(gguf_get_u64(g, "a.i8", &v));
	assert_int_equal(gguf_find(g, "a.i8")->as.i, -1);
	assert_true(gguf_get_u64(g, "a.u16", &v) && v == 65535);
	assert_true(gguf_get_u64(g, "a.i16", &v) && v == 300);
	assert_true(gguf_get_u64(g, "a.u64", &v) && v == UINT64_MAX);
	assert_false(gguf_get_u64(g, "a.i64", &v));
	assert_int_equal(gguf_find(g, "a.i64")->as.i, -5);
	assert_true(gguf_find(g, "a.f64")->as.f == -2.5);
	assert_true(gguf_find(g, "a.f32")->as.f == 0.5);
	assert_int_equal(gguf_find(g, "a.yes")->as.u, 1);
	assert_null(gguf_get_string(g, "a.u8"));
	assert_null(gguf_find(g, "a.none"));
	gguf_free(g);
	build_release(&b);
}

static void short_arrays_are_kept(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	const char *const tags[] = { "text-generation", "", "en" };
	uint32_t heads[] = { 8, 4, 2 };
	build_strings(&b, "general.tags", tags, 3);
	build_array(&b, "llama.attention.head_count_kv", GGUF_U32, 3, heads, sizeof heads);
	struct gguf *g = build_open_ok(&b);
	const struct gguf_kv *kv = gguf_get_array(g, "general.tags", GGUF_STRING);
	assert_non_null(kv);
	assert_int_equal(kv->count, 3);
	assert_string_equal(kv->as.strings[0].s, "text-generation");
	assert_int_equal(kv->as.strings[1].len, 0);
	assert_string_equal(kv->as.strings[2].s, "en");
	kv = gguf_find_arch(g, "attention.head_count_kv");
	uint64_t v;
	assert_true(gguf_array_u64(kv, 1, &v) && v == 4);
	assert_false(gguf_array_u64(kv, 3, &v));
	assert_null(gguf_get_array(g, "general.tags", GGUF_U32));
	gguf_free(g);
	build_release(&b);
}

/* Tokens of several windows of the reader: measured and hashed, not kept. */
static void tokens_are_hashed_not_kept(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	build_tokens(&b, "tokenizer.ggml.tokens", 50000);
	size_t end = b.kvs.len;
	struct gguf *g = build_open_ok(&b);
	const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.tokens");
	assert_false(kv->kept);
	assert_int_equal(kv->count, 50000);
	struct digest want;
	sha256_of(b.kvs.data + end - kv->bytes, (size_t)kv->bytes, &want);
	assert_true(digest_equal(&kv->sha256, &want));
	struct gguf_metadata m;
	gguf_metadata(g, &m);
	assert_int_equal(m.vocabulary_size, 50000);
	gguf_free(g);
	build_release(&b);
}

static void long_numbers_are_hashed(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	static float scores[100000];
	scores[77777] = 1.0f;
	build_array(&b, "tokenizer.ggml.scores", GGUF_F32, 100000, scores, sizeof scores);
	build_u32(&b, "after", 7);
	struct gguf *g = build_open_ok(&b);
	const struct gguf_kv *kv = gguf_find(g, "tokenizer.ggml.scores");
	struct digest want;
	sha256_of(scores, sizeof scores, &want);
	assert_true(digest_equal(&kv->sha256, &want));
	uint64_t v;
	assert_true(gguf_get_u64(g, "after", &v) && v == 7);
	gguf_free(g);
	build_release(&b);
}

static void version_2_and_another_alignment(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	b.version = 2;
	b.alignment = 128;
	build_u32(&b, "general.alignment", 128);
	build_tensor(&b, "a", "f32", 1, 0);
	build_tensor(&b, "b", "f32", 1, 0);
	struct gguf *g = build_open_ok(&b);
	assert_int_equal(g->version, 2);
	assert_int_equal(g->data_offset % 128, 0);
	assert_int_equal(g->tensors[1].offset, g->data_offset + 128);
	gguf_free(g);
	build_release(&b);
}

static void missing_padding_at_the_end_is_a_note(void **state)
{
	(void)state;
	struct ggufbuild b;
	build_init_llama(&b);
	build_tensor(&b, "a", "f32", 1, 0);
	b.cut = 28;
	struct gguf *g = build_open_ok(&b);
	assert_finding(&g->findings, "last-padding", "28 bytes of padding are missing");
	assert_true(g->findings.at[0].note);
	gguf_free(g);
	build_release(&b);
}

static void an_open_file_is_read(void **state)
{
	(void)state;
	char *dir = scratch_new();
	struct ggufbuild b;
	build_init_llama(&b);
	build_whole_llama(&b, "f16", 64);
	const struct buf *file = build_file(&b);
	scratch_write(dir, "m.gguf", file->data, file->len);
	char *path = path_join(dir, "m.gguf");
	struct err e = ERR_INIT;
	struct gguf *g = NULL;
	CLEANUP(file_close) int fd = -1;
	uint64_t size;
	assert_ok(file_open_regular(path, &fd, &size, &e), &e);
	assert_ok(gguf_open_fd(fd, path, &g, &e), &e);
	assert_int_equal(g->tensor_count, 11);
	gguf_free(g);
	free(path);
	build_release(&b);
	scratch_free(dir);
}

/* As a header comes from a server: some of the file, its size known. */
static void types_are_known_by_id_and_name(void **state)
{
	(void)state;
	assert_int_equal(gguf_type(14)->bytes, 210);
	assert_int_equal(gguf_type(39)->block, 32);
	assert_null(gguf_type(4));
	assert_null(gguf_type(43));
	assert_string_equal(gguf_type_removed(4), "q4_2");
	assert_null(gguf_type_removed(0));
	assert_int_equal(gguf_type_named("Q4_K")->id, 12);
	assert_null(gguf_type_named("q4"));
	assert_string_equal(gguf_file_type_name(15), "Q4_K_M");
	assert_string_equal(gguf_file_type_name(1024 + 7), "Q8_0");
	assert_null(gguf_file_type_name(4));
	assert_null(gguf_file_type_name(UINT64_MAX));
	assert_int_equal(gguf_file_type_named("q4_k_m"), 15);
	assert_int_equal(gguf_file_type_named("Q4_K"), -1);
	assert_string_equal(gguf_value_name(GGUF_F64), "f64");
}

static void the_tables_of_types_agree(void **state)
{
	(void)state;
	const struct gguf_file_type *file_type;
	const struct gguf_type *type;
	size_t names = 0;
	for (uint32_t id = 0; id < GGUF_TYPE_IDS; id++) {
		if (!(type = gguf_type(id)))
			continue;
		assert_null(gguf_type_removed(id));
		assert_ptr_equal(gguf_type_named(type->name), type);
		assert_true(type->numbers.count == 0 || type->block > 1);
		for (unsigned i = 0; i < type->numbers.count; i++)
			assert_true(type->numbers.at[i] < type->bytes);
	}
	for (size_t i = 0; (file_type = gguf_file_type_at(i)); i++) {
		if (!file_type->name)
			continue;
		names++;
		assert_int_equal(gguf_file_type_named(file_type->name), i);
		assert_non_null(file_type->types[0]);
		for (size_t k = 0; k < GGUF_MAIN_TYPES && file_type->types[k]; k++)
			assert_non_null(gguf_type_named(file_type->types[k]));
	}
	assert_int_equal(names, 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_of_types_agree),
		cmocka_unit_test(whole_model_is_read),
		cmocka_unit_test(tensors_have_absolute_offsets),
		cmocka_unit_test(every_scalar_type_is_read),
		cmocka_unit_test(short_arrays_are_kept),
		cmocka_unit_test(tokens_are_hashed_not_kept),
		cmocka_unit_test(long_numbers_are_hashed),
		cmocka_unit_test(version_2_and_another_alignment),
		cmocka_unit_test(missing_padding_at_the_end_is_a_note),
		cmocka_unit_test(an_open_file_is_read),
		cmocka_unit_test(types_are_known_by_id_and_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
