#include "mirror/bundle_index.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first block of a bundle, and its index. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mirror_bundle_index x = { 0 };
	struct err e = ERR_INIT, why = ERR_INIT;
	size_t length = 0;
	if (size >= MIRROR_BUNDLE_BLOCK && mirror_bundle_head(data, &length, &e) == 0 &&
	    length > MIRROR_BUNDLE_MAX_INDEX)
		__builtin_trap();
	if (size < MIRROR_BUNDLE_BLOCK ||
	    mirror_bundle_parse(data + MIRROR_BUNDLE_BLOCK, size - MIRROR_BUNDLE_BLOCK, &x, &why) <
		    0)
		return 0;
	for (size_t i = 0; i < x.count; i++) {
		const struct mirror_bundle_object *o = &x.at[i];
		if (mirror_bundle_find(&x, o->key) != o || o->offset < MIRROR_BUNDLE_BLOCK ||
		    o->offset + o->size > x.end)
			__builtin_trap();
	}
	mirror_bundle_index_release(&x);
	return 0;
}
