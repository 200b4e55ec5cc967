/* What the edge remembers of its cache. */
#include "serve/cache/remember.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(void *ctx, const struct remembered *r)
{
	struct buf *out = ctx;
	remember_write(r, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first = BUF_INIT(16 * MIB), second = BUF_INIT(16 * MIB);
	remember_parse((const char *)data, size, write_again, &first);
	remember_parse(buf_str(&first), first.len, write_again, &second);
	if (first.len != second.len || memcmp(buf_str(&first), buf_str(&second), first.len) != 0)
		abort();
	buf_release(&first);
	buf_release(&second);
	return 0;
}
