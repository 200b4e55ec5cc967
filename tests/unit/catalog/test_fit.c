#include "catalog/fit.h"

#include "unit.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

static struct card_file one_file;

/* With an estimate for 4096 tokens; none if ram is 0. */
static struct card_variant variant(const char *id, uint64_t size, uint64_t ram, uint64_t token)
{
	return (struct card_variant){
		.id = id,
		.size = size,
		.ram_known = ram != 0,
		.ram_bytes = ram,
		.ram_context = ram ? 4096 : 0,
		.ram_token = token,
		.files = &one_file,
		.file_count = 1,
		.version = 1,
	};
}

static void without_a_context_the_publishers_estimate_counts(void **state)
{
	(void)state;
	struct card_variant v = variant("a", 4 * GIB, 5 * GIB, 128 * KIB);
	assert_int_equal(fit_needs(&v, 0), 5 * GIB);
	assert_int_equal(fit_needs(&v, 4096), 5 * GIB);
	v = variant("a", 4 * GIB, 0, 0);
	assert_int_equal(fit_needs(&v, 0), 5 * GIB + 256 * MIB);
	assert_int_equal(fit_needs(&v, 100000), 5 * GIB + 256 * MIB);
	assert_int_equal(fit_context(&v, 100000), 0);
	assert_int_equal(fit_memory(UINT64_MAX, 0), UINT64_MAX);
}

static void each_token_of_context_needs_its_bytes(void **state)
{
	(void)state;
	struct card_variant v = variant("a", 4 * GIB, 5 * GIB, 128 * KIB);
	assert_int_equal(fit_needs(&v, 8192), 5 * GIB + 512 * MIB);
	assert_int_equal(fit_needs(&v, 2048), 5 * GIB - 256 * MIB);
	/* Never less than the weights, and no context is shorter than the shortest. */
	v.ram_token = GIB;
	assert_int_equal(fit_needs(&v, 2048), 4 * GIB);
	assert_int_equal(fit_needs(&v, 8192), 5 * GIB + 4096 * GIB);
	v.ram_token = UINT64_MAX / 2;
	assert_int_equal(fit_needs(&v, 8192), UINT64_MAX);
	v.ram_token = KIB;
	assert_int_equal(fit_needs(&v, 1), fit_needs(&v, FIT_MIN_CONTEXT));
	assert_int_equal(fit_context(&v, 1), FIT_MIN_CONTEXT);
}

static void an_estimate_without_bytes_for_a_token_is_never_too_low(void **state)
{
	(void)state;
	struct card_variant v = variant("a", 4 * GIB, 5 * GIB, 0);
	assert_int_equal(fit_needs(&v, 2048), 5 * GIB);
	assert_true(fit_needs(&v, 8192) >= 6 * GIB);
	assert_true(fit_needs(&v, 8192) < 6 * GIB + MIB);
	v.ram_bytes = 0;
	assert_true(fit_needs(&v, 8192) < MIB);
}

static const char *chosen(const struct card *c, struct fit_want want)
{
	CLEANUP(mem_free_ptr) struct fit *f = NEW(struct fit);
	fit_choose(c, &want, f);
	return f->chosen < f->count ? f->at[f->chosen].variant->id : NULL;
}

static void the_largest_that_fits_is_chosen(void **state)
{
	(void)state;
	struct card_variant v[] = {
		variant("q4", 4 * GIB, 5 * GIB, 0),
		variant("f16", 14 * GIB, 15 * GIB, 0),
		variant("q8", 8 * GIB, 9 * GIB, 0),
		variant("q8-b", 8 * GIB, 9 * GIB, 0),
	};
	const struct card c = { .id = "m", .variants = v, .variant_count = 4 };
	assert_string_equal(chosen(&c, (struct fit_want){ .memory = 64 * GIB }), "f16");
	assert_string_equal(chosen(&c, (struct fit_want){ .memory = 15 * GIB }), "f16");
	assert_string_equal(chosen(&c, (struct fit_want){ .memory = 15 * GIB - 1 }), "q8");
	assert_string_equal(chosen(&c, (struct fit_want){ .memory = 5 * GIB }), "q4");
	assert_null(chosen(&c, (struct fit_want){ .memory = 5 * GIB - 1 }));
	/* Of equally large ones the default, else the first. */
	v[3].is_default = true;
	assert_string_equal(chosen(&c, (struct fit_want){ .memory = 9 * GIB }), "q8-b");
}

static void what_is_no_model_or_cannot_be_used_is_not_chosen(void **state)
{
	(void)state;
	struct card_variant v[] = {
		variant("mmproj", 5 * GIB, 0, 0),  variant("fork", 5 * GIB, 0, 0),
		variant("planned", 5 * GIB, 0, 0), variant("bad", 5 * GIB, 0, 0),
		variant("q2", GIB, 0, 0),
	};
	const struct card c = { .id = "m", .variants = v, .variant_count = 5 };
	v[0].kind = "projector";
	v[1].engine = "ik_llama.cpp";
	v[2].file_count = 0;
	v[3].withdrawn.reason = "wrong weights";
	struct fit_want want = { .memory = 64 * GIB };
	assert_string_equal(chosen(&c, want), "q2");
	want.withdrawn = true;
	assert_string_equal(chosen(&c, want), "bad");
	want.version = "2";
	assert_null(chosen(&c, want));
}

static bool has_this_id(void *ctx, const struct card_variant *v)
{
	return strcmp(v->id, ctx) == 0;
}

static void only_what_may_be_chosen_is_and_the_least_is_known(void **state)
{
	(void)state;
	struct card_variant v[] = {
		variant("q4", 4 * GIB, 0, 0),
		variant("q2", 2 * GIB, 0, 0),
		variant("q3", 3 * GIB, 0, 0),
	};
	const struct card c = { .id = "m", .variants = v, .variant_count = 3 };
	CLEANUP(mem_free_ptr) struct fit *f = NEW(struct fit);
	struct fit_want want = { .memory = 64 * GIB, .may = has_this_id, .ctx = (void *)"q2" };
	assert_string_equal(chosen(&c, want), "q2");
	want = (struct fit_want){ .memory = 1 };
	fit_choose(&c, &want, f);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->chosen, 3);
	assert_string_equal(f->at[fit_least(f)].variant->id, "q2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_context_the_publishers_estimate_counts),
		cmocka_unit_test(each_token_of_context_needs_its_bytes),
		cmocka_unit_test(an_estimate_without_bytes_for_a_token_is_never_too_low),
		cmocka_unit_test(the_largest_that_fits_is_chosen),
		cmocka_unit_test(what_is_no_model_or_cannot_be_used_is_not_chosen),
		cmocka_unit_test(only_what_may_be_chosen_is_and_the_least_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
