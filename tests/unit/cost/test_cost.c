#include "cost/cost.h"

#include "unit.h"

#define NANO(millionths) ((uint64_t)(millionths)*1000)
#define GB ((uint64_t)1000000000)
#define TB (1000 * GB)

static const struct settings_cost_scale egress = {
	{ { 0, 100 * GB }, { NANO(90000), 10 * TB }, { NANO(85000), UINT64_MAX } },
	3,
};

/* 0 to 100 GB free, up to 10 TB 0.09, then 0.085. */
static void each_gigabyte_has_the_price_of_the_step_that_it_is_in(void **state)
{
	(void)state;
	assert_int_equal(cost_of(&egress, 0, GB, false), 0);
	assert_int_equal(cost_of(&egress, 100 * GB, GB, false), 0);
	assert_int_equal(cost_of(&egress, 101 * GB, GB, false), NANO(90000));
	/* 900 GB × 0.09 = 81 */
	assert_int_equal(cost_of(&egress, TB, GB, false), 81 * SETTINGS_COST_UNIT);
	/* 9,900 GB × 0.09 + 10,000 GB × 0.085 = 891 + 850 */
	assert_int_equal(cost_of(&egress, 20 * TB, GB, false), 1741 * SETTINGS_COST_UNIT);
}

static void a_scale_without_steps_is_free(void **state)
{
	(void)state;
	static const struct settings_cost_scale nothing = { 0 };
	assert_int_equal(cost_of(&nothing, UINT64_MAX, GB, true), 0);
}

static void a_part_of_a_unit_is_charged_as_a_part_and_rounded_half_up(void **state)
{
	(void)state;
	static const struct settings_cost_scale one = { { { 1, UINT64_MAX } }, 1 };
	assert_int_equal(cost_of(&one, GB / 2 - 1, GB, false), 0);
	assert_int_equal(cost_of(&one, GB / 2, GB, false), 1);
	assert_int_equal(cost_of(&one, GB + GB / 2 - 1, GB, false), 1);
	assert_int_equal(cost_of(&one, GB + GB / 2, GB, false), 2);
}

/* "If you have used 1.1 GB-month, you will be billed for 2 GB-month." */
static void amounts_are_rounded_up_to_whole_units_where_the_vendor_does(void **state)
{
	(void)state;
	static const struct settings_cost_scale one = { { { NANO(15000), UINT64_MAX } }, 1 };
	assert_int_equal(cost_of(&one, GB, GB, true), NANO(15000));
	assert_int_equal(cost_of(&one, GB + 1, GB, true), NANO(30000));
	assert_int_equal(cost_of(&one, GB + GB / 10, GB, true), NANO(30000));
	assert_int_equal(cost_of(&one, 0, GB, true), 0);
}

static void four_hundred_gigabytes_for_a_million_readers_do_not_wrap_around(void **state)
{
	(void)state;
	const uint64_t bytes = 400 * GB * 1000000;
	/* 4 × 10^8 GB: 9,900 × 0.09 + (4 × 10^8 - 10,000) × 0.085 = 891 + 33,999,150 */
	assert_int_equal(cost_of(&egress, bytes, GB, false), 34000041 * SETTINGS_COST_UNIT);
}

static void what_cannot_be_counted_is_the_most_and_never_less(void **state)
{
	(void)state;
	static const struct settings_cost_scale dear = {
		{ { 1000000 * SETTINGS_COST_UNIT, UINT64_MAX } },
		1,
	};
	assert_int_equal(cost_of(&dear, UINT64_MAX, 1, false), COST_MAX);
	assert_int_equal(cost_of(&dear, UINT64_MAX - 5, GB, true), COST_MAX);
	assert_int_equal(cost_add(COST_MAX, 1), COST_MAX);
	assert_int_equal(cost_add(COST_MAX - 1, 1), COST_MAX);
	assert_int_equal(cost_less(1, 2), 0);
	assert_int_equal(cost_less(COST_MAX, 1), COST_MAX - 1);
}

static void a_share_is_exact_beyond_64_bits(void **state)
{
	(void)state;
	assert_int_equal(cost_share(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
	assert_int_equal(cost_share(UINT64_MAX, 3, 4), 13835058055282163711u);
	assert_int_equal(cost_share(12345678901234567890u, 1000000007, 1000000009),
			 12345678876543210310u);
	assert_int_equal(cost_share(7, 1, 2), 4);
	assert_int_equal(cost_share(5, 1, 3), 2);
	assert_int_equal(cost_share(4, 1, 3), 1);
	assert_int_equal(cost_share(1, 0, 3), 0);
	assert_int_equal(cost_share(UINT64_MAX, 2, 1), COST_MAX);
	assert_int_equal(cost_share(UINT64_MAX, 1, 1), UINT64_MAX);
	assert_int_equal(cost_share(1, 1, UINT64_MAX), 0);
	assert_int_equal(cost_share(UINT64_MAX / 2 + 1, 1, UINT64_MAX), 1);
}

static void a_bill_has_the_price_of_each_part(void **state)
{
	(void)state;
	struct settings_cost_price p = {
		.gigabyte = GB,
		.storage = { { { NANO(23000), UINT64_MAX } }, 1 },
		.write = { { { NANO(5000000), UINT64_MAX } }, 1 },
		.read = { { { NANO(400000), UINT64_MAX } }, 1 },
		.egress = egress,
	};
	/* As in the first plan of a mirror: 100 GB, and a terabyte for readers. */
	const struct cost_usage u = {
		.stored = 100 * GB,
		.writes = 1000,
		.reads = 250000,
		.egress = TB,
	};
	struct cost_bill b, sum = { 0 };
	cost_bill(&p, &u, &b);
	assert_int_equal(b.storage, NANO(2300000));
	assert_int_equal(b.writes, NANO(5000));
	assert_int_equal(b.reads, NANO(100000));
	assert_int_equal(b.egress, NANO(81000000));
	assert_int_equal(b.total, NANO(83405000));
	cost_bill_add(&sum, &b);
	cost_bill_add(&sum, &b);
	assert_int_equal(sum.total, NANO(166810000));
	assert_int_equal(sum.writes, NANO(10000));
}

static void in_another_order_each_mirror_takes_the_readers_of_the_place_that_it_gets(void **state)
{
	(void)state;
	/* a, b and c are tried in this order; d is not for readers. */
	const struct cost_usage before[] = {
		{ .stored = 1, .writes = 2, .reads = 900, .egress = 9000 },
		{ .stored = 3, .writes = 4, .reads = 90, .egress = 800 },
		{ .stored = 5, .writes = 6, .reads = 9, .egress = 70 },
		{ .stored = 7, .writes = 8 },
	};
	const size_t from[] = { 0, 1, 2 }, to[] = { 2, 0, 1 };
	struct cost_usage after[4] = { before[0], before[1], before[2], before[3] };
	cost_reorder(before, from, to, 3, after);
	assert_int_equal(after[2].egress, 9000);
	assert_int_equal(after[2].reads, 900);
	assert_int_equal(after[2].stored, 5);
	assert_int_equal(after[2].writes, 6);
	assert_int_equal(after[0].egress, 800);
	assert_int_equal(after[1].egress, 70);
	assert_int_equal(after[3].egress, 0);
	assert_int_equal(after[3].stored, 7);
}

static void amounts_are_exact_for_programs_and_rounded_for_people(void **state)
{
	(void)state;
	static const struct {
		uint64_t nano;
		const char *exact, *rounded;
	} all[] = {
		{ 0, "0.00", "0.00" },
		{ 1, "0.000000001", "<0.01" },
		{ 4999999, "0.004999999", "<0.01" },
		{ 5000000, "0.005", "0.01" },
		{ 10000000, "0.01", "0.01" },
		{ 1250000000, "1.25", "1.25" },
		{ 994999999, "0.994999999", "0.99" },
		{ 995000000, "0.995", "1.00" },
		{ 12000000000, "12.00", "12.00" },
		{ COST_MAX, "18446744073.709551615", ">18446744073" },
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char text[COST_TEXT];
		assert_string_equal(cost_exact(text, all[i].nano), all[i].exact);
		assert_string_equal(cost_rounded(text, all[i].nano), all[i].rounded);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_gigabyte_has_the_price_of_the_step_that_it_is_in),
		cmocka_unit_test(a_scale_without_steps_is_free),
		cmocka_unit_test(a_part_of_a_unit_is_charged_as_a_part_and_rounded_half_up),
		cmocka_unit_test(amounts_are_rounded_up_to_whole_units_where_the_vendor_does),
		cmocka_unit_test(four_hundred_gigabytes_for_a_million_readers_do_not_wrap_around),
		cmocka_unit_test(what_cannot_be_counted_is_the_most_and_never_less),
		cmocka_unit_test(a_share_is_exact_beyond_64_bits),
		cmocka_unit_test(a_bill_has_the_price_of_each_part),
		cmocka_unit_test(
			in_another_order_each_mirror_takes_the_readers_of_the_place_that_it_gets),
		cmocka_unit_test(amounts_are_exact_for_programs_and_rounded_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
