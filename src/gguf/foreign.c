/* Tensor types that only forks of llama.cpp have. */
#include "gguf/gguf.h"

#define IK "ik_llama.cpp"
#define BITNET "bitnet.cpp"

/* ggml.h and gguf-py/gguf/constants.py of the forks. The bytes of a block are the least: some
 * types store more for each row, or once for the tensor. */
static const struct gguf_type types[] = {
	{ 36, "i2_s", 4, 1, BITNET },       { 37, "i8_s", 1, 1, BITNET },
	{ 133, "q6_0", 32, 26, IK },        { 134, "iq1_bn", 64, 13, IK },
	{ 135, "iq2_bn", 64, 16, IK },      { 136, "q8_K64", 64, 68, IK },
	{ 137, "iq2_k", 256, 76, IK },      { 138, "iq3_k", 256, 110, IK },
	{ 139, "iq4_k", 256, 144, IK },     { 140, "iq5_k", 256, 176, IK },
	{ 141, "iq6_k", 256, 212, IK },     { 144, "iq4_ks", 256, 136, IK },
	{ 145, "iq2_ks", 256, 70, IK },     { 146, "iq4_kss", 256, 128, IK },
	{ 151, "q8_KV", 32, 32, IK },       { 152, "iq5_ks", 256, 168, IK },
	{ 153, "iq2_kt", 256, 68, IK },     { 154, "iq3_kt", 256, 100, IK },
	{ 155, "iq4_kt", 256, 128, IK },    { 156, "iq3_ks", 256, 102, IK },
	{ 157, "iq2_kl", 256, 86, IK },     { 158, "iq1_kt", 256, 56, IK },
	{ 202, "q4_0_r8", 32, 18, IK },     { 206, "q5_0_r4", 32, 22, IK },
	{ 208, "q8_0_r8", 32, 34, IK },     { 210, "q2_k_r4", 256, 84, IK },
	{ 211, "q3_k_r4", 256, 110, IK },   { 212, "q4_k_r4", 256, 144, IK },
	{ 213, "q5_k_r4", 256, 176, IK },   { 214, "q6_k_r4", 256, 210, IK },
	{ 216, "iq2_xxs_r4", 256, 66, IK }, { 217, "iq2_xs_r4", 256, 74, IK },
	{ 218, "iq3_xxs_r4", 256, 98, IK }, { 219, "iq1_s_r4", 32, 6, IK },
	{ 220, "iq4_nl_r4", 32, 18, IK },   { 221, "iq3_s_r4", 256, 110, IK },
	{ 222, "iq2_s_r4", 256, 82, IK },   { 223, "iq4_xs_r8", 256, 136, IK },
	{ 229, "iq1_m_r4", 32, 7, IK },     { 230, "bf16_r16", 1, 2, IK },
	{ 233, "q6_0_r4", 32, 26, IK },     { 335, "iq2_bn_r4", 64, 16, IK },
	{ 337, "iq2_k_r4", 256, 76, IK },   { 338, "iq3_k_r4", 256, 110, IK },
	{ 339, "iq4_k_r4", 256, 144, IK },  { 340, "iq5_k_r4", 256, 176, IK },
	{ 344, "iq4_ks_r4", 256, 136, IK }, { 352, "iq5_ks_r4", 256, 168, IK },
	{ 398, "q8_KV_r8", 32, 32, IK },    { 399, "q8_k_r8", 256, 258, IK },
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
