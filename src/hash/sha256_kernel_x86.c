/*
 * The SHA extensions of x86: Intel 64 and IA-32 Architectures Software Developer's Manual,
 * volume 2: SHA256RNDS2, SHA256MSG1, SHA256MSG2.
 */
#include "hash/sha256_kernel.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

#define VECTOR __attribute__((target("sha,sse4.1,ssse3")))
#define VECTOR_INLINE VECTOR __attribute__((always_inline)) static inline
#define words __m128i

/* In the order that SHA256RNDS2 needs: the first letter is in the highest word. */
struct chain {
	__m128i abef, cdgh;
};

VECTOR_INLINE struct chain chain_load(const uint32_t state[8])
{
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
	return (struct chain){ _mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0) };
}

VECTOR_INLINE void chain_store(uint32_t state[8], struct chain c)
{
	__m128i feba = _mm_shuffle_epi32(c.abef, 0x1b), dchg = _mm_shuffle_epi32(c.cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

VECTOR_INLINE void chain_add(struct chain *c, struct chain before)
{
	c->abef = _mm_add_epi32(c->abef, before.abef);
	c->cdgh = _mm_add_epi32(c->cdgh, before.cdgh);
}

VECTOR_INLINE words words_load(const uint8_t *data)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)data), swap);
}

/* SHA256RNDS2 does two rounds, with the words in the lower half of its third operand. */
VECTOR_INLINE void rounds4_one(struct chain *a, words w[4], unsigned q, unsigned round)
{
	words *w0 = &w[q], w4 = w[(q + 1) % 4], w8 = w[(q + 2) % 4], w12 = w[(q + 3) % 4];
	words sum = _mm_add_epi32(*w0, _mm_load_si128((const __m128i *)(SHA256_K + round)));
	a->cdgh = _mm_sha256rnds2_epu32(a->cdgh, a->abef, sum);
	a->abef = _mm_sha256rnds2_epu32(a->abef, a->cdgh, _mm_shuffle_epi32(sum, 0x0e));
	if (round >= 48)
		return;
	*w0 = _mm_add_epi32(_mm_sha256msg1_epu32(*w0, w4), _mm_alignr_epi8(w12, w8, 4));
	*w0 = _mm_sha256msg2_epu32(*w0, w12);
}

/*
 * The same for two chains, in assembly because the order matters. A processor assigns vector
 * instructions to its execution units in turn, and some (Zen 5) have two units for SHA256RNDS2
 * that are busy for four cycles each. If the number of vector instructions in every four rounds
 * is a multiple of four (not counting moves between registers), each chain always finds its unit
 * free, and two chains take 1.1 times as long as one; otherwise 1.2 to 1.35 times. The two PORs
 * only serve this count.
 */
#define ROUNDS_FIRST \
	"movdqa %[w0], %%xmm0\n\t" \
	"paddd %[k], %%xmm0\n\t"
#define ROUNDS_LAST \
	"sha256rnds2 %[a0], %[a1]\n\t" \
	"por %[t], %[t]\n\t" \
	"sha256rnds2 %[b0], %[b1]\n\t" \
	"pshufd $0x0e, %%xmm0, %%xmm0\n\t" \
	"sha256rnds2 %[a1], %[a0]\n\t" \
	"sha256rnds2 %[b1], %[b0]\n\t"
#define WORDS_FIRST \
	"movdqa %[w12], %[t]\n\t" \
	"palignr $4, %[w8], %[t]\n\t" \
	"sha256msg1 %[w4], %[w0]\n\t" \
	"paddd %[t], %[w0]\n\t"
#define WORDS_LAST "sha256msg2 %[w12], %[w0]\n\t"
#define COUNT_LAST "por %[t], %[t]\n\t"

VECTOR_INLINE void rounds4_two(struct chain *a, struct chain *b, words w[4], unsigned q,
			       unsigned round)
{
	const __m128i *k = (const __m128i *)(SHA256_K + round);
	words t;
	if (round < 48)
		__asm__ volatile(ROUNDS_FIRST WORDS_FIRST ROUNDS_LAST WORDS_LAST COUNT_LAST
				 : [a0] "+&x"(a->abef), [a1] "+&x"(a->cdgh), [b0] "+&x"(b->abef),
				   [b1] "+&x"(b->cdgh), [w0] "+&x"(w[q]), [t] "=&x"(t)
				 : [w4] "x"(w[(q + 1) % 4]), [w8] "x"(w[(q + 2) % 4]),
				   [w12] "x"(w[(q + 3) % 4]), [k] "m"(*k)
				 : "xmm0");
	else
		__asm__ volatile(ROUNDS_FIRST ROUNDS_LAST COUNT_LAST
				 : [a0] "+&x"(a->abef), [a1] "+&x"(a->cdgh), [b0] "+&x"(b->abef),
				   [b1] "+&x"(b->cdgh), [t] "=&x"(t)
				 : [w0] "x"(w[q]), [k] "m"(*k)
				 : "xmm0");
}

VECTOR_INLINE void rounds4(struct chain *a, struct chain *b, words w[4], unsigned q, unsigned round)
{
	if (b)
		rounds4_two(a, b, w, q, round);
	else
		rounds4_one(a, w, q, round);
}

#include "hash/sha256_kernel_loop.h"

static bool has_instructions(void)
{
	unsigned eax, ebx, ecx, edx;
	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_SSSE3) || !(ecx & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_SHA);
}

const struct sha256_kernel *sha256_kernel_x86(void)
{
	static const struct sha256_kernel kernel = { "x86 SHA extensions", one, two };
	return has_instructions() ? &kernel : NULL;
}

#else

const struct sha256_kernel *sha256_kernel_x86(void)
{
	return NULL;
}

#endif
