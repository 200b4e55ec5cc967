#include "gguf/internal.h"

#include <stdlib.h>
#include <string.h>

static int more_bytes(const void *pa, const void *pb)
{
	const struct gguf_census_row *a = pa, *b = pb;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? 1 : -1;
	return a->type->id < b->type->id ? -1 : a->type->id > b->type->id;
}

bool gguf_is_embedding(const struct gguf_tensor *t)
{
	return str_starts(t->name.s, "token_embd") ||
	       str_starts(t->name.s, "per_layer_token_embd") || str_starts(t->name.s, "output.");
}

static const struct gguf_type *main_type(const struct gguf *const *files, size_t count,
					 bool embeddings)
{
	uint64_t elements[GGUF_TYPE_IDS] = { 0 };
	const struct gguf_type *best = NULL;
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++) {
			const struct gguf_tensor *t = &files[f]->tensors[i];
			if (!embeddings && (t->dimensions < 2 || gguf_is_embedding(t)))
				continue;
			elements[t->type->id] += t->elements;
			if (!best || elements[t->type->id] > elements[best->id])
				best = t->type;
		}
	return best;
}

void gguf_census(const struct gguf *const *files, size_t count, struct gguf_census *out)
{
	struct gguf_census_row rows[GGUF_TYPE_IDS] = { 0 };
	*out = (struct gguf_census){ 0 };
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++) {
			const struct gguf_tensor *t = &files[f]->tensors[i];
			struct gguf_census_row *row = &rows[t->type->id];
			row->type = t->type;
			row->tensors++;
			row->elements += t->elements;
			row->bytes += t->size;
		}
	for (size_t i = 0; i < GGUF_TYPE_IDS; i++) {
		if (!rows[i].type)
			continue;
		out->rows[out->count++] = rows[i];
		out->tensors += rows[i].tensors;
		out->elements += rows[i].elements;
		out->bytes += rows[i].bytes;
	}
	qsort(out->rows, out->count, sizeof *out->rows, more_bytes);
	if (out->elements)
		out->bits_per_weight = (double)out->bytes * 8.0 / (double)out->elements;
	out->main_type = main_type(files, count, false);
	if (!out->main_type)
		out->main_type = main_type(files, count, true);
}

/*
 * The possible main types of each file type. The mixtures (…_XS, …_M of few bits) have several:
 * llama_tensor_get_type of llama.cpp's llama-quant.cpp.
 */
static const struct {
	const char *quantization;
	const char *types[4];
} expected[] = {
	{ "F32", { "f32" } },
	{ "F16", { "f16" } },
	{ "BF16", { "bf16" } },
	{ "Q4_0", { "q4_0" } },
	{ "Q4_1", { "q4_1" } },
	{ "Q5_0", { "q5_0" } },
	{ "Q5_1", { "q5_1" } },
	{ "Q8_0", { "q8_0" } },
	{ "Q2_K", { "q2_K", "q3_K" } },
	{ "Q2_K_S", { "q2_K" } },
	{ "Q3_K_S", { "q3_K" } },
	{ "Q3_K_M", { "q3_K" } },
	{ "Q3_K_L", { "q3_K", "q5_K" } },
	{ "Q4_K_S", { "q4_K" } },
	{ "Q4_K_M", { "q4_K" } },
	{ "Q5_K_S", { "q5_K" } },
	{ "Q5_K_M", { "q5_K" } },
	{ "Q6_K", { "q6_K" } },
	{ "IQ1_S", { "iq1_s" } },
	{ "IQ1_M", { "iq1_m" } },
	{ "IQ2_XXS", { "iq2_xxs" } },
	{ "IQ2_XS", { "iq2_xs" } },
	{ "IQ2_S", { "iq2_xs", "iq2_s" } },
	{ "IQ2_M", { "iq2_s" } },
	{ "IQ3_XXS", { "iq3_xxs" } },
	{ "IQ3_XS", { "iq3_xxs", "iq3_s" } },
	{ "IQ3_S", { "iq3_s" } },
	{ "IQ3_M", { "iq3_s", "q4_K" } },
	{ "IQ4_NL", { "iq4_nl" } },
	{ "IQ4_XS", { "iq4_xs" } },
	{ "TQ1_0", { "tq1_0" } },
	{ "TQ2_0", { "tq2_0" } },
	{ "MXFP4_MOE", { "mxfp4" } },
	{ "NVFP4", { "nvfp4" } },
	{ "Q1_0", { "q1_0" } },
	{ "Q2_0", { "q2_0" } },
};

static const char *const *expected_types(const char *quantization)
{
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		if (str_eq_nocase(expected[i].quantization, quantization))
			return expected[i].types;
	return NULL;
}

static bool fits(const struct gguf_type *type, const char *const *types)
{
	for (size_t i = 0; i < 4 && types[i]; i++)
		if (strcmp(type->name, types[i]) == 0)
			return true;
	return false;
}

/* If the block size does not divide the rows of a matrix, the quantizer silently uses another
 * type for it. */
static bool fell_back(const struct gguf_tensor *t, const struct gguf_type *wanted)
{
	bool matrix = t->dimensions >= 2 && str_ends(t->name.s, ".weight") &&
		      !strstr(t->name.s, "norm");
	return matrix && t->shape[0] % wanted->block && t->type->block != wanted->block;
}

static void report_fallback(const struct gguf *const *files, size_t count, const char *quantization,
			    const struct gguf_type *wanted, struct gguf_findings *out)
{
	uint64_t fallen[GGUF_TYPE_IDS] = { 0 };
	const struct gguf_tensor *first[GGUF_TYPE_IDS] = { NULL };
	for (size_t f = 0; f < count; f++)
		for (size_t i = 0; i < files[f]->tensor_count; i++) {
			const struct gguf_tensor *t = &files[f]->tensors[i];
			if (!fell_back(t, wanted))
				continue;
			if (!fallen[t->type->id]++)
				first[t->type->id] = t;
		}
	for (size_t i = 0; i < GGUF_TYPE_IDS; i++)
		if (fallen[i])
			gguf_finding_add(out, "fallback",
					 "%s, but %llu tensor%s fell back to %s: rows of %llu "
					 "elements are not a multiple of %u ('%.*s')",
					 quantization, (unsigned long long)fallen[i],
					 fallen[i] == 1 ? "" : "s", first[i]->type->name,
					 (unsigned long long)first[i]->shape[0], wanted->block,
					 SHOW(first[i]->name));
}

void gguf_census_check(const struct gguf *const *files, size_t count, const char *quantization,
		       struct gguf_findings *out)
{
	struct gguf_census census;
	uint64_t type;
	for (size_t f = 0; f < count && !quantization; f++)
		if (gguf_get_u64(files[f], "general.file_type", &type))
			quantization = gguf_file_type_name(type);
	const char *const *types = quantization ? expected_types(quantization) : NULL;
	gguf_census(files, count, &census);
	if (!types || !census.main_type)
		return;
	report_fallback(files, count, quantization, gguf_type_named(types[0]), out);
	if (!fits(census.main_type, types))
		gguf_finding_add(out, "file-type", "the file type is %s, but most weights are %s",
				 quantization, census.main_type->name);
}
