#include "gguf/gguf.h"

static const char *const value_names[GGUF_VALUES] = {
	"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
	"bool", "string", "array", "u64", "i64", "f64",
};

const char *gguf_value_name(enum gguf_value type)
{
	return (unsigned)type < GGUF_VALUES ? value_names[type] : "unknown";
}

/* ggml.h and ggml-common.h of llama.cpp. */
static const struct gguf_type types[] = {
	{ 0, "f32", 1, 4, NULL },         { 1, "f16", 1, 2, NULL },
	{ 2, "q4_0", 32, 18, NULL },      { 3, "q4_1", 32, 20, NULL },
	{ 6, "q5_0", 32, 22, NULL },      { 7, "q5_1", 32, 24, NULL },
	{ 8, "q8_0", 32, 34, NULL },      { 9, "q8_1", 32, 36, NULL },
	{ 10, "q2_K", 256, 84, NULL },    { 11, "q3_K", 256, 110, NULL },
	{ 12, "q4_K", 256, 144, NULL },   { 13, "q5_K", 256, 176, NULL },
	{ 14, "q6_K", 256, 210, NULL },   { 15, "q8_K", 256, 292, NULL },
	{ 16, "iq2_xxs", 256, 66, NULL }, { 17, "iq2_xs", 256, 74, NULL },
	{ 18, "iq3_xxs", 256, 98, NULL }, { 19, "iq1_s", 256, 50, NULL },
	{ 20, "iq4_nl", 32, 18, NULL },   { 21, "iq3_s", 256, 110, NULL },
	{ 22, "iq2_s", 256, 82, NULL },   { 23, "iq4_xs", 256, 136, NULL },
	{ 24, "i8", 1, 1, NULL },         { 25, "i16", 1, 2, NULL },
	{ 26, "i32", 1, 4, NULL },        { 27, "i64", 1, 8, NULL },
	{ 28, "f64", 1, 8, NULL },        { 29, "iq1_m", 256, 56, NULL },
	{ 30, "bf16", 1, 2, NULL },       { 34, "tq1_0", 256, 54, NULL },
	{ 35, "tq2_0", 256, 66, NULL },   { 39, "mxfp4", 32, 17, NULL },
	{ 40, "nvfp4", 64, 36, NULL },    { 41, "q1_0", 128, 18, NULL },
	{ 42, "q2_0", 64, 18, NULL },
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

/* enum llama_ftype of llama.h; the gaps are file types that were removed. */
static const char *const file_types[] = {
	[0] = "F32",      [1] = "F16",      [2] = "Q4_0",       [3] = "Q4_1",    [7] = "Q8_0",
	[8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",      [11] = "Q3_K_S", [12] = "Q3_K_M",
	[13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M",    [16] = "Q5_K_S", [17] = "Q5_K_M",
	[18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS",    [21] = "Q2_K_S", [22] = "IQ3_XS",
	[23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL",    [26] = "IQ3_S",  [27] = "IQ3_M",
	[28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS",    [31] = "IQ1_M",  [32] = "BF16",
	[36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4_MOE", [39] = "NVFP4",  [40] = "Q1_0",
	[41] = "Q2_0",
};
#define FILE_TYPE_GUESSED 1024

const char *gguf_file_type_name(uint64_t file_type)
{
	file_type &= ~(uint64_t)FILE_TYPE_GUESSED;
	return file_type < ARRAY_LEN(file_types) ? file_types[file_type] : NULL;
}

int gguf_file_type_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(file_types); i++)
		if (file_types[i] && str_eq_nocase(file_types[i], name))
			return (int)i;
	return -1;
}
