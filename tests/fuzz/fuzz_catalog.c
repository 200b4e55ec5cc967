#include "catalog/catalog.h"
#include "catalog/lint.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(catalog_release) struct catalog c = { 0 };
	CLEANUP(lint_release) struct lint_findings findings = { 0 };
	struct err e = ERR_INIT;
	if (catalog_parse(data, size, "catalog", &c, &e) < 0)
		return 0;
	lint_cards(c.models, c.model_count, &findings);
	for (size_t i = 0; i < c.model_count; i++) {
		const struct reference r = { .model = (char *)(uintptr_t)c.models[i].id };
		const struct card *model;
		const struct card_variant *variant;
		/* Whatever is in a catalog can be asked for. */
		if (catalog_resolve(&c, &r, &model, &variant, &e) < 0 || !variant->file_count)
			abort();
	}
	return 0;
}
