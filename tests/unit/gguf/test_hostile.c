/*
 * Files that were made to break readers. Each is refused with a message, or accepted with a
 * finding, in no time and with little memory. Where the advisories have their tests:
 *
 *   CVE-2024-21802  n_dims, ne              too_many_dimensions, negative_and_huge_dimensions
 *   CVE-2024-21825  array, string lengths   lengths_past_the_end
 *   CVE-2024-21836  n_tensors               counts_that_cannot_be (llama.cpp#15711, too)
 *   CVE-2024-23496  string length           lengths_past_the_end
 *   CVE-2024-23605  n_kv                    counts_that_cannot_be
 *   CVE-2024-32878  half-read keys          every_cut_is_refused
 *   CVE-2024-41130  empty strings           names_of_tensors, names_of_keys
 *   CVE-2025-53630  sum of sizes            sum_of_sizes_that_overflows
 *   CVE-2026-27940  the same, by-passed     sum_of_sizes_that_overflows
 *   CVE-2026-33298  elements x type size    size_in_bytes_that_overflows
 *   GHSA-3p75-pq92-q28f  dimension 0        zero_dimension
 *   PR 24759        padding wraps           padding_that_wraps
 *   PR 24997, gguf-tools#27, CVE-2025-0317  alignments
 *   CVE-2025-49847, GHSA-7rxv-5jhh-j6xx, PR 26690, PR 25969   vocabularies, long_token
 *   gguf-py PR 27188  length 2^63           string_length_in_an_array
 *   CVE-2024-39720  magic only              every_cut_is_refused
 *   CVE-2024-12055, CVE-2025-0312  reads past what is there   every_cut_is_refused
 *   CVE-2024-8063   block_count's type      keys_of_the_wrong_type
 *   CVE-2025-0315   memory                  memory_is_bounded
 *   CVE-2025-1975   index of an array       empty_arrays_are_not_indexed
 *   CVE-2026-7482   past the end            tensor_past_the_end
 *   CVE-2024-34359, CVE-2026-5760  templates   test_template.c
 */
#include "ggufbuild.h"
#include "unit.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static struct ggufbuild b;

static void one_tensor(uint32_t dimensions, const uint64_t *shape, uint32_t type)
{
	build_init_llama(&b);
	build_tensor_raw(&b, "w", 1, dimensions, shape, type, 0);
}

/* The n_dims of CVE-2024-21802. */
static void too_many_dimensions(void **state)
{
	(void)state;
	uint64_t shape[5] = { 1, 1, 1, 1, 1 };
	one_tensor(5, shape, 0);
	assert_refused(&b, "tensor 'w': 5 dimensions; the maximum is 4");
	one_tensor(0, shape, 0);
	buf_clear(&b.tensors);
	buf_add(&b.tensors, "\1\0\0\0\0\0\0\0w\xff\xff\xff\xff", 13);
	assert_refused(&b, "tensor 'w': 4294967295 dimensions");
}

/* The ne of CVE-2024-21802. */
static void negative_and_huge_dimensions(void **state)
{
	(void)state;
	one_tensor(2, (uint64_t[]){ 1, UINT64_MAX }, 0);
	assert_refused(&b, "the product of its dimensions overflows at dimension 1");
	one_tensor(1, (uint64_t[]){ (uint64_t)1 << 63 }, 0);
	assert_refused(&b, "the product of its dimensions overflows at dimension 0");
}

/* 2^32 x 2^32 wraps to zero, also in a quantized type. */
static void product_that_wraps_to_zero(void **state)
{
	(void)state;
	uint64_t shape[2] = { (uint64_t)1 << 32, (uint64_t)1 << 32 };
	one_tensor(2, shape, 0);
	assert_refused(&b, "the product of its dimensions overflows");
	one_tensor(2, shape, 12);
	assert_refused(&b, "the product of its dimensions overflows");
}

/* CVE-2026-33298: elements fit, elements times the size of one do not. */
static void size_in_bytes_that_overflows(void **state)
{
	(void)state;
	one_tensor(1, (uint64_t[]){ (uint64_t)1 << 62 }, 0);
	assert_refused(&b, "its size in bytes overflows");
	one_tensor(2, (uint64_t[]){ (uint64_t)1 << 31, (uint64_t)1 << 31 }, 28);
	assert_refused(&b, "its size in bytes overflows");
}

/* PR 24759: a size near 2^64 that wraps when it is padded; here no size is near it. */
static void padding_that_wraps(void **state)
{
	(void)state;
	one_tensor(1, (uint64_t[]){ INT64_MAX }, 24);
	assert_refused(&b, "the sum of the tensors' sizes overflows");
}

/* CVE-2025-53630 and its by-pass CVE-2026-27940: the sum of all sizes overflows. */
static void sum_of_sizes_that_overflows(void **state)
{
	(void)state;
	uint64_t shape[1] = { (uint64_t)1 << 61 };
	build_init_llama(&b);
	for (unsigned i = 0; i < 9; i++) {
		char name[8];
		snprintf(name, sizeof name, "w%u", i);
		build_tensor_raw(&b, name, 2, 1, shape, 24, i * shape[0]);
	}
	assert_refused(&b, "the sum of the tensors' sizes overflows");
}

/* CVE-2026-7482: offset plus size past the end of the file. */
static void tensor_past_the_end(void **state)
{
	(void)state;
	one_tensor(1, (uint64_t[]){ 1000 }, 0);
	assert_refused(&b, "the file is truncated: 4000 bytes (3.9 KiB) are missing");
	build_init_llama(&b);
	build_tensor(&b, "a", "f32", 8, 0);
	build_tensor_raw(&b, "w", 1, 1, (uint64_t[]){ 8 }, 0, UINT64_MAX - 31);
	assert_refused(&b, "tensor 'w': its data is at offset 18446744073709551584, but the "
			   "previous tensors end at 32: there is a gap");
}

/* GHSA-3p75-pq92-q28f: a first dimension of zero is divided by. */
static void zero_dimension(void **state)
{
	(void)state;
	one_tensor(2, (uint64_t[]){ 0, 4 }, 0);
	assert_refused(&b, "tensor 'w': dimension 0 is zero");
	one_tensor(3, (uint64_t[]){ 4, 4, 0 }, 2);
	assert_refused(&b, "tensor 'w': dimension 2 is zero");
}

static void row_that_is_no_multiple_of_the_block(void **state)
{
	(void)state;
	one_tensor(1, (uint64_t[]){ 33 }, 2);
	assert_refused(&b, "rows of 33 elements are not a multiple of the block size of q4_0, 32");
}

static void unknown_and_removed_types(void **state)
{
	(void)state;
	one_tensor(1, (uint64_t[]){ 32 }, 4);
	assert_refused(&b, "type 4 (q4_2) was removed from ggml");
	one_tensor(1, (uint64_t[]){ 32 }, 38);
	assert_refused(&b, "type 38 (iq4_nl_8_8) was removed");
	one_tensor(1, (uint64_t[]){ 32 }, 43);
	assert_refused(&b, "type 43 is not a ggml type");
	one_tensor(1, (uint64_t[]){ 32 }, UINT32_MAX);
	assert_refused(&b, "type 4294967295 is not a ggml type");
}

/* CVE-2024-21825 and CVE-2024-23496: lengths of strings and arrays. */
static void lengths_past_the_end(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_raw(&b, "s", 1, GGUF_STRING, "\0\0\0\0\0\0\0\x80", 8);
	assert_refused(&b, "key 's': a string of 9223372036854775808 bytes; the maximum is 1 GiB");
	build_init_llama(&b);
	build_raw(&b, "s", 1, GGUF_STRING, "\0\0\0\1\0\0\0\0", 8);
	assert_refused(&b, "key 's': it needs 16777216 bytes at offset");
	build_init_llama(&b);
	build_array(&b, "a", GGUF_U32, (uint64_t)1 << 62, NULL, 0);
	assert_refused(&b, "key 'a': an array of 4611686018427387904 elements");
	build_init_llama(&b);
	build_array(&b, "a", GGUF_U64, (uint64_t)1 << 29, NULL, 0);
	assert_refused(&b, "key 'a': an array of 536870912 u64s: it needs 4294967296 bytes");
	build_init_llama(&b);
	build_array(&b, "a", GGUF_STRING, 1000, NULL, 0);
	assert_refused(&b, "key 'a': an array of 1000 strings: it needs 8000 bytes");
	build_init_llama(&b);
	build_raw(&b, "", 0, GGUF_U8, "", 1);
	buf_clear(&b.kvs);
	buf_add(&b.kvs, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	b.kv_count = 1;
	b.trail = 100;
	assert_refused(&b, "key 1 of 1: name: a text of 18446744073709551615 bytes");
}

/* gguf-py PR 27188: a length of 2^63 was negative and made the reader loop. */
static void string_length_in_an_array(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_array(&b, "a", GGUF_STRING, 1, "\0\0\0\0\0\0\0\x80", 8);
	assert_refused(&b, "key 'a': element 0: a text of 9223372036854775808 bytes");
	build_init_llama(&b);
	build_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 1, "\0\0\0\0\0\0\0\x80", 8);
	assert_refused(&b, "element 0 has 9223372036854775808 bytes");
	build_init_llama(&b);
	build_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 1, "\0\0\0\1\0\0\0\0", 8);
	assert_refused(&b, "key 'tokenizer.ggml.tokens': it needs 16777216 bytes");
}

/* CVE-2024-21836 and llama.cpp#15711: n_tensors; CVE-2024-23605: n_kv. */
static void counts_that_cannot_be(void **state)
{
	(void)state;
	build_init_llama(&b);
	b.tensor_count = UINT64_MAX;
	assert_refused(&b, "it claims 18446744073709551615 tensors; the maximum is 65536");
	build_init_llama(&b);
	b.tensor_count = (uint64_t)1 << 63;
	assert_refused(&b, "tensors; the maximum is 65536");
	build_init_llama(&b);
	b.tensor_count = 60000;
	assert_refused(&b, "it claims 60000 tensors, more than fit into its 96 bytes");
	build_init_llama(&b);
	b.kv_count = (uint64_t)1 << 40;
	assert_refused(&b, "it claims 1099511627776 keys; the maximum is 65536");
	build_init_llama(&b);
	b.kv_count = 65536;
	assert_refused(&b, "it claims 65536 keys, more than fit into its 96 bytes");
	build_init_llama(&b);
	b.kv_count = 2;
	assert_refused(&b, "key 2 of 2: a key without a name");
}

/* PR 24997 (0x80000000), gguf-tools#27 (0), and what the format forbids. */
static void alignments(void **state)
{
	(void)state;
	static const struct {
		uint32_t value;
		const char *text;
	} cases[] = {
		{ 0, "general.alignment is 0: it must be a power of two" },
		{ 33, "general.alignment is 33: it must be a power of two" },
		{ 0x80000000u, "general.alignment is 2147483648: it must be" },
		{ 4, "general.alignment is 4: the format requires a multiple of 8" },
		{ 1, "general.alignment is 1: the format requires" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		build_init_llama(&b);
		build_u32(&b, "general.alignment", cases[i].value);
		assert_refused(&b, cases[i].text);
	}
	build_init_llama(&b);
	build_raw(&b, "general.alignment", 17, GGUF_U64, "\x20\0\0\0\0\0\0\0", 8);
	assert_refused(&b, "general.alignment is of type u64, not u32");
}

/* The magic alone is one of the cuts. */
static void every_cut_is_refused(void **state)
{
	(void)state;
	build_init_llama(&b);
	const char *const tags[] = { "a", "b" };
	build_strings(&b, "general.tags", tags, 2);
	build_whole_llama(&b, "q8_0", 64);
	size_t len = build_file(&b)->len;
	for (size_t keep = 0; keep < len; keep++) {
		struct memory_input memory = { b.out.data, keep };
		struct gguf_input source;
		struct err e = ERR_INIT;
		struct gguf *g = NULL;
		memory_input_init(&source, &memory);
		int rc = gguf_open(&source, "cut", NULL, &g, &e);
		assert_int_equal(rc, -ERR_INTEGRITY);
		if (keep)
			assert_non_null(strstr(e.text, "truncated"));
		else
			assert_string_equal(e.text, "cut: the file is empty");
	}
	build_release(&b);
}

/* CVE-2024-8063: a block_count of another type; u64 where engines want u32. */
static void keys_of_the_wrong_type(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_string(&b, "llama.block_count", "2");
	assert_refused(&b, "key 'llama.block_count' is string; engines accept only u32");
	build_init_llama(&b);
	build_raw(&b, "llama.context_length", 20, GGUF_U64, "\0\1\0\0\0\0\0\0", 8);
	assert_refused(&b, "key 'llama.context_length' is u64; engines accept only u32");
	build_init(&b);
	build_u32(&b, "general.architecture", 1);
	assert_refused(&b, "key 'general.architecture' is u32; engines accept only string");
	build_init_llama(&b);
	build_string(&b, "tokenizer.ggml.tokens", "x");
	assert_refused(&b, "key 'tokenizer.ggml.tokens' is string; engines accept only an array of "
			   "string");
	build_init_llama(&b);
	build_array(&b, "llama.attention.head_count_kv", GGUF_F32, 0, NULL, 0);
	assert_refused(&b, "key 'llama.attention.head_count_kv' is an array of f32");
	build_init_llama(&b);
	build_u32(&b, "split.count", 2);
	assert_refused(&b, "key 'split.count' is u32; engines accept only u16");
}

static void zeroes_that_engines_divide_by(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_u32(&b, "llama.embedding_length", 0);
	assert_refused(&b, "key 'llama.embedding_length' is 0");
	build_init_llama(&b);
	build_u32(&b, "llama.block_count", 0xffffffffu);
	assert_refused(&b, "key 'llama.block_count' is 4294967295");
	build_init_llama(&b);
	build_u32(&b, "llama.attention.head_count", 0);
	build_tensor(&b, "blk.0.attn_q.weight", "f32", 4, 4);
	assert_refused(&b, "key 'llama.attention.head_count' is 0");
}

/* CVE-2025-49847, GHSA-7rxv-5jhh-j6xx, PR 26690, PR 25969: arrays that are indexed by token,
 * and tokens of odd shapes. */
static void vocabularies(void **state)
{
	(void)state;
	float score = 0;
	int32_t type = 1;
	build_init_llama(&b);
	build_tokens(&b, "tokenizer.ggml.tokens", 300);
	build_array(&b, "tokenizer.ggml.scores", GGUF_F32, 1, &score, sizeof score);
	assert_refused(&b, "key 'tokenizer.ggml.scores' has 1 elements for 300 tokens");
	build_init_llama(&b);
	build_tokens(&b, "tokenizer.ggml.tokens", 300);
	build_array(&b, "tokenizer.ggml.token_type", GGUF_I32, 1, &type, sizeof type);
	assert_refused(&b, "key 'tokenizer.ggml.token_type' has 1 elements for 300 tokens");
	build_init_llama(&b);
	build_tokens(&b, "tokenizer.ggml.tokens", 0);
	assert_refused(&b, "key 'tokenizer.ggml.tokens' is empty");

	build_init_llama(&b);
	build_tokens(&b, "tokenizer.ggml.tokens", 3);
	build_u32(&b, "tokenizer.ggml.eos_token_id", 3);
	build_u32(&b, "tokenizer.ggml.bos_token_id", 2);
	build_tensor(&b, "token_embd.weight", "f32", 8, 4);
	struct gguf *g = build_open_ok(&b);
	assert_finding(&g->findings, "token-id",
		       "'tokenizer.ggml.eos_token_id' is 3, but there are "
		       "only 3 tokens");
	assert_finding(&g->findings, "vocabulary", "token_embd.weight has 4 rows for 3 tokens");
	gguf_free(g);
	build_release(&b);
}

/* Tokens longer than an int can say were copied past their buffer. Here a long one is
 * read past, in pieces. */
static void long_token(void **state)
{
	(void)state;
	struct buf data = BUF_INIT(MIB);
	uint8_t len[8] = { 0, 0, 4 };
	build_init_llama(&b);
	buf_add(&data, len, 8);
	memset(buf_reserve(&data, 4 << 16), 'x', 4 << 16);
	buf_commit(&data, 4 << 16);
	build_array(&b, "tokenizer.ggml.tokens", GGUF_STRING, 1, data.data, data.len);
	build_u32(&b, "after", 1);
	struct gguf *g = build_open_ok(&b);
	uint64_t v;
	assert_true(gguf_get_u64(g, "after", &v) && v == 1);
	assert_int_equal(gguf_find(g, "tokenizer.ggml.tokens")->bytes, data.len);
	gguf_free(g);
	buf_release(&data);
	build_release(&b);
}

static void empty_arrays_are_not_indexed(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_strings(&b, "general.tags", NULL, 0);
	build_array(&b, "llama.attention.head_count", GGUF_U32, 0, NULL, 0);
	build_array(&b, "llama.attention.head_count_kv", GGUF_I32, 0, NULL, 0);
	build_array(&b, "tokenizer.ggml.scores", GGUF_F32, 0, NULL, 0);
	build_u32(&b, "llama.block_count", 4);
	struct gguf *g = build_open_ok(&b);
	const struct gguf *file = g;
	struct gguf_metadata m;
	struct gguf_ram ram;
	uint64_t v;
	assert_false(gguf_array_u64(gguf_find_arch(g, "attention.head_count_kv"), 0, &v));
	gguf_metadata(g, &m);
	assert_int_equal(m.head_count, 0);
	assert_int_equal(m.tags->count, 0);
	gguf_ram(&file, 1, 512, &ram);
	assert_false(ram.known);
	json_decref(gguf_json(g));
	gguf_free(g);
	build_release(&b);
}

static void names_of_tensors(void **state)
{
	(void)state;
	uint64_t shape[1] = { 1 };
	char name[65];
	memset(name, 'n', sizeof name);
	build_init_llama(&b);
	build_tensor_raw(&b, name, 64, 1, shape, 0, 0);
	assert_refused(&b, "tensor 1 of 1: name: a text of 64 bytes; the maximum is 63");
	build_init_llama(&b);
	build_tensor_raw(&b, "", 0, 1, shape, 0, 0);
	assert_refused(&b, "a tensor without a name");
	build_init_llama(&b);
	build_tensor_raw(&b, "a\0b", 3, 1, shape, 0, 0);
	assert_refused(&b, "the tensor's name contains a NUL byte");
	build_init_llama(&b);
	build_tensor_raw(&b, "a\xff", 2, 1, shape, 0, 0);
	assert_refused(&b, "the tensor's name is not valid UTF-8");
	build_init_llama(&b);
	build_tensor(&b, "same", "f32", 1, 0);
	build_tensor(&b, "other", "f32", 1, 0);
	build_tensor(&b, "same", "f32", 1, 0);
	assert_refused(&b, "the tensor 'same' appears twice");
}

static void names_of_keys(void **state)
{
	(void)state;
	static char key[70000];
	memset(key, 'k', sizeof key);
	build_init_llama(&b);
	build_raw(&b, key, 65536, GGUF_U8, "", 1);
	assert_refused(&b, "name: a text of 65536 bytes; the maximum is 65535");
	build_init_llama(&b);
	build_raw(&b, "", 0, GGUF_U8, "", 1);
	assert_refused(&b, "a key without a name");
	build_init_llama(&b);
	build_raw(&b, "a\0b", 3, GGUF_U8, "", 1);
	assert_refused(&b, "the key's name contains a NUL byte");
	build_init_llama(&b);
	build_raw(&b, "a\x1b[2J", 5, GGUF_U8, "", 1);
	assert_refused(&b, "the key's name contains a control character");
	build_init_llama(&b);
	build_raw(&b, "\xff\xfe", 2, GGUF_U8, "", 1);
	assert_refused(&b, "the key's name is not valid UTF-8");
	build_init_llama(&b);
	build_u32(&b, "twice", 1);
	build_u32(&b, "twice", 2);
	assert_refused(&b, "the key 'twice' appears twice");
	build_init_llama(&b);
	build_u32(&b, "schl\xc3\xbcssel", 1);
	struct gguf *g = build_open_ok(&b);
	assert_finding(&g->findings, "key-ascii", "is not ASCII");
	gguf_free(g);
	build_release(&b);
}

static void values_that_are_not_what_they_say(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_raw(&b, "flag", 4, GGUF_BOOL, "\2", 1);
	assert_refused(&b, "key 'flag': a bool with the value 2");
	build_init_llama(&b);
	build_array(&b, "flags", GGUF_BOOL, 3, "\0\1\7", 3);
	assert_refused(&b, "key 'flags': a bool with the value 7");
	static uint8_t many[20000];
	many[19999] = 3;
	build_init_llama(&b);
	build_array(&b, "flags", GGUF_BOOL, sizeof many, many, sizeof many);
	assert_refused(&b, "key 'flags': a bool with the value 3");
	build_init_llama(&b);
	build_raw(&b, "v", 1, 13, "", 1);
	assert_refused(&b, "key 'v': a value of type 13, which does not exist");
	build_init_llama(&b);
	build_array(&b, "v", 77, 1, "", 1);
	assert_refused(&b, "key 'v': an array of type 77, which does not exist");
	build_init_llama(&b);
	build_array(&b, "v", GGUF_ARRAY, 1, "", 1);
	assert_refused(&b, "key 'v': an array of arrays");
}

static void architecture_is_needed_and_plain(void **state)
{
	(void)state;
	build_init(&b);
	assert_refused(&b, "key 'general.architecture' is missing");
	build_init(&b);
	build_string(&b, "general.architecture", "");
	assert_refused(&b, "general.architecture is not a plain name: ''");
	build_init(&b);
	build_string(&b, "general.architecture", "../x");
	assert_refused(&b, "general.architecture is not a plain name: '../x'");
	build_init(&b);
	build_string(&b, "general.type", "imatrix");
	gguf_free(build_open_ok(&b));
	build_release(&b);
}

static void tensors_out_of_place(void **state)
{
	(void)state;
	uint64_t shape[1] = { 8 };
	build_init_llama(&b);
	build_tensor_raw(&b, "a", 1, 1, shape, 0, 0);
	build_tensor_raw(&b, "b", 1, 1, shape, 0, 0);
	b.data = 64;
	assert_refused(&b, "tensor 'b': its data is at offset 0, but the previous tensors end at "
			   "32: they overlap");
	build_init_llama(&b);
	build_tensor_raw(&b, "a", 1, 1, shape, 0, 0);
	build_tensor_raw(&b, "b", 1, 1, shape, 0, 64);
	b.data = 96;
	assert_refused(&b, "there is a gap");
	build_init_llama(&b);
	build_tensor_raw(&b, "a", 1, 1, shape, 0, 4);
	assert_refused(&b, "its offset 4 is not aligned to 32");
	build_init_llama(&b);
	build_tensor_raw(&b, "b", 1, 1, shape, 0, 32);
	build_tensor_raw(&b, "a", 1, 1, shape, 0, 0);
	b.data = 64;
	assert_refused(&b, "tensor 'b': its data is at offset 32");
}

/* What engines accept and a person should know of. */
static void oddities_are_findings(void **state)
{
	(void)state;
	build_init_llama(&b);
	build_tensor_raw(&b, "scalar", 6, 0, NULL, 0, build_data(&b, 4));
	build_raw(&b, "odd", 3, GGUF_STRING, "\2\0\0\0\0\0\0\0\xff\xfe", 10);
	build_raw(&b, "nul", 3, GGUF_STRING, "\3\0\0\0\0\0\0\0a\0b", 11);
	b.trail = 5;
	b.fill = 0x77;
	struct gguf *g = build_open_ok(&b);
	assert_finding(&g->findings, "no-dimensions", "'scalar' has no dimensions");
	assert_finding(&g->findings, "utf8", "the value of 'odd' is not valid UTF-8");
	assert_finding(&g->findings, "nul", "the value of 'nul' contains a NUL byte");
	assert_finding(&g->findings, "trailing-bytes", "5 bytes follow the last tensor");
	assert_finding(&g->findings, "padding", "the padding after the header is not zero");
	gguf_free(g);
	build_release(&b);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* Four times as many may take four times as long, or a little more: comparing each with all
 * takes sixteen times. No bound in seconds would fit valgrind and a fast machine. */
static void assert_linear(double (*seconds_for)(unsigned count), unsigned count)
{
	for (unsigned tries = 0; tries < 5; tries++) {
		double few = seconds_for(count / 4);
		if (seconds_for(count) < 10 * few)
			return;
	}
	fail_msg("it takes far more than its share of time for each of %u", count);
}

static double open_with_keys(unsigned count)
{
	build_init_llama(&b);
	for (unsigned i = 0; i < count; i++) {
		char key[16];
		int len = snprintf(key, sizeof key, "k%u", i);
		build_raw(&b, key, (size_t)len, GGUF_U8, "", 1);
	}
	build_file(&b);
	double start = seconds();
	struct gguf *g = build_open_ok(&b);
	double took = seconds() - start;
	assert_int_equal(g->kv_count, count + 1);
	gguf_free(g);
	build_release(&b);
	return took;
}

/* 60,000 keys took llama.cpp's reader six seconds. */
static void many_keys_are_quick(void **state)
{
	(void)state;
	assert_linear(open_with_keys, 60000);
}

static double check_with_templates(unsigned count)
{
	build_init_llama(&b);
	for (unsigned i = 0; i < count; i++) {
		char key[64];
		snprintf(key, sizeof key, "tokenizer.chat_template.t%u", i);
		build_string(&b, key, "{{ x.__class__ }}");
	}
	const struct buf *file = build_file(&b);
	struct memory_input memory = { file->data, file->len };
	struct gguf_input source;
	struct gguf_report r;
	struct err e = ERR_INIT;
	memory_input_init(&source, &memory);
	double start = seconds();
	assert_ok(gguf_check(&source, "m.gguf", false, &r, &e), &e);
	json_t *json = gguf_json(r.file);
	double took = seconds() - start;
	assert_int_equal(json_array_size(json_object_get(json, "chat_templates")),
			 GGUF_MAX_TEMPLATES);
	json_decref(json);
	gguf_report_release(&r);
	build_release(&b);
	return took;
}

/* What is done for each template must not be done for each of 60,000. */
static void many_templates_are_quick(void **state)
{
	(void)state;
	assert_linear(check_with_templates, 60000);
}

/* A finding for each of 1,000 keys: the list ends, and says so. */
static void findings_are_bounded(void **state)
{
	(void)state;
	build_init_llama(&b);
	for (unsigned i = 0; i < 1000; i++) {
		char key[16];
		snprintf(key, sizeof key, "\xc3\xbc%u", i);
		build_u32(&b, key, i);
	}
	struct gguf *g = build_open_ok(&b);
	assert_int_equal(g->findings.count, GGUF_MAX_FINDINGS);
	assert_int_equal(g->findings.dropped, 901);
	gguf_free(g);
	build_release(&b);
}

/* In order, and the last one twice. */
static double refuse_with_tensors(unsigned count)
{
	char name[16], why[64];
	build_init_llama(&b);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "t%u", i);
		build_tensor(&b, name, "i8", 1, 0);
	}
	build_tensor(&b, name, "i8", 1, 0);
	b.header_only = true;
	build_file(&b);
	snprintf(why, sizeof why, "the tensor '%s' appears twice", name);
	double start = seconds();
	assert_refused(&b, why);
	return seconds() - start;
}

static void many_tensors_are_quick(void **state)
{
	(void)state;
	assert_linear(refuse_with_tensors, 40000);
}

/* Values that would be kept whole fill memory up to the cap and no further. */
static void memory_is_bounded(void **state)
{
	(void)state;
	build_init_llama(&b);
	struct buf text = BUF_INIT(4 * MIB);
	memset(buf_reserve(&text, 2 << 20), 'x', 2 << 20);
	buf_commit(&text, 2 << 20);
	for (unsigned i = 0; i < 40; i++) {
		char key[16];
		snprintf(key, sizeof key, "long%u", i);
		build_string(&b, key, text.data);
	}
	build_file(&b);
	buf_release(&text);
	long before = peak_kib();
	assert_refused(&b, "its keys, names and values need more than 32 MiB of memory");
	assert_true(peak_kib() - before < 64 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_dimensions),
		cmocka_unit_test(negative_and_huge_dimensions),
		cmocka_unit_test(product_that_wraps_to_zero),
		cmocka_unit_test(size_in_bytes_that_overflows),
		cmocka_unit_test(padding_that_wraps),
		cmocka_unit_test(sum_of_sizes_that_overflows),
		cmocka_unit_test(tensor_past_the_end),
		cmocka_unit_test(zero_dimension),
		cmocka_unit_test(row_that_is_no_multiple_of_the_block),
		cmocka_unit_test(unknown_and_removed_types),
		cmocka_unit_test(lengths_past_the_end),
		cmocka_unit_test(string_length_in_an_array),
		cmocka_unit_test(counts_that_cannot_be),
		cmocka_unit_test(alignments),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(keys_of_the_wrong_type),
		cmocka_unit_test(zeroes_that_engines_divide_by),
		cmocka_unit_test(vocabularies),
		cmocka_unit_test(long_token),
		cmocka_unit_test(empty_arrays_are_not_indexed),
		cmocka_unit_test(names_of_tensors),
		cmocka_unit_test(names_of_keys),
		cmocka_unit_test(values_that_are_not_what_they_say),
		cmocka_unit_test(architecture_is_needed_and_plain),
		cmocka_unit_test(tensors_out_of_place),
		cmocka_unit_test(oddities_are_findings),
		cmocka_unit_test(many_keys_are_quick),
		cmocka_unit_test(many_templates_are_quick),
		cmocka_unit_test(findings_are_bounded),
		cmocka_unit_test(many_tensors_are_quick),
		cmocka_unit_test(memory_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
