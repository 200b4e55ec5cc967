#include "site/assets.h"

#include "hash/sha256.h"
#include "util/mem.h"

#include <string.h>

#define DIGITS 16

const struct asset *assets_named(const char *name)
{
	for (size_t i = 0; i < assets_count; i++)
		if (!strcmp(assets_all[i].name, name))
			return &assets_all[i];
	return NULL;
}

char *assets_path(const char *name, const void *data, size_t len)
{
	struct digest digest;
	sha256_of(data, len, &digest);
	char hex[DIGEST_HEX];
	digest_hex(hex, &digest);
	const char *dot = strrchr(name, '.');
	return mem_printf("assets/%.*s.%.*s%s", (int)(dot - name), name, DIGITS, hex, dot);
}
