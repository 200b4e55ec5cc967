/* Tensor types that only forks of llama.cpp have. */
#include "gguf/gguf.h"

#define IK "ik_llama.cpp"
#define BITNET "bitnet.cpp"
#define ROW(id, name, block, bytes, fork) BRACES(id, name, block, bytes, fork, BRACES(0))

/* ggml.h and gguf-py/gguf/constants.py of the forks. The bytes of a block are the least: some
 * types store more for each row, or once for the tensor. */
static const struct gguf_type types[] = {
	ROW(36, "i2_s", 4, 1, BITNET),       ROW(37, "i8_s", 1, 1, BITNET),
	ROW(133, "q6_0", 32, 26, IK),        ROW(134, "iq1_bn", 64, 13, IK),
	ROW(135, "iq2_bn", 64, 16, IK),      ROW(136, "q8_K64", 64, 68, IK),
	ROW(137, "iq2_k", 256, 76, IK),      ROW(138, "iq3_k", 256, 110, IK),
	ROW(139, "iq4_k", 256, 144, IK),     ROW(140, "iq5_k", 256, 176, IK),
	ROW(141, "iq6_k", 256, 212, IK),     ROW(144, "iq4_ks", 256, 136, IK),
	ROW(145, "iq2_ks", 256, 70, IK),     ROW(146, "iq4_kss", 256, 128, IK),
	ROW(151, "q8_KV", 32, 32, IK),       ROW(152, "iq5_ks", 256, 168, IK),
	ROW(153, "iq2_kt", 256, 68, IK),     ROW(154, "iq3_kt", 256, 100, IK),
	ROW(155, "iq4_kt", 256, 128, IK),    ROW(156, "iq3_ks", 256, 102, IK),
	ROW(157, "iq2_kl", 256, 86, IK),     ROW(158, "iq1_kt", 256, 56, IK),
	ROW(202, "q4_0_r8", 32, 18, IK),     ROW(206, "q5_0_r4", 32, 22, IK),
	ROW(208, "q8_0_r8", 32, 34, IK),     ROW(210, "q2_k_r4", 256, 84, IK),
	ROW(211, "q3_k_r4", 256, 110, IK),   ROW(212, "q4_k_r4", 256, 144, IK),
	ROW(213, "q5_k_r4", 256, 176, IK),   ROW(214, "q6_k_r4", 256, 210, IK),
	ROW(216, "iq2_xxs_r4", 256, 66, IK), ROW(217, "iq2_xs_r4", 256, 74, IK),
	ROW(218, "iq3_xxs_r4", 256, 98, IK), ROW(219, "iq1_s_r4", 32, 6, IK),
	ROW(220, "iq4_nl_r4", 32, 18, IK),   ROW(221, "iq3_s_r4", 256, 110, IK),
	ROW(222, "iq2_s_r4", 256, 82, IK),   ROW(223, "iq4_xs_r8", 256, 136, IK),
	ROW(229, "iq1_m_r4", 32, 7, IK),     ROW(230, "bf16_r16", 1, 2, IK),
	ROW(233, "q6_0_r4", 32, 26, IK),     ROW(335, "iq2_bn_r4", 64, 16, IK),
	ROW(337, "iq2_k_r4", 256, 76, IK),   ROW(338, "iq3_k_r4", 256, 110, IK),
	ROW(339, "iq4_k_r4", 256, 144, IK),  ROW(340, "iq5_k_r4", 256, 176, IK),
	ROW(344, "iq4_ks_r4", 256, 136, IK), ROW(352, "iq5_ks_r4", 256, 168, IK),
	ROW(398, "q8_KV_r8", 32, 32, IK),    ROW(399, "q8_k_r8", 256, 258, IK),
};

const struct gguf_type *gguf_type_foreign(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

const struct gguf_type *gguf_foreign(const struct gguf *g)
{
	for (size_t i = 0; i < g->tensor_count; i++)
		if (g->tensors[i].type->fork)
			return g->tensors[i].type;
	return NULL;
}
