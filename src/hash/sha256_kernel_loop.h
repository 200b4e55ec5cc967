/*
 * The loops over blocks, the same for every instruction set. Included by the file of one after
 * it has defined
 *
 *	VECTOR, VECTOR_INLINE           functions that use the instructions
 *	struct chain, words             a state in the processor's order; four words of a message
 *	chain_load, chain_store, chain_add
 *	words_load                      from 16 bytes of a block
 *	rounds4(a, b, w, q, round)      four rounds of chain a, and of b unless it is NULL, with
 *	                                the words w[q]; then w[q] is made what it is 16 rounds on
 */

VECTOR_INLINE void rounds16(struct chain *a, struct chain *b, words w[4], unsigned round)
{
	rounds4(a, b, w, 0, round);
	rounds4(a, b, w, 1, round + 4);
	rounds4(a, b, w, 2, round + 8);
	rounds4(a, b, w, 3, round + 12);
}

/* Unrolled, so that `round` and `b` are constants for the compiler. */
VECTOR_INLINE void block(struct chain *a, struct chain *b, const uint8_t *data)
{
	words w[4] = { words_load(data), words_load(data + 16), words_load(data + 32),
		       words_load(data + 48) };
	struct chain a_before = *a, b_before = b ? *b : *a;
	rounds16(a, b, w, 0);
	rounds16(a, b, w, 16);
	rounds16(a, b, w, 32);
	rounds16(a, b, w, 48);
	chain_add(a, a_before);
	if (b)
		chain_add(b, b_before);
}

VECTOR static void one(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	struct chain a = chain_load(state);
	for (; blocks; blocks--, data += SHA256_BLOCK)
		block(&a, NULL, data);
	chain_store(state, a);
}

VECTOR static void two(uint32_t a_state[8], uint32_t b_state[8], const uint8_t *data, size_t blocks)
{
	struct chain a = chain_load(a_state), b = chain_load(b_state);
	for (; blocks; blocks--, data += SHA256_BLOCK)
		block(&a, &b, data);
	chain_store(a_state, a);
	chain_store(b_state, b);
}
