/*
 * The SHA-256 instructions of Armv8 (FEAT_SHA256): Arm Architecture Reference Manual for A-profile,
 * SHA256H, SHA256H2, SHA256SU0 and SHA256SU1; intrinsics by the Arm C Language Extensions.
 */
#include "hash/sha256_kernel.h"

/* Clang before 16 has the intrinsics only where the whole build may use them. */
#if defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && \
	(defined(__ARM_FEATURE_SHA2) || !defined(__clang__) || __clang_major__ >= 16)

#include <arm_neon.h>

#define VECTOR __attribute__((target("+crypto")))
#define VECTOR_INLINE VECTOR __attribute__((always_inline)) static inline
#define words uint32x4_t

struct chain {
	uint32x4_t abcd, efgh;
};

VECTOR_INLINE struct chain chain_load(const uint32_t state[8])
{
	return (struct chain){ vld1q_u32(state), vld1q_u32(state + 4) };
}

VECTOR_INLINE void chain_store(uint32_t state[8], struct chain c)
{
	vst1q_u32(state, c.abcd);
	vst1q_u32(state + 4, c.efgh);
}

VECTOR_INLINE void chain_add(struct chain *c, struct chain before)
{
	c->abcd = vaddq_u32(c->abcd, before.abcd);
	c->efgh = vaddq_u32(c->efgh, before.efgh);
}

VECTOR_INLINE words words_load(const uint8_t *data)
{
	return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data)));
}

VECTOR_INLINE void rounds4_one(struct chain *c, words sum)
{
	uint32x4_t abcd = c->abcd;
	c->abcd = vsha256hq_u32(abcd, c->efgh, sum);
	c->efgh = vsha256h2q_u32(c->efgh, abcd, sum);
}

VECTOR_INLINE void rounds4(struct chain *a, struct chain *b, words w[4], unsigned q, unsigned round)
{
	words sum = vaddq_u32(w[q], vld1q_u32(SHA256_K + round));
	rounds4_one(a, sum);
	if (b)
		rounds4_one(b, sum);
	if (round < 48)
		w[q] = vsha256su1q_u32(vsha256su0q_u32(w[q], w[(q + 1) % 4]), w[(q + 2) % 4],
				       w[(q + 3) % 4]);
}

#include "hash/sha256_kernel_loop.h"

const struct sha256_kernel *sha256_kernel_arm(void)
{
	static const struct sha256_kernel kernel = { "Armv8 SHA-256 instructions", one, two };
	return &kernel;
}

#else

const struct sha256_kernel *sha256_kernel_arm(void)
{
	return NULL;
}

#endif
