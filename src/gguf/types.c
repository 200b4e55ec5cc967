#include "gguf/gguf.h"

static const char *const value_names[GGUF_VALUES] = {
	"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
	"bool", "string", "array", "u64", "i64", "f64",
};

const char *gguf_value_name(enum gguf_value type)
{
	return (unsigned)type < GGUF_VALUES ? value_names[type] : "unknown";
}

/* ggml.h and ggml-common.h of llama.cpp; what must be finite is in its
 * ggml_validate_row_data(). */
#define NOTHING BRACES(GGUF_NUMBER_NONE, 0, BRACES(0))
#define VALUES(number) BRACES(GGUF_NUMBER_##number, 0, BRACES(0))
#define SCALE(number, at) BRACES(GGUF_NUMBER_##number, 1, BRACES(at))
#define SCALES(number, first, second) BRACES(GGUF_NUMBER_##number, 2, BRACES(first, second))

static const struct gguf_type types[] = {
	{ 0, "f32", 1, 4, NULL, VALUES(F32) },
	{ 1, "f16", 1, 2, NULL, VALUES(F16) },
	{ 2, "q4_0", 32, 18, NULL, SCALE(F16, 0) },
	{ 3, "q4_1", 32, 20, NULL, SCALES(F16, 0, 2) },
	{ 6, "q5_0", 32, 22, NULL, SCALE(F16, 0) },
	{ 7, "q5_1", 32, 24, NULL, SCALES(F16, 0, 2) },
	{ 8, "q8_0", 32, 34, NULL, SCALE(F16, 0) },
	{ 9, "q8_1", 32, 36, NULL, SCALES(F16, 0, 2) },
	{ 10, "q2_K", 256, 84, NULL, SCALES(F16, 80, 82) },
	{ 11, "q3_K", 256, 110, NULL, SCALE(F16, 108) },
	{ 12, "q4_K", 256, 144, NULL, SCALES(F16, 0, 2) },
	{ 13, "q5_K", 256, 176, NULL, SCALES(F16, 0, 2) },
	{ 14, "q6_K", 256, 210, NULL, SCALE(F16, 208) },
	{ 15, "q8_K", 256, 292, NULL, SCALE(F32, 0) },
	{ 16, "iq2_xxs", 256, 66, NULL, SCALE(F16, 0) },
	{ 17, "iq2_xs", 256, 74, NULL, SCALE(F16, 0) },
	{ 18, "iq3_xxs", 256, 98, NULL, SCALE(F16, 0) },
	{ 19, "iq1_s", 256, 50, NULL, SCALE(F16, 0) },
	{ 20, "iq4_nl", 32, 18, NULL, SCALE(F16, 0) },
	{ 21, "iq3_s", 256, 110, NULL, SCALE(F16, 0) },
	{ 22, "iq2_s", 256, 82, NULL, SCALE(F16, 0) },
	{ 23, "iq4_xs", 256, 136, NULL, SCALE(F16, 0) },
	{ 24, "i8", 1, 1, NULL, NOTHING },
	{ 25, "i16", 1, 2, NULL, NOTHING },
	{ 26, "i32", 1, 4, NULL, NOTHING },
	{ 27, "i64", 1, 8, NULL, NOTHING },
	{ 28, "f64", 1, 8, NULL, VALUES(F64) },
	{ 29, "iq1_m", 256, 56, NULL, SCALE(SPLIT, 48) },
	{ 30, "bf16", 1, 2, NULL, VALUES(BF16) },
	{ 34, "tq1_0", 256, 54, NULL, SCALE(F16, 52) },
	{ 35, "tq2_0", 256, 66, NULL, SCALE(F16, 64) },
	{ 39, "mxfp4", 32, 17, NULL, SCALE(E8M0, 0) },
	{ 40, "nvfp4", 64, 36, NULL, NOTHING },
	{ 41, "q1_0", 128, 18, NULL, SCALE(F16, 0) },
	{ 42, "q2_0", 64, 18, NULL, SCALE(F16, 0) },
};

static const struct {
	uint32_t id;
	const char *name;
} removed[] = {
	{ 4, "q4_2" },      { 5, "q4_3" },      { 31, "q4_0_4_4" },
	{ 32, "q4_0_4_8" }, { 33, "q4_0_8_8" }, { 38, "iq4_nl_8_8" },
};

const struct gguf_type *gguf_type(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

const struct gguf_type *gguf_type_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(types[i].name, name))
			return &types[i];
	return NULL;
}

const char *gguf_type_removed(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(removed); i++)
		if (removed[i].id == id)
			return removed[i].name;
	return NULL;
}

#define MADE GGUF_FILE_TYPE_MADE
#define IMATRIX GGUF_FILE_TYPE_IMATRIX

/*
 * enum llama_ftype of llama.h; the gaps are file types that were removed. The mixtures (…_XS, …_M
 * of few bits) have several possible main types: llama_tensor_get_type of llama-quant.cpp.
 */
static const struct gguf_file_type file_types[] = {
	[0] = { "F32", { "f32" }, MADE },
	[1] = { "F16", { "f16" }, MADE },
	[2] = { "Q4_0", { "q4_0" }, MADE },
	[3] = { "Q4_1", { "q4_1" }, MADE },
	[7] = { "Q8_0", { "q8_0" }, MADE },
	[8] = { "Q5_0", { "q5_0" }, MADE },
	[9] = { "Q5_1", { "q5_1" }, MADE },
	[10] = { "Q2_K", { "q2_K", "q3_K" }, MADE },
	[11] = { "Q3_K_S", { "q3_K" }, MADE },
	[12] = { "Q3_K_M", { "q3_K" }, MADE },
	[13] = { "Q3_K_L", { "q3_K", "q5_K" }, MADE },
	[14] = { "Q4_K_S", { "q4_K" }, MADE },
	[15] = { "Q4_K_M", { "q4_K" }, MADE },
	[16] = { "Q5_K_S", { "q5_K" }, MADE },
	[17] = { "Q5_K_M", { "q5_K" }, MADE },
	[18] = { "Q6_K", { "q6_K" }, MADE },
	[19] = { "IQ2_XXS", { "iq2_xxs" }, MADE | IMATRIX },
	[20] = { "IQ2_XS", { "iq2_xs" }, MADE | IMATRIX },
	[21] = { "Q2_K_S", { "q2_K" }, MADE | IMATRIX },
	[22] = { "IQ3_XS", { "iq3_xxs", "iq3_s" }, MADE },
	[23] = { "IQ3_XXS", { "iq3_xxs" }, MADE },
	[24] = { "IQ1_S", { "iq1_s" }, MADE | IMATRIX },
	[25] = { "IQ4_NL", { "iq4_nl" }, MADE },
	[26] = { "IQ3_S", { "iq3_s" }, MADE },
	[27] = { "IQ3_M", { "iq3_s", "q4_K" }, MADE },
	[28] = { "IQ2_S", { "iq2_xs", "iq2_s" }, MADE | IMATRIX },
	[29] = { "IQ2_M", { "iq2_s" }, MADE },
	[30] = { "IQ4_XS", { "iq4_xs" }, MADE },
	[31] = { "IQ1_M", { "iq1_m" }, MADE | IMATRIX },
	[32] = { "BF16", { "bf16" }, MADE },
	[36] = { "TQ1_0", { "tq1_0" }, MADE },
	[37] = { "TQ2_0", { "tq2_0" }, MADE },
	[38] = { "MXFP4_MOE", { "mxfp4" }, MADE },
	[39] = { "NVFP4", { "nvfp4" }, 0 },
	[40] = { "Q1_0", { "q1_0" }, 0 },
	[41] = { "Q2_0", { "q2_0" }, 0 },
};
#define FILE_TYPE_GUESSED 1024

const char *gguf_file_type_name(uint64_t file_type)
{
	file_type &= ~(uint64_t)FILE_TYPE_GUESSED;
	return file_type < ARRAY_LEN(file_types) ? file_types[file_type].name : NULL;
}

int gguf_file_type_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(file_types); i++)
		if (file_types[i].name && str_eq_nocase(file_types[i].name, name))
			return (int)i;
	return -1;
}

const struct gguf_file_type *gguf_file_type_at(size_t index)
{
	return index < ARRAY_LEN(file_types) ? &file_types[index] : NULL;
}
