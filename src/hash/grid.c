#include "hash/grid.h"

int grid_for(uint64_t size, struct grid *out, struct err *e)
{
	if (size > GRID_MAX_SIZE)
		return err_set(e, ERR_INTEGRITY, "a file of %llu bytes is too large",
			       (unsigned long long)size);
	uint64_t length = GRID_MIN_PIECE;
	while ((size + length - 1) / length > GRID_MAX_PIECES)
		length *= 2;
	*out = (struct grid){
		.size = size,
		.piece_length = length,
		.count = (uint32_t)((size + length - 1) / length),
	};
	return 0;
}

uint64_t grid_offset(const struct grid *g, uint32_t index)
{
	return index * g->piece_length;
}

uint64_t grid_length(const struct grid *g, uint32_t index)
{
	return MIN(g->piece_length, g->size - grid_offset(g, index));
}

void grid_root(const struct digest *pieces, uint32_t count, struct digest *out)
{
	sha256_of(pieces, count * sizeof *pieces, out);
}
