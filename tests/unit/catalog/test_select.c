#include "catalog/select.h"

#include "unit.h"

#include <limits.h>

static struct index_model phi(void)
{
	return (struct index_model){
		.id = "phi-2",
		.title = "Phi 2, small",
		.license = "MIT OR Apache-2.0",
		.variants = { { .id = "q8_0", .quantization = "Q8_0", .size = 8 * GIB } },
		.variant_count = 1,
	};
}

/* UINT_MAX: it does not match. */
static unsigned rank_of(const char *words)
{
	CLEANUP(select_release) struct select s = { 0 };
	CLEANUP(json_release) json_t *tags = json_pack("[s]", "chat-tuned");
	struct index_model m = phi();
	unsigned rank = 0;
	m.tags = tags;
	select_add_words(&s, words);
	return select_model(&s, &m, &rank) ? rank : UINT_MAX;
}

static void each_word_counts_by_its_best_place(void **state)
{
	(void)state;
	assert_int_equal(rank_of("PHI-2"), 0);
	assert_int_equal(rank_of("phi"), 1);
	assert_int_equal(rank_of("small"), 2);
	assert_int_equal(rank_of("chat-tuned"), 3);
	assert_int_equal(rank_of("chat"), 4);
	assert_int_equal(rank_of("mal"), 4);
	assert_int_equal(rank_of("apache"), 4);
	assert_int_equal(rank_of("q8_"), 4);
	assert_int_equal(rank_of("phi  small"), 3);
	assert_int_equal(rank_of(""), 0);
	assert_int_equal(rank_of("phi nothing"), UINT_MAX);
}

static bool has_license(const char *license, const char *wanted)
{
	CLEANUP(select_release) struct select s = { 0 };
	struct err e = ERR_INIT;
	struct index_model m = phi();
	unsigned rank;
	m.license = license;
	assert_ok(select_set_license(&s, wanted, &e), &e);
	return select_model(&s, &m, &rank);
}

static void a_license_is_found_alone_and_in_expressions(void **state)
{
	(void)state;
	assert_true(has_license("MIT", "mit"));
	assert_true(has_license("(Apache-2.0 OR MIT) AND BSD-3-Clause", "MIT"));
	assert_true(has_license("GPL-2.0+", "GPL-2.0-or-later"));
	assert_true(has_license("Apache-2.0 WITH LLVM-exception", "Apache-2.0"));
	assert_true(has_license("Some License", "License"));
	assert_false(has_license("MIT-0", "MIT"));
	assert_false(has_license("Apache-2.0", "Apache-2.0 WITH LLVM-exception"));
	assert_false(has_license("MIT", "MIT AND Apache-2.0"));
	assert_false(has_license(NULL, "MIT"));
}

static void memory_is_what_the_publisher_says_else_size_and_a_margin(void **state)
{
	(void)state;
	struct index_variant v = { .id = "v", .size = 8 * GIB };
	assert_int_equal(select_memory(&v), 10 * GIB + 256 * MIB);
	v.ram = 9 * GIB;
	assert_int_equal(select_memory(&v), 9 * GIB);
	v = (struct index_variant){ .id = "v", .size = UINT64_MAX - 1 };
	assert_int_equal(select_memory(&v), UINT64_MAX);
}

static void variants_are_selected_by_kind_size_and_memory(void **state)
{
	(void)state;
	struct index_variant v = { .id = "v", .size = 100, .ram = 200 };
	assert_true(select_variant(&(struct select){ .max_size = 100, .fits = 200 }, &v));
	assert_false(select_variant(&(struct select){ .max_size = 99 }, &v));
	assert_false(select_variant(&(struct select){ .fits = 199 }, &v));
	assert_true(select_variant(&(struct select){ .kind = "model" }, &v));
	assert_false(select_variant(&(struct select){ .kind = "adapter" }, &v));
	v.kind = "adapter";
	assert_true(select_variant(&(struct select){ .kind = "Adapter" }, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_word_counts_by_its_best_place),
		cmocka_unit_test(a_license_is_found_alone_and_in_expressions),
		cmocka_unit_test(memory_is_what_the_publisher_says_else_size_and_a_margin),
		cmocka_unit_test(variants_are_selected_by_kind_size_and_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
