/* Statements and envelopes that somebody publishes: what is accepted has a subject, and asking
 * about it never fails. */
#include "catalog/provenance.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	const struct digest none = { { 0 } };
	const struct tuf_key unusable = { 0 };
	CLEANUP(provenance_release) struct provenance p = { 0 };
	if (provenance_parse(data, size, "it", &p, &e) < 0)
		return 0;
	if (!json_array_size(json_object_get(p.statement, "subject")) || !p.payload.len)
		abort();
	(void)provenance_is_of(&p, &none);
	for (size_t i = 0; i < provenance_signatures(&p); i++)
		if (!provenance_key_id(&p, i) || provenance_signed_by(&p, i, &unusable))
			abort();
	return 0;
}
