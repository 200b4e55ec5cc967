#include "serve/cache/peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peers_have h;
	uint32_t count = size ? data[0] * 41u : 0;
	if (!size || !peers_have_parse(data + 1, size - 1, count, &h))
		return 0;
	/* Nothing is behind the last piece. */
	for (uint32_t i = count; i < (count + 7) / 8 * 8; i++)
		if (peers_bit(h.have, i) || peers_bit(h.flying, i))
			__builtin_trap();
	return 0;
}
