/* What a probe has kept about the objects of a mirror. */
#include "health/probe.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "ferry-probe-1\n"
#define MAGIC_BYTES (sizeof MAGIC - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_again(const void *data, size_t size)
{
	CLEANUP(probe_state_release) struct probe_state s = { 0 };
	CLEANUP(probe_state_release) struct probe_state again = { 0 };
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	if (probe_state_parse(data, size, &s, &e) < 0)
		return;
	probe_state_encode(&s, &bytes);
	if (probe_state_parse(bytes.data, bytes.len, &again, &e) < 0 || again.key != s.key ||
	    again.position != s.position || again.found_count != s.found_count || bytes.len != size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct digest sum;
	read_again(data, size);
	/* A digest that fits is out of a fuzzer's reach. */
	uint8_t *copy = malloc(MAGIC_BYTES + size + sizeof sum);
	memcpy(copy, MAGIC, MAGIC_BYTES);
	if (size)
		memcpy(copy + MAGIC_BYTES, data, size);
	sha256_of(copy, MAGIC_BYTES + size, &sum);
	memcpy(copy + MAGIC_BYTES + size, &sum, sizeof sum);
	read_again(copy, MAGIC_BYTES + size + sizeof sum);
	free(copy);
	return 0;
}
