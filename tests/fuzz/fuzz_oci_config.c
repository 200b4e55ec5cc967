/* docker's config.json, and the answers of credential helpers. */
#include "oci/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(oci_config_release) struct oci_config c = { 0 }, answer = { 0 };
	struct err e = ERR_INIT, bad = ERR_INIT;
	if (oci_config_parse(data, len, "config.json", "ghcr.io", &c, &e) == 0) {
		if (c.helper && (strchr(c.helper, '/') || !c.server))
			abort();
	} else if (e.class != ERR_USAGE || c.user || c.helper) {
		abort();
	}
	if (oci_config_helper_answer(data, len, &answer, &bad) == 0 && !answer.password &&
	    !answer.identity)
		abort();
	return 0;
}
