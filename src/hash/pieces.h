/*
 * Checks a file's bytes as they arrive, from a mirror or a disk: piece by piece, and as a whole.
 * Pieces may arrive in any order, several at the same time. A correct piece that follows the
 * previous ones is added to the whole file's hash; both are computed together (sha256_chain.h).
 *
 * The usual sequence is pieces_begin(), pieces_add() until nothing is left, pieces_end(). An
 * abandoned check needs no release.
 */
#ifndef FERRY_HASH_PIECES_H
#define FERRY_HASH_PIECES_H

#include "hash/grid.h"
#include "hash/sha256_chain.h"
#include "util/cancel.h"

struct pieces {
	struct grid grid;
	const struct digest *want;   /* of each piece, borrowed; NULL: unknown */
	const struct digest *sha256; /* of the whole file, borrowed; NULL: not needed */
	uint32_t next;               /* the pieces before this one are in the whole file's hash */
	struct sha256_chain whole;
};
void pieces_init(struct pieces *p, const struct grid *grid, const struct digest *want,
		 const struct digest *sha256);

/* The running check of a piece. Only pieces_begin() and pieces_end() use the struct pieces: with a
 * lock around them, each thread can check its own piece. */
struct pieces_check {
	uint32_t index;
	uint64_t left; /* bytes that are still to come */
	bool of_piece, of_whole;
	struct sha256_chain piece, whole;
};
void pieces_begin(const struct pieces *p, uint32_t index, struct pieces_check *out);
/* Takes as many of the bytes as the piece still needs, and returns how many. */
size_t pieces_add(struct pieces_check *c, const void *data, size_t len);
/* Is the complete piece right? True if its digest is unknown. If the pieces before it are in the
 * whole file's hash, it now is, too. */
WARN_UNUSED bool pieces_end(struct pieces *p, const struct pieces_check *c);

/* All of that for a piece in a file. */
WARN_UNUSED int pieces_read(struct pieces *p, uint32_t index, int fd, const char *path,
			    const struct cancel *cancel, bool *right, struct err *e);

/* Are all pieces in the whole file's hash, and does it equal p->sha256? */
bool pieces_are_whole(const struct pieces *p);

#endif
