/*
 * The check of a file's bytes as they arrive, from a mirror or a disk: piece by piece, and as a
 * whole. Pieces may come in any order, and several may be under way at once. Each piece that
 * is right and follows the ones before it goes into the whole file's hash; both are hashed in
 * one go (sha256_chain.h).
 *
 * The usual round is pieces_begin(), pieces_add() until nothing is left, pieces_end(). A check
 * that is given up needs no release.
 */
#ifndef FERRY_HASH_PIECES_H
#define FERRY_HASH_PIECES_H

#include "hash/grid.h"
#include "hash/sha256_chain.h"
#include "util/cancel.h"

struct pieces {
	struct grid grid;
	const struct digest *want;   /* of each piece, borrowed; NULL: nobody knows them */
	const struct digest *sha256; /* of the whole file, borrowed; NULL: it is not asked for */
	uint32_t next;               /* the pieces before this one are in the whole file's hash */
	struct sha256_chain whole;
};
void pieces_init(struct pieces *p, const struct grid *grid, const struct digest *want,
		 const struct digest *sha256);

/* The check of one piece that is under way. Only pieces_begin() and pieces_end() use the struct
 * pieces: with a lock around them, each thread may have a piece of its own. */
struct pieces_check {
	uint32_t index;
	uint64_t left; /* bytes that are still to come */
	bool of_piece, of_whole;
	struct sha256_chain piece, whole;
};
void pieces_begin(const struct pieces *p, uint32_t index, struct pieces_check *out);
/* Takes as many of the bytes as the piece has left, and says how many that were. */
size_t pieces_add(struct pieces_check *c, const void *data, size_t len);
/* Whether the piece, which has nothing left, is right; true where its digest is not known. If the
 * pieces before it are in the whole file's hash, it now is, too. */
WARN_UNUSED bool pieces_end(struct pieces *p, const struct pieces_check *c);

/* All of that for a piece as it stands in a file. */
WARN_UNUSED int pieces_read(struct pieces *p, uint32_t index, int fd, const char *path,
			    const struct cancel *cancel, bool *right, struct err *e);

/* Whether all pieces are in the whole file's hash, and it is p->sha256. */
bool pieces_are_whole(const struct pieces *p);

#endif
