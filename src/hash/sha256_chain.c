#include "hash/sha256_chain.h"

#include "hash/sha256_kernel.h"
#include "util/os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct sha256_kernel *chosen;

static void choose(void)
{
	chosen = sha256_kernel_x86();
	if (!chosen && os_has_arm_sha256())
		chosen = sha256_kernel_arm();
	if (!chosen)
		chosen = sha256_kernel_openssl();
}

/* Only once, because asking the processor is slow in a virtual machine. */
static const struct sha256_kernel *kernel(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (pthread_once(&once, choose) != 0)
		abort();
	return chosen;
}

bool sha256_chain_is_paired(void)
{
	return kernel() != sha256_kernel_openssl();
}

/* FIPS 180-4, section 5.3.3. */
void sha256_chain_init(struct sha256_chain *c)
{
	*c = (struct sha256_chain){
		.state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
			   0x1f83d9ab, 0x5be0cd19 },
	};
}

/* How many of `len` bytes still fit into the incomplete block; 0 between two blocks. */
static size_t to_fill(const struct sha256_chain *c, size_t len)
{
	return MIN(len, -c->bytes % SHA256_BLOCK);
}

static void add_to_tail(struct sha256_chain *c, const uint8_t *data, size_t len)
{
	memcpy(c->tail + c->bytes % SHA256_BLOCK, data, len);
	c->bytes += len;
	if (c->bytes % SHA256_BLOCK == 0)
		kernel()->one(c->state, c->tail, 1);
}

void sha256_chain_add(struct sha256_chain *c, const void *data, size_t len)
{
	size_t first = to_fill(c, len), blocks = (len - first) / SHA256_BLOCK * SHA256_BLOCK;
	const uint8_t *at = data;
	if (first)
		add_to_tail(c, at, first);
	if (blocks)
		kernel()->one(c->state, at + first, blocks / SHA256_BLOCK);
	c->bytes += blocks;
	if (first + blocks < len)
		add_to_tail(c, at + first + blocks, len - first - blocks);
}

void sha256_chain_add_both(struct sha256_chain *a, struct sha256_chain *b, const void *data,
			   size_t len)
{
	size_t first = to_fill(a, len), blocks = (len - first) / SHA256_BLOCK * SHA256_BLOCK;
	const uint8_t *at = data;
	if ((a->bytes - b->bytes) % SHA256_BLOCK != 0)
		blocks = 0;
	sha256_chain_add(a, at, first);
	sha256_chain_add(b, at, first);
	if (blocks)
		kernel()->two(a->state, b->state, at + first, blocks / SHA256_BLOCK);
	a->bytes += blocks;
	b->bytes += blocks;
	sha256_chain_add(a, at + first + blocks, len - first - blocks);
	sha256_chain_add(b, at + first + blocks, len - first - blocks);
}

static void put_be(uint8_t *out, uint64_t n, size_t len)
{
	for (size_t i = len; i--; n >>= 8)
		out[i] = (uint8_t)n;
}

/* FIPS 180-4, section 5.1.1: a 1, zeros up to 8 bytes before a block's end, the length in bits. */
void sha256_chain_final(struct sha256_chain *c, struct digest *out)
{
	uint8_t pad[SHA256_BLOCK + 8] = { 0x80 };
	size_t zeros = (SHA256_BLOCK - 9 - c->bytes) % SHA256_BLOCK;
	put_be(pad + 1 + zeros, c->bytes * 8, 8);
	sha256_chain_add(c, pad, 1 + zeros + 8);
	for (size_t i = 0; i < 8; i++)
		put_be(out->bytes + 4 * i, c->state[i], 4);
	sha256_chain_init(c);
}
