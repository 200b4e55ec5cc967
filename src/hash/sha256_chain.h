/*
 * A running SHA-256 as a plain value: it can be copied, to go back to that place later, and needs
 * no release. Two of them take the same bytes for little more than the price of one where the
 * processor has instructions for SHA-256: a chain waits for its own rounds most of the time,
 * and both share the message schedule. That is how a piece and its whole file are hashed.
 *
 * Elsewhere OpenSSL hashes the blocks.
 */
#ifndef FERRY_HASH_SHA256_CHAIN_H
#define FERRY_HASH_SHA256_CHAIN_H

#include "hash/sha256.h"

struct sha256_chain {
	uint32_t state[8];
	uint64_t bytes;   /* so far */
	uint8_t tail[64]; /* the first bytes % 64 of a block that is not full */
};

void sha256_chain_init(struct sha256_chain *c);
void sha256_chain_add(struct sha256_chain *c, const void *data, size_t len);
/* The same bytes to both. Cheap where their bytes so far differ by a multiple of 64. */
void sha256_chain_add_both(struct sha256_chain *a, struct sha256_chain *b, const void *data,
			   size_t len);
/* Leaves it ready for new data. */
void sha256_chain_final(struct sha256_chain *c, struct digest *out);

/* Whether sha256_chain_add_both() costs clearly less than twice sha256_chain_add(). */
bool sha256_chain_is_paired(void);

#endif
