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

static bool fits(const struct gguf_type *type, const char *const *types)
{
	for (size_t i = 0; i < GGUF_MAIN_TYPES && types[i]; i++)
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
	int known = quantization ? gguf_file_type_named(quantization) : -1;
	gguf_census(files, count, &census);
	if (known < 0 || !census.main_type)
		return;
	const char *const *types = gguf_file_type_at((size_t)known)->types;
	report_fallback(files, count, quantization, gguf_type_named(types[0]), out);
	if (!fits(census.main_type, types))
		gguf_finding_add(out, "file-type", "the file type is %s, but most weights are %s",
				 quantization, census.main_type->name);
}
