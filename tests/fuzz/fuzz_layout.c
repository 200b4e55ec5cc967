#include "store/links.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(store_layout_release) struct store_layout l = { 0 };
	struct err e = ERR_INIT;
	if (store_links_parse(data, size, "record", &l, &e) < 0)
		return 0;
	if (strlen(l.id) != STORE_LINKS_ID - 1)
		__builtin_trap();
	for (size_t i = 0; i < l.count; i++)
		if (l.files[i].path[0] != '/' ||
		    (l.files[i].how == STORE_LINKS_SYMLINK && !l.files[i].target))
			__builtin_trap();
	return 0;
}
