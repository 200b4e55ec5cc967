/* WWW-Authenticate, Location and Range of registries. */
#include "oci/challenge.h"
#include "oci/registry.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(oci_challenge_release) struct oci_challenge c = { 0 };
	CLEANUP(mem_free_ptr) char *text = mem_strndup((const char *)data, len);
	CLEANUP(mem_free_ptr) char *url = NULL;
	struct err e = ERR_INIT;
	uint64_t size = 0;
	oci_challenge_add(&c, text);
	if (c.scheme == OCI_SCHEME_BEARER && (!c.realm || !*c.realm))
		abort();
	if (c.realm && strlen(c.realm) > OCI_CHALLENGE_VALUE)
		abort();
	oci_challenge_add(&c, text);
	if (oci_upload_range(text, &size) && size == 0)
		abort();
	if (oci_location("https://h/v2/a/", text, &url, &e) == 0 &&
	    strncmp(url, "https://", 8) != 0)
		abort();
	return 0;
}
