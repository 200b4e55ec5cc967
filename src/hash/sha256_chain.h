/*
 * A running SHA-256 as a plain value: it can be copied, to return to that position later, and
 * needs no release. If the processor has SHA-256 instructions, two of them hash the same bytes
 * for little more than the cost of one: a chain mostly waits for its own rounds, and both share
 * the message schedule. A piece and its whole file are hashed this way.
 *
 * On other processors, OpenSSL hashes the blocks.
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
/* Adds the same bytes to both. Cheap if their numbers of bytes so far differ by a multiple of
 * 64. */
void sha256_chain_add_both(struct sha256_chain *a, struct sha256_chain *b, const void *data,
			   size_t len);
/* Leaves it ready for new data. */
void sha256_chain_final(struct sha256_chain *c, struct digest *out);

/* Does sha256_chain_add_both() cost clearly less than two calls of sha256_chain_add()? */
bool sha256_chain_is_paired(void);

#endif
