#include "sha256_check.h"

#include <stdbool.h>
#include <string.h>

#define MOST_BLOCKS 40

static uint32_t rotr(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const uint8_t *data)
{
	for (unsigned t = 0; t < 16; t++)
		w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 |
		       (uint32_t)data[4 * t + 2] << 8 | data[4 * t + 3];
	for (unsigned t = 16; t < 64; t++) {
		uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
}

/* s is a to h. */
static void one_round(uint32_t s[8], uint32_t kw)
{
	uint32_t sum1 = rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25);
	uint32_t sum0 = rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22);
	uint32_t ch = (s[4] & s[5]) ^ (~s[4] & s[6]);
	uint32_t maj = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
	uint32_t t1 = s[7] + sum1 + ch + kw;
	memmove(s + 1, s, 7 * sizeof *s);
	s[4] += t1;
	s[0] = t1 + sum0 + maj;
}

void sha256_plain_blocks(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	for (; blocks; blocks--, data += SHA256_BLOCK) {
		uint32_t w[64], s[8];
		schedule(w, data);
		memcpy(s, state, sizeof s);
		for (unsigned t = 0; t < 64; t++)
			one_round(s, SHA256_K[t] + w[t]);
		for (unsigned i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

/* SHA-256("abc"), NIST's first example: one block, with its padding. */
static bool abc_is_right(const struct sha256_kernel *k)
{
	static const uint8_t block[SHA256_BLOCK] = { 'a', 'b', 'c', 0x80, [63] = 24 };
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	static const uint32_t want[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
					  0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad };
	uint32_t a[8], b[8];
	memcpy(a, first, sizeof a);
	k->one(a, block, 1);
	if (memcmp(a, want, sizeof a) != 0)
		return false;
	memcpy(a, first, sizeof a);
	memcpy(b, first, sizeof b);
	k->two(a, b, block, 1);
	return memcmp(a, want, sizeof a) == 0 && memcmp(b, want, sizeof b) == 0;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return *x;
}

static void fill(uint64_t *x, void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)(next(x) >> 32);
}

const char *sha256_check_kernel(const struct sha256_kernel *k)
{
	static uint8_t data[MOST_BLOCKS * SHA256_BLOCK + SHA256_BLOCK];
	uint32_t before[2][8], want[2][8], got[2][8];
	uint64_t x = 0x9e3779b97f4a7c15;
	if (!abc_is_right(k))
		return "SHA-256(\"abc\")";
	for (unsigned i = 0; i < 1000; i++) {
		size_t blocks = next(&x) % (MOST_BLOCKS + 1);
		const uint8_t *at = data + next(&x) % SHA256_BLOCK;
		fill(&x, data, sizeof data);
		fill(&x, before, sizeof before);
		memcpy(want, before, sizeof want);
		for (unsigned n = 0; n < 2; n++)
			sha256_plain_blocks(want[n], at, blocks);
		memcpy(got, before, sizeof got);
		k->one(got[0], at, blocks);
		if (memcmp(got[0], want[0], sizeof got[0]) != 0)
			return "one hash";
		memcpy(got, before, sizeof got);
		k->two(got[0], got[1], at, blocks);
		if (memcmp(got, want, sizeof got) != 0)
			return "two hashes";
	}
	return NULL;
}
