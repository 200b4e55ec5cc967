#include "prepare/contradict.h"

#include "catalog/lint.h"
#include "prepare/describe.h"
#include "util/mem.h"

#include <ctype.h>
#include <string.h>

/* Conversions differ in what they store twice, and a person may have rounded. */
#define PARAMETERS_PERCENT 30

void contradict_variant(const struct model *m, struct report *report, struct prepare_result *result)
{
	CLEANUP(mem_free_ptr) char *is = gguf_quantization(m->files, m->count);
	CLEANUP(mem_free_ptr) char *file = mem_printf("%s.gguf", result->variant);
	struct gguf_name name = { 0 };
	/* Its label may say more than the content, and was accepted. */
	if (!is || gguf_foreign(m->files[0]) || !gguf_name_parse(file, &name) ||
	    !name.encoding[0] || !gguf_contradicts(name.encoding, is))
		return;
	CLEANUP(mem_free_ptr) char *text =
		mem_printf("the variant has the name of another quantization: the model is %s", is);
	model_warn(report, result, result->variant, "variant", text);
}

/* "Phi-2" and "phi2" are the same, and "Llama 3" is a kind of "llama". */
static bool is_family(const char *a, const char *b)
{
	for (;;) {
		while (*a && !isalnum((unsigned char)*a))
			a++;
		while (*b && !isalnum((unsigned char)*b))
			b++;
		if (!*a || !*b)
			return true;
		if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++))
			return false;
	}
}

static void check_family(const char *id, const json_t *card, const json_t *generated,
			 struct report *report, struct prepare_result *result)
{
	const char *has = json_string_value(json_object_get(card, "family"));
	const char *is = json_string_value(json_object_get(generated, "family"));
	if (!has || !is || is_family(has, is))
		return;
	CLEANUP(mem_free_ptr) char *text = mem_printf("the model's architecture is %s, but it "
						      "joins a card of the family %s: is it a "
						      "variant of the same model?",
						      is, has);
	model_warn(report, result, id, "family", text);
}

static void check_parameters(const char *id, const json_t *card, const json_t *generated,
			     struct report *report, struct prepare_result *result)
{
	double has = json_number_value(json_object_get(card, "parameters"));
	double is = json_number_value(json_object_get(generated, "parameters"));
	if (has <= 0 || is <= 0 || MAX(has, is) * (100 - PARAMETERS_PERCENT) <= MIN(has, is) * 100)
		return;
	CLEANUP(mem_free_ptr) char *text = mem_printf("the model has %.0f parameters, but it joins "
						      "a card of a model with %.0f: is it a "
						      "variant of the same model?",
						      is, has);
	model_warn(report, result, id, "parameters", text);
}

static bool has_same_files(const json_t *a, const json_t *b)
{
	const json_t *x = json_object_get(a, "files"), *y = json_object_get(b, "files");
	size_t count = json_array_size(x);
	for (size_t i = 0; i < count && i < json_array_size(y); i++)
		if (!json_equal(json_object_get(json_array_get(x, i), "sha256"),
				json_object_get(json_array_get(y, i), "sha256")))
			return false;
	return count && count == json_array_size(y);
}

static void check_files(const json_t *card, const json_t *generated, struct report *report,
			struct prepare_result *result)
{
	const json_t *own = json_array_get(json_object_get(generated, "variants"), 0);
	const json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant) {
		const char *id = json_string_value(json_object_get(variant, "id"));
		if (strcmp(id, result->variant) == 0 || !has_same_files(variant, own))
			continue;
		CLEANUP(mem_free_ptr) char *text =
			mem_printf("the variant '%s' has the same files, byte for byte", id);
		model_warn(report, result, result->variant, "same-files", text);
	}
}

void contradict_card(const struct model *m, const json_t *card, const json_t *generated,
		     struct report *report, struct prepare_result *result)
{
	const char *id = json_string_value(json_object_get(generated, "id"));
	check_files(card, generated, report, result);
	/* A projector or an adapter differs from its model by its nature. */
	if (gguf_kind(m->files[0]) != GGUF_KIND_MODEL)
		return;
	check_family(id, card, generated, report, result);
	check_parameters(id, card, generated, report, result);
}

static void warn_list(const struct model *m, const struct card *card, struct report *report,
		      struct prepare_result *result)
{
	struct gguf_metadata metadata;
	CLEANUP(license_release) struct license said = { 0 };
	gguf_metadata(m->files[0], &metadata);
	describe_license(&metadata, &said);
	if (!said.list || !said.id || strcmp(said.id, card->license) != 0)
		return;
	CLEANUP(mem_free_ptr) char *text =
		mem_printf("license.id: the model lists several licenses and does not say whether "
			   "all of them apply, so '%s' requires all: if readers may choose, set "
			   "license.id to an expression with OR",
			   said.id);
	model_warn(report, result, card->id, "license", text);
}

void contradict_license(const struct model *m, const struct card *card, struct report *report,
			struct prepare_result *result)
{
	CLEANUP(lint_release) struct lint_findings findings = { 0 };
	if (!card->license)
		return;
	warn_list(m, card, report, result);
	lint_license(card, &findings);
	for (size_t i = 0; i < findings.count; i++)
		model_warn(report, result, card->id, "license", findings.at[i].text);
}
