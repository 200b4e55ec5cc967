/* What the bytes of the tensors say. */
#include "ggufbuild.h"
#include "unit.h"

#include "util/mem.h"

static struct ggufbuild b;

/* The built file with `with` put at `at` of the tensor `name`, shown in steps of so many bytes. */
static struct gguf_findings look(const char *name, uint64_t at, const void *with, size_t len,
				 size_t step)
{
	struct gguf *g = build_open_ok(&b);
	const struct buf *file = build_file(&b);
	struct gguf_findings found = { 0 };
	uint8_t *data = mem_alloc(file->len);
	memcpy(data, buf_str(file), file->len);
	memcpy(data + gguf_find_tensor(g, name)->offset + at, with, len);
	struct gguf_data *d = gguf_data_new(g);
	for (size_t i = 0; i < file->len; i += step)
		gguf_data_add(d, data + i, MIN(step, file->len - i));
	gguf_data_findings(d, &found);
	gguf_data_free(d);
	gguf_free(g);
	free(data);
	return found;
}

static void build_one(const char *name, const char *type, uint64_t d0, uint64_t d1)
{
	build_init_llama(&b);
	b.fill = 0x11;
	build_tensor(&b, "a.weight", "f32", 8, 3);
	build_tensor(&b, name, type, d0, d1);
	build_tensor(&b, "z.weight", "f16", 7, 3);
}

static void expect_found(uint64_t at, const void *with, size_t len, const char *code,
			 const char *text)
{
	static const size_t steps[] = { 8, 40, 4096, 12288, MIB };
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct gguf_findings found = look("t", at, with, len, steps[i]);
		if (code)
			assert_finding(&found, code, text);
		assert_int_equal(found.count, code ? 1 : 0);
		gguf_findings_release(&found);
	}
	build_release(&b);
}

static void each_type_has_numbers_that_must_be_finite(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		uint64_t at; /* in the tensor */
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "f32", 4, "\0\0\x80\x7f", 4 },         /* infinite */
		{ "f32", 1020, "\x01\0\xc0\xff", 4 },    /* NaN */
		{ "f16", 2, "\0\xfc", 2 },               /* minus infinite */
		{ "f16", 510, "\x01\x7c", 2 },           /* NaN */
		{ "bf16", 6, "\xc0\x7f", 2 },            /* NaN */
		{ "f64", 8, "\0\0\0\0\0\0\xf0\x7f", 8 }, /* infinite */
		{ "q4_0", 18, "\0\x7c", 2 },
		{ "q4_1", 22, "\0\x7e", 2 },
		{ "q5_0", 22, "\0\x7c", 2 },
		{ "q5_1", 26, "\0\x7c", 2 },
		{ "q8_0", 34, "\0\x7c", 2 },
		{ "q2_K", 84 + 82, "\0\x7c", 2 },
		{ "q3_K", 110 + 108, "\0\x7c", 2 },
		{ "q4_K", 144 + 2, "\0\x7c", 2 },
		{ "q5_K", 176, "\0\x7c", 2 },
		{ "q6_K", 210 + 208, "\0\x7c", 2 },
		{ "q8_K", 292, "\0\0\x80\x7f", 4 },
		{ "iq1_s", 50, "\0\x7c", 2 },
		{ "iq1_m", 56 + 48, "\0\0\0\0\0\xc0\0\x70", 8 },
		{ "iq4_xs", 136, "\0\x7c", 2 },
		{ "tq1_0", 54 + 52, "\0\x7c", 2 },
		{ "tq2_0", 66 + 64, "\0\x7c", 2 },
		{ "mxfp4", 17, "\xff", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		build_one("t", bad[i].type, 256, 3);
		expect_found(bad[i].at, bad[i].bytes, bad[i].len, "not-finite", "tensor 't' (");
	}
}

static void finite_numbers_and_the_weights_of_blocks_are_fine(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		uint64_t at;
		const char *bytes;
		size_t len;
	} good[] = {
		{ "f32", 4, "\xff\xff\x7f\x7f", 4 }, /* the largest */
		{ "f32", 8, "\0\0\0\x80", 4 },       /* minus zero */
		{ "f16", 2, "\xff\x7b", 2 },         /* the largest */
		{ "f16", 4, "\xff\x83", 2 },         /* denormal */
		{ "bf16", 2, "\x7f\x7f", 2 },        /* the largest */
		{ "q8_0", 36, "\xff\xff\xff\xff", 4 },
		{ "q4_K", 144 + 4, "\xff\xff\xff\xff", 4 },
		{ "q6_K", 210, "\xff\xff\xff\xff", 4 },
		{ "mxfp4", 18, "\xff\xff", 2 },
		{ "i8", 3, "\xff\xff\xff", 3 },
		{ "i32", 0, "\0\0\x80\x7f", 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		build_one("t", good[i].type, 256, 3);
		expect_found(good[i].at, good[i].bytes, good[i].len, NULL, NULL);
	}
}

static void numbers_and_tensors_are_counted(void **state)
{
	(void)state;
	uint8_t bad[512];
	memset(bad, 0xff, sizeof bad);
	build_one("t", "f16", 256, 3);
	expect_found(0, bad, sizeof bad, "not-finite", "has 256 numbers that are NaN or infinite:");
	build_init_llama(&b);
	b.fill = 0xff;
	build_tensor(&b, "s", "f32", 8, 3);
	build_tensor(&b, "t", "f32", 8, 3);
	build_tensor(&b, "u", "q8_0", 32, 3);
	expect_found(0, "", 0, "not-finite",
		     "tensor 's' (f32) has 24 numbers that are NaN or infinite, and so do 2 other "
		     "tensors");
}

static void a_matrix_with_a_long_run_of_zeros_is_told(void **state)
{
	(void)state;
	static const uint8_t zeros[512 * KIB];
	build_one("t", "f16", 1024, 512);
	expect_found(4100, zeros, 64 * KIB, "zeros", "tensor 't' (f16) has 64.0 KiB of zeros");
	build_one("t", "f16", 1024, 512);
	expect_found(4100, zeros, 64 * KIB - 1, NULL, NULL);
	build_one("t", "q4_0", 256, 32);
	expect_found(0, zeros, 4608, "zeros", "4.5 KiB of zeros in a row, all of it");
	/* Biases. */
	build_one("t", "f32", 32768, 0);
	expect_found(0, zeros, 128 * KIB, NULL, NULL);
	build_one("t", "i8", 2 * MIB, 0);
	expect_found(0, zeros, 512 * KIB, NULL, NULL);
}

static void rows_of_tokens_that_nobody_uses_may_be_zero(void **state)
{
	(void)state;
	static const uint8_t zeros[512 * KIB];
	for (int whole = 0; whole < 2; whole++) {
		build_one("token_embd.weight", "f16", 512, 1024);
		struct gguf_findings found = look("token_embd.weight",
						  KIB * 700 + (whole ? 0 : 300), zeros, 100 * KIB,
						  MIB);
		assert_int_equal(found.count, whole ? 0 : 1);
		gguf_findings_release(&found);
		build_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_numbers_that_must_be_finite),
		cmocka_unit_test(finite_numbers_and_the_weights_of_blocks_are_fine),
		cmocka_unit_test(numbers_and_tensors_are_counted),
		cmocka_unit_test(a_matrix_with_a_long_run_of_zeros_is_told),
		cmocka_unit_test(rows_of_tokens_that_nobody_uses_may_be_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
