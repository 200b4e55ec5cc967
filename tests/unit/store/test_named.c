#include "store/named.h"

#include "unit.h"

/* Nothing is freed. */
static struct store_variant v(const char *variant, uint64_t version, bool complete)
{
	struct store_variant out = { .version = version, .complete = complete };
	out.repository = (char *)"r";
	out.model = (char *)"m";
	out.variant = (char *)variant;
	return out;
}

static void named(struct store_variant *at, size_t count, const char *variant, size_t want)
{
	const struct store_variants all = { at, count, count };
	size_t found = store_named(&all, "r", "m", variant);
	if (found != want)
		fail_msg("%s: %zu instead of %zu", variant, found, want);
}

static void what_was_fetched_without_a_number_is_meant(void **state)
{
	(void)state;
	struct store_variant at[] = { v("q4", 1, true), v("q4@2", 2, true), v("q8", 1, true) };
	named(at, 3, "q4", 0);
	named(at, 3, "q8", 2);
	named(at, 3, "q", SIZE_MAX);
	named(at, 3, "q4@2", SIZE_MAX);
	const struct store_variants all = { at, 3, 3 };
	assert_true(store_named(&all, "other", "m", "q4") == SIZE_MAX);
	assert_true(store_named(&all, "r", "other", "q4") == SIZE_MAX);
}

static void else_the_highest_that_was_fetched_by_its_number(void **state)
{
	(void)state;
	struct store_variant at[] = { v("q4", 3, false), v("q4@1", 1, true), v("q4@10", 10, false),
				      v("q4@2", 2, true) };
	named(at, 4, "q4", 3);
}

static void an_incomplete_one_comes_last(void **state)
{
	(void)state;
	struct store_variant at[] = { v("q4@2", 2, false), v("q4", 0, false), v("q8", 1, true) };
	named(at, 3, "q4", 1);
	named(at, 1, "q4", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_fetched_without_a_number_is_meant),
		cmocka_unit_test(else_the_highest_that_was_fetched_by_its_number),
		cmocka_unit_test(an_incomplete_one_comes_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
