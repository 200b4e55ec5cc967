/* The manifest's parser, and that what it accepts keeps its promises. */
#include "catalog/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct manifest m, again;
	if (manifest_parse(data, len, "fuzz", &m, &e) < 0)
		return 0;
	uint64_t end = m.header_size;
	for (size_t i = 0; i < m.tensor_count; i++) {
		if (m.tensors[i].offset < end || m.tensors[i].dimensions > 4)
			abort();
		end = m.tensors[i].offset + m.tensors[i].size;
	}
	if (end > m.grid.size)
		abort();
	struct buf text = BUF_INIT(64 * MIB);
	json_t *document = manifest_json(&m);
	if (json_compact(document, &text, &e) < 0)
		abort();
	if (text.len <= MANIFEST_MAX_BYTES) {
		if (manifest_parse(text.data, text.len, "again", &again, &e) < 0)
			abort();
		manifest_release(&again);
	}
	json_decref(document);
	buf_release(&text);
	manifest_release(&m);
	return 0;
}
