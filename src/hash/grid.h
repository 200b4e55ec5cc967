/*
 * The grid: a file cut at a fixed piece length. The piece length is the smallest
 * power of two, at least 8 MiB, for which the file has at most 10,000 pieces: so a
 * piece is always a legal S3 part (5 MiB to 5 GiB, at most 10,000 of them, all but
 * the last equal; https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
 *
 * An empty file has no pieces. Piece lengths and offsets are bytes.
 */
#ifndef FERRY_HASH_GRID_H
#define FERRY_HASH_GRID_H

#include "hash/sha256.h"

#define GRID_MIN_PIECE (8 * MIB)
#define GRID_MAX_PIECES 10000
/* The largest file: 10,000 pieces of 4 GiB, under S3's largest part. */
#define GRID_MAX_SIZE (GRID_MAX_PIECES * (4 * GIB))

struct grid {
	uint64_t size;
	uint64_t piece_length;
	uint32_t count;
};

/* ERR_INTEGRITY for a size over GRID_MAX_SIZE. */
WARN_UNUSED int grid_for(uint64_t size, struct grid *out, struct err *e);

/* Of piece `index` < count. */
uint64_t grid_offset(const struct grid *g, uint32_t index);
uint64_t grid_length(const struct grid *g, uint32_t index);

/* pieces_sha256: SHA-256 over the concatenated raw piece digests. */
void grid_root(const struct digest *pieces, uint32_t count, struct digest *out);

#endif
