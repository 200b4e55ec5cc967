/* The header of a new GGUF from an older one: the first two bytes are the length of the older one,
 * which comes first. Behind their ends, both are zeros. */
#include "fetch/delta_header.h"

#include <stdlib.h>
#include <string.h>

#define SIZE DELTA_HEADER_LEAST

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_new(void *ctx, uint64_t offset, void *data, size_t len, struct err *e)
{
	(void)e;
	if (!len || offset > SIZE || len > SIZE - offset)
		abort();
	memcpy(data, (const uint8_t *)ctx + offset, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t old[SIZE], now[SIZE];
	static char name[] = "token_embd.weight", type[] = "f32";
	if (size < 2 || size > SIZE)
		return 0;
	size_t first = (size_t)(data[0] | data[1] << 8) % (size - 1);
	memset(old, 0, sizeof old);
	memset(now, 0, sizeof now);
	memcpy(old, data + 2, first);
	memcpy(now, data + 2 + first, size - 2 - first);
	struct manifest_tensor tensor = { name, type, { 8, 4, 1, 1 }, 2, SIZE, 128, { { 0 } } };
	struct manifest m = { .header_size = SIZE, .tensors = &tensor, .tensor_count = 1 };
	sha256_of(now, SIZE, &m.header_sha256);
	struct delta_header h = {
		.wanted = &m, .old = old, .old_size = SIZE, .read = read_new, .ctx = now
	};
	struct err e = ERR_INIT;
	uint8_t *made = NULL;
	int rc = delta_header_make(&h, &made, &e);
	if ((rc == 0) != (made != NULL) || (rc == 0 && memcmp(made, now, SIZE) != 0))
		abort();
	free(made);
	return 0;
}
