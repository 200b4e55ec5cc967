#include "catalog/holds.h"

#include <string.h>

static const char *const names[] = { "all", "objects", "metadata" };

const char *holds_name(enum mirror_holds h)
{
	return names[h];
}

bool holds_parse(const char *word, enum mirror_holds *out)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], word) == 0) {
			*out = (enum mirror_holds)i;
			return true;
		}
	return false;
}
