#include "catalog/pack.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found lies within the pack. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "a", "targets/models/m/0.m.card.json", "" };
	CLEANUP(buf_release) struct buf pack = BUF_INIT(MIB);
	buf_add(&pack, data, size);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct err e = ERR_INIT;
		struct pack_file found;
		int rc = pack_find(&pack, keys[i], &found, &e);
		if (rc < 0 && rc != -ERR_INTEGRITY && rc != -ERR_NOT_FOUND)
			abort();
		if (rc == 0 && ((const char *)found.data < pack.data || found.len > pack.len ||
				(const char *)found.data + found.len > pack.data + pack.len))
			abort();
	}
	return 0;
}
