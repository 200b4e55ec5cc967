/* The journal of a partial file: the first byte chooses the file it is read for. */
#include "fetch/journal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct err e = ERR_INIT;
	struct grid grid;
	struct digest sha256;
	memset(sha256.bytes, 'x', sizeof sha256.bytes);
	if (grid_for((uint64_t)data[0] * 3 * MIB, &grid, &e) < 0)
		abort();
	bool *claimed = calloc(grid.count + 1, 1);
	/* A header that fits is out of a fuzzer's reach: half of the inputs get one. */
	uint8_t *copy = malloc(size + JOURNAL_HEADER);
	memcpy(copy, data + 1, size - 1);
	if (journal_parse(copy, size - 1, &grid, &sha256, claimed) && size - 1 < JOURNAL_HEADER)
		abort();
	memset(copy, 0, JOURNAL_HEADER);
	memcpy(copy, "ferryjnl\1", 9);
	memcpy(copy + 16, &grid.size, 8);
	memcpy(copy + 24, &grid.piece_length, 8);
	memcpy(copy + 32, sha256.bytes, DIGEST_SIZE);
	memcpy(copy + JOURNAL_HEADER, data + 1, size - 1);
	if (!journal_parse(copy, size - 1 + JOURNAL_HEADER, &grid, &sha256, claimed))
		abort();
	if (claimed[grid.count])
		abort();
	free(copy);
	free(claimed);
	return 0;
}
