#include "hash/grid.h"

#include "unit.h"

static void small_file_has_one_short_piece(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct grid g;
	assert_int_equal(grid_for(5, &g, &e), 0);
	assert_int_equal(g.piece_length, 8 * MIB);
	assert_int_equal(g.count, 1);
	assert_int_equal(grid_length(&g, 0), 5);
}

static void empty_file_has_no_pieces(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct grid g;
	assert_int_equal(grid_for(0, &g, &e), 0);
	assert_int_equal(g.count, 0);
}

static void length_doubles_only_past_ten_thousand_pieces(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct grid g;
	assert_int_equal(grid_for(10000 * 8 * MIB, &g, &e), 0);
	assert_int_equal(g.piece_length, 8 * MIB);
	assert_int_equal(g.count, 10000);
	assert_int_equal(grid_for(10000 * 8 * MIB + 1, &g, &e), 0);
	assert_int_equal(g.piece_length, 16 * MIB);
	assert_int_equal(g.count, 5001);
	assert_int_equal(grid_length(&g, 5000), 1);
}

static void largest_file_is_refused_above_the_limit(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct grid g;
	assert_int_equal(grid_for(GRID_MAX_SIZE, &g, &e), 0);
	assert_int_equal(g.piece_length, 4 * GIB);
	assert_int_equal(grid_for(GRID_MAX_SIZE + 1, &g, &e), -ERR_INTEGRITY);
}

/* The composite SHA-256 as S3 computes it: the digest of the part digests. */
static void root_is_the_digest_of_digests(void **state)
{
	(void)state;
	struct digest parts[2], root, want;
	sha256_of("a", 1, &parts[0]);
	sha256_of("b", 1, &parts[1]);
	grid_root(parts, 2, &root);
	sha256_of(parts, 64, &want);
	assert_true(digest_equal(&root, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_file_has_one_short_piece),
		cmocka_unit_test(empty_file_has_no_pieces),
		cmocka_unit_test(length_doubles_only_past_ten_thousand_pieces),
		cmocka_unit_test(largest_file_is_refused_above_the_limit),
		cmocka_unit_test(root_is_the_digest_of_digests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
