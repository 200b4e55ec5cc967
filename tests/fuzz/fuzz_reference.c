#include "catalog/catalog.h"
#include "catalog/link.h"
#include "util/mem.h"
#include "util/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The small texts of people: references, URLs. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	CLEANUP(reference_release) struct reference r = { 0 };
	struct err e = ERR_INIT;
	if (reference_parse(text, &r, &e) == 0 &&
	    (!path_is_id(r.model) || (r.variant && !path_is_id(r.variant))))
		abort();
	(void)link_fault(text, true);
	(void)link_is_plain_http(text);
	return 0;
}
