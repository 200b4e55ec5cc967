/* Variants of one card that contradict themselves or each other. */
#include "catalog/lint.h"

#include "gguf/gguf.h"
#include "util/mem.h"

#include <ctype.h>
#include <string.h>

/* "q4_k_m" of "chat-q4_k_m" or "UD-Q4_K_M". */
static bool encoding_of(const char *label, struct gguf_name *out)
{
	CLEANUP(mem_free_ptr) char *file = mem_printf("m-%s.gguf", label);
	return gguf_name_parse(file, out) && out->encoding[0];
}

static void lint_label(const struct card_variant *v, const char *where, struct lint_findings *f)
{
	struct gguf_name named, is;
	if (!v->quantization || v->engine || !encoding_of(v->id, &named) ||
	    !encoding_of(v->quantization, &is) || !gguf_contradicts(named.encoding, is.encoding))
		return;
	for (char *p = named.encoding; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	lint_add(f, LINT_WARNING, where, "quantization: the id says %s, but the variant is %s",
		 named.encoding, v->quantization);
}

static bool has_same_files(const struct card_variant *a, const struct card_variant *b)
{
	if (a->file_count != b->file_count)
		return false;
	for (size_t i = 0; i < a->file_count; i++)
		if (!digest_equal(&a->files[i].sha256, &b->files[i].sha256))
			return false;
	return a->file_count > 0;
}

void lint_variants(const struct card *c, struct lint_findings *f)
{
	for (size_t i = 0; i < c->variant_count; i++) {
		const struct card_variant *v = &c->variants[i];
		CLEANUP(mem_free_ptr) char *where = mem_printf("%s:%s", c->id, v->id);
		lint_label(v, where, f);
		for (size_t k = 0; k < i; k++) {
			if (!has_same_files(&c->variants[k], v))
				continue;
			lint_add(f, LINT_WARNING, where,
				 "files: the same bytes as those of the variant '%s'",
				 c->variants[k].id);
			break;
		}
	}
}

void lint_shape_release(struct lint_shape *s)
{
	free(s->architecture);
	*s = (struct lint_shape){ 0 };
}

static uint64_t number_of(const json_t *gguf, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(gguf, key));
	return value > 0 ? (uint64_t)value : 0;
}

void lint_shape_add(struct lint_shape *s, const json_t *gguf)
{
	const char *type = json_string_value(json_object_get(gguf, "type"));
	const char *architecture = json_string_value(json_object_get(gguf, "architecture"));
	bool model = !type || strcmp(type, "model") == 0;
	/* A projector beside the model, or an adapter. */
	if (!model || (architecture && strcmp(architecture, "clip") == 0) ||
	    (s->architecture && !json_object_get(gguf, "split")))
		return;
	if (architecture && !s->architecture) {
		s->architecture = mem_strdup(architecture);
		s->embeddings = number_of(gguf, "vocabulary_size") *
				number_of(gguf, "embedding_length");
	}
	s->parameters += number_of(gguf, "parameters");
}

/* Some conversions store the embeddings twice, or small tables that others compute. */
static bool has_same_size(const struct lint_shape *a, const struct lint_shape *b)
{
	uint64_t more = MAX(a->parameters, b->parameters), less = MIN(a->parameters, b->parameters);
	return !less || more - less == a->embeddings || (more - less) <= more / 100;
}

void lint_shapes(const struct card *c, const struct lint_shape *shapes, struct lint_findings *f)
{
	size_t first = 0;
	while (first < c->variant_count && !shapes[first].architecture)
		first++;
	for (size_t i = first + 1; i < c->variant_count; i++) {
		const struct lint_shape *a = &shapes[first], *b = &shapes[i];
		CLEANUP(mem_free_ptr) char *where = mem_printf("%s:%s", c->id, c->variants[i].id);
		if (!b->architecture)
			continue;
		if (strcmp(a->architecture, b->architecture) != 0)
			lint_add(f, LINT_WARNING, where,
				 "its architecture is %s, but that of the variant '%s' is %s: is "
				 "it the same model?",
				 b->architecture, c->variants[first].id, a->architecture);
		else if (!has_same_size(a, b))
			lint_add(f, LINT_WARNING, where,
				 "it has %llu parameters, but the variant '%s' has %llu: is it "
				 "the same model?",
				 (unsigned long long)b->parameters, c->variants[first].id,
				 (unsigned long long)a->parameters);
	}
}
