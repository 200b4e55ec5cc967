/* The header Authorization. */
#include "auth/header.h"
#include "util/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(mem_free_ptr) char *value = mem_strndup((const char *)data, len);
	CLEANUP(buf_wipe) struct buf out = BUF_INIT(AUTH_HEADER_MAX);
	if (!auth_header_parse(value, &out))
		return 0;
	if (!out.len)
		abort();
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] <= ' ' || out.data[i] > '~')
			abort();
	return 0;
}
