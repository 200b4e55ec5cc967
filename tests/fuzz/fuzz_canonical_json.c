/* What parses has a canonical form; where that is JSON again, it is its own one. */
#include "json/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_limits limits = { .max_bytes = 1 << 20 };
	CLEANUP(json_release) json_t *value = NULL, *again = NULL;
	CLEANUP(buf_release) struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	if (json_parse(data, size, &limits, "input", &value, &e) < 0)
		return 0;
	if (json_canonical(value, &first, &e) < 0)
		abort();
	if (first.len > size)
		abort();
	/* Control characters stand in it as they are, so that it need not be JSON. */
	if (json_parse(first.data, first.len, &limits, "canonical", &again, &e) < 0)
		return 0;
	if (json_canonical(again, &second, &e) < 0 || second.len != first.len ||
	    memcmp(first.data, second.data, first.len) != 0)
		abort();
	return 0;
}
