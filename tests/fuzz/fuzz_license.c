/* Licenses as models and people write them: what is made of them is an expression in canonical
 * spelling. */
#include "catalog/license.h"
#include "util/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spelled(const char *id, bool may_be_unknown)
{
	CLEANUP(spdx_release) struct spdx s = { 0 };
	struct err e = ERR_INIT;
	if (spdx_parse(id, NULL, &s, &e) < 0 || strcmp(s.text, id) != 0 ||
	    (s.unknown && !may_be_unknown))
		abort();
}

static void check_read(const char *const *texts, size_t count, const char *name)
{
	CLEANUP(license_release) struct license said = { 0 };
	license_read(texts, count, name, &said);
	if (said.id)
		check_spelled(said.id, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, size);
	CLEANUP(mem_free_ptr) char *spelled = NULL, *meant = NULL;
	CLEANUP(spdx_release) struct spdx s = { 0 };
	struct err e = ERR_INIT;
	const char *const texts[] = { text, "mit or isc", text };
	const char *const other[] = { "other" };
	/* It compares with every id, which takes most of the time. */
	if (size % 16 == 0)
		meant = license_suggest(text);
	if (spdx_parse(text, NULL, &s, &e) == 0)
		check_spelled(s.text, true);
	if (license_spell(text, &spelled, &e) == 0)
		check_spelled(spelled, true);
	check_read(texts, 1, NULL);
	check_read(texts, ARRAY_LEN(texts), NULL);
	check_read(other, 1, text);
	return 0;
}
