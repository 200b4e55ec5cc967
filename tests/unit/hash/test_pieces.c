#include "hash/pieces.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <unistd.h>

/* Four pieces, the last one short. */
#define PIECE (8 * MIB)
#define SIZE (3 * PIECE + 12345)

struct model {
	struct grid grid;
	uint8_t *bytes;
	struct digest pieces[4], sha256;
};

static int model_make(void **state)
{
	struct model *m = NEW(struct model);
	struct err e = ERR_INIT;
	uint64_t x = 0x9e3779b97f4a7c15;
	m->bytes = mem_alloc(SIZE + 8);
	for (size_t i = 0; i < SIZE; i += 8) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(m->bytes + i, &x, 8);
	}
	assert_ok(grid_for(SIZE, &m->grid, &e), &e);
	for (uint32_t i = 0; i < m->grid.count; i++)
		sha256_of(m->bytes + grid_offset(&m->grid, i), grid_length(&m->grid, i),
			  &m->pieces[i]);
	sha256_of(m->bytes, SIZE, &m->sha256);
	*state = m;
	return 0;
}

static int model_free(void **state)
{
	struct model *m = *state;
	free(m->bytes);
	free(m);
	return 0;
}

/* In steps that cut blocks anywhere; data is the rest of the file, of which the piece takes its
 * own. */
static void feed(struct pieces_check *c, const uint8_t *data)
{
	for (size_t step = 1; c->left; step = step * 3 % 100003)
		data += pieces_add(c, data, step);
}

static bool check(struct pieces *p, const struct model *m, uint32_t index)
{
	struct pieces_check c;
	pieces_begin(p, index, &c);
	feed(&c, m->bytes + grid_offset(&m->grid, index));
	return pieces_end(p, &c);
}

static void in_order(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	for (uint32_t i = 0; i < 4; i++) {
		assert_false(pieces_are_whole(&p));
		assert_true(check(&p, m, i));
	}
	assert_true(pieces_are_whole(&p));
}

static void a_piece_takes_no_more_than_its_own(void **state)
{
	struct model *m = *state;
	struct pieces p;
	struct pieces_check c;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	pieces_begin(&p, 3, &c);
	assert_int_equal(c.left, 12345);
	assert_int_equal(pieces_add(&c, m->bytes + 3 * PIECE, 12000), 12000);
	assert_false(pieces_end(&p, &c)); /* 345 bytes are missing */
	assert_int_equal(pieces_add(&c, m->bytes + 3 * PIECE + 12000, 12000), 345);
	assert_int_equal(pieces_add(&c, m->bytes, 1), 0);
	assert_true(pieces_end(&p, &c));
}

static void the_whole_waits_for_pieces_that_are_late(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	assert_true(check(&p, m, 2));
	assert_true(check(&p, m, 0));
	assert_true(check(&p, m, 1));
	assert_int_equal(p.next, 2);
	assert_true(check(&p, m, 3));
	assert_false(pieces_are_whole(&p));
	assert_true(check(&p, m, 2)); /* again, now that its turn has come */
	assert_true(check(&p, m, 3));
	assert_true(pieces_are_whole(&p));
}

static void two_under_way_at_once(void **state)
{
	struct model *m = *state;
	struct pieces p;
	struct pieces_check first, same, second;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	pieces_begin(&p, 0, &first);
	pieces_begin(&p, 0, &same);
	pieces_begin(&p, 1, &second);
	feed(&second, m->bytes + PIECE);
	feed(&same, m->bytes);
	feed(&first, m->bytes);
	assert_true(pieces_end(&p, &first));
	assert_true(pieces_end(&p, &same));
	assert_true(pieces_end(&p, &second));
	assert_int_equal(p.next, 1);
	for (uint32_t i = 1; i < 4; i++)
		assert_true(check(&p, m, i));
	assert_true(pieces_are_whole(&p));
}

static void a_wrong_piece_leaves_no_trace(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	assert_true(check(&p, m, 0));
	m->bytes[PIECE + 77] ^= 1;
	assert_false(check(&p, m, 1));
	m->bytes[PIECE + 77] ^= 1;
	assert_int_equal(p.next, 1);
	for (uint32_t i = 1; i < 4; i++)
		assert_true(check(&p, m, i));
	assert_true(pieces_are_whole(&p));
}

static void a_piece_given_up_leaves_no_trace(void **state)
{
	struct model *m = *state;
	struct pieces p;
	struct pieces_check c;
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	pieces_begin(&p, 0, &c);
	pieces_add(&c, m->bytes, 5000);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(check(&p, m, i));
	assert_true(pieces_are_whole(&p));
}

static void pieces_that_are_right_do_not_make_a_whole(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, m->pieces, &m->pieces[0]);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(check(&p, m, i));
	assert_false(pieces_are_whole(&p));
}

static void without_digests_of_the_pieces(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, NULL, &m->sha256);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(check(&p, m, i));
	assert_true(pieces_are_whole(&p));
	pieces_init(&p, &m->grid, NULL, &m->sha256);
	m->bytes[SIZE - 1] ^= 1;
	for (uint32_t i = 0; i < 4; i++)
		assert_true(check(&p, m, i));
	m->bytes[SIZE - 1] ^= 1;
	assert_false(pieces_are_whole(&p));
}

static void without_the_digest_of_the_whole(void **state)
{
	struct model *m = *state;
	struct pieces p;
	pieces_init(&p, &m->grid, m->pieces, NULL);
	assert_true(check(&p, m, 0));
	assert_true(check(&p, m, 3));
	assert_int_equal(p.next, 0);
}

static void an_empty_file(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct grid grid;
	struct pieces p;
	struct digest nothing, other = { { 0 } };
	assert_ok(grid_for(0, &grid, &e), &e);
	sha256_of("", 0, &nothing);
	pieces_init(&p, &grid, NULL, &nothing);
	assert_true(pieces_are_whole(&p));
	pieces_init(&p, &grid, NULL, &other);
	assert_false(pieces_are_whole(&p));
}

static void from_a_file(void **state)
{
	struct model *m = *state;
	struct err e = ERR_INIT;
	struct pieces p;
	char *dir = scratch_new(), *path = path_join(dir, "model");
	bool right;
	int fd = -1;
	m->bytes[2 * PIECE] ^= 1;
	scratch_write(dir, "model", m->bytes, SIZE - 1);
	m->bytes[2 * PIECE] ^= 1;
	assert_ok(file_open_read(path, &fd, &e), &e);
	pieces_init(&p, &m->grid, m->pieces, &m->sha256);
	for (uint32_t i = 0; i < 3; i++) {
		assert_ok(pieces_read(&p, i, fd, path, NULL, &right, &e), &e);
		assert_int_equal(right, i < 2);
	}
	assert_int_equal(p.next, 2);
	assert_int_not_equal(pieces_read(&p, 3, fd, path, NULL, &right, &e), 0); /* cut short */
	file_close(&fd);
	free(path);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(a_piece_takes_no_more_than_its_own),
		cmocka_unit_test(the_whole_waits_for_pieces_that_are_late),
		cmocka_unit_test(two_under_way_at_once),
		cmocka_unit_test(a_wrong_piece_leaves_no_trace),
		cmocka_unit_test(a_piece_given_up_leaves_no_trace),
		cmocka_unit_test(pieces_that_are_right_do_not_make_a_whole),
		cmocka_unit_test(without_digests_of_the_pieces),
		cmocka_unit_test(without_the_digest_of_the_whole),
		cmocka_unit_test(an_empty_file),
		cmocka_unit_test(from_a_file),
	};
	return cmocka_run_group_tests(tests, model_make, model_free);
}
