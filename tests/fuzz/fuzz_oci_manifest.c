/* Manifests of registries: what is read can be written, and is read again as the same. */
#include "oci/manifest.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(oci_manifest_release) struct oci_manifest m = { 0 }, again = { 0 };
	CLEANUP(buf_release) struct buf text = BUF_INIT(4 * OCI_MANIFEST_MAX);
	struct err e = ERR_INIT, bad = ERR_INIT;
	if (oci_manifest_parse(data, len, "it", &m, &e) < 0)
		return 0;
	if (!m.type || !m.config.type)
		abort();
	if (oci_manifest_write(&m, &text, &bad) < 0)
		return 0;
	if (oci_manifest_parse(buf_str(&text), text.len, "it", &again, &bad) < 0 ||
	    again.count != m.count || strcmp(again.type, m.type) != 0)
		abort();
	if (m.count && m.layers[0].title) {
		CLEANUP(mem_free_ptr) char *title = mem_strdup(m.layers[0].title);
		if (!oci_manifest_remove(&again, title) || oci_manifest_find(&again, title))
			abort();
	}
	return 0;
}
