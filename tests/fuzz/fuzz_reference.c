#include "catalog/catalog.h"
#include "catalog/link.h"
#include "catalog/lint.h"
#include "util/mem.h"
#include "util/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The small texts of people: references, licence expressions, URLs. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	CLEANUP(reference_release) struct reference r = { 0 };
	struct err e = ERR_INIT;
	enum lint_level level;
	char unknown[64];
	if (reference_parse(text, &r, &e) == 0 &&
	    (!path_is_id(r.model) || (r.variant && !path_is_id(r.variant))))
		abort();
	(void)spdx_license_fault(text, &level, unknown);
	(void)link_fault(text, true);
	(void)link_is_plain_http(text);
	return 0;
}
