/* What the rolling audit keeps: its ring, its notes, and all of it as bytes. */
#include "health/rolling_pass.h"
#include "util/mem.h"

#include "unit.h"

#define START 1800000000
#define DAY 86400

static uint64_t next_random(uint64_t *r)
{
	*r = *r * 6364136223846793005 + 1442695040888963407;
	return *r ^ (*r >> 31);
}

/* ---- the ring ------------------------------------------------------------------- */

#define PASSED 40000

/* Goes around in random steps, some 3000 in a lap; at[k] is the k-th position that was passed. */
static void go_around(struct rolling_arcs *a, uint64_t *at, uint32_t *when)
{
	uint64_t r = 7;
	rolling_arcs_init(a);
	for (size_t k = 0; k < PASSED; k++) {
		at[k] = a->cursor;
		when[k] = START + (uint32_t)k * 300;
		rolling_arcs_pass(a, a->cursor + 1 + next_random(&r) % (UINT64_MAX / 1500),
				  when[k]);
		assert_true(rolling_arcs_valid(a, when[k]));
	}
}

static void joined_arcs_make_checks_look_older_by_a_fraction_of_the_lap(void **state)
{
	struct rolling_arcs *a = NEW(struct rolling_arcs);
	uint64_t *at = mem_alloc(PASSED * sizeof *at);
	uint32_t *when = mem_alloc(PASSED * sizeof *when);
	(void)state;
	go_around(a, at, when);
	assert_int_equal(a->count, ROLLING_ARCS);
	/* The latest lap has some 3000 steps: look at the last 2000. */
	uint32_t oldest = a->at[0].time_s,
		 bound = 2 * (when[PASSED - 1] - oldest) / (ROLLING_ARCS - 1);
	for (size_t k = PASSED - 2000; k < PASSED; k++) {
		uint32_t said = rolling_arcs_time(a, at[k]);
		assert_in_range(said, when[k] - bound, when[k]);
	}
	free(a);
	free(at);
	free(when);
}

static void what_the_cursor_never_passed_stays_never(void **state)
{
	struct rolling_arcs *a = NEW(struct rolling_arcs);
	(void)state;
	rolling_arcs_init(a);
	for (uint32_t k = 1; k <= 2 * ROLLING_ARCS; k++)
		rolling_arcs_pass(a, (uint64_t)k << 40, START + k);
	assert_int_equal(rolling_arcs_time(a, (uint64_t)(2 * ROLLING_ARCS) << 40), 0);
	assert_int_equal(rolling_arcs_time(a, UINT64_MAX), 0);
	assert_int_equal(rolling_arcs_time(a, 0), START + 1);
	assert_in_range(rolling_arcs_time(a, ((uint64_t)(2 * ROLLING_ARCS) << 40) - 1),
			START + 2 * ROLLING_ARCS - 4, START + 2 * ROLLING_ARCS);
	free(a);
}

/* ---- notes ---------------------------------------------------------------------- */

static void notes_on_faults_outlive_those_on_what_was_right(void **state)
{
	CLEANUP(rolling_notes_release) struct rolling_notes n = { 0 };
	(void)state;
	assert_true(rolling_notes_set(&n, 5, ROLLING_KIND_RIGHT, 1));
	for (uint64_t k = 1; k < ROLLING_NOTES; k++)
		assert_true(rolling_notes_set(&n, k << 32, ROLLING_KIND_WRONG, 2));
	assert_int_equal(n.count, ROLLING_NOTES);
	assert_true(rolling_notes_set(&n, 6, ROLLING_KIND_WRONG, 3));
	assert_null(rolling_notes_find(&n, 5));
	assert_false(rolling_notes_set(&n, 7, ROLLING_KIND_WRONG, 3));
	assert_true(rolling_notes_set(&n, 6, ROLLING_KIND_WRONG, 4));
	assert_int_equal(rolling_notes_find(&n, 6)->tries, 2);
	assert_int_equal(rolling_notes_find(&n, 6)->since_s, 3);
	rolling_notes_remove(&n, 6);
	assert_null(rolling_notes_find(&n, 6));
}

/* ---- as bytes ------------------------------------------------------------------- */

/* As full as it gets. */
static struct rolling *full_state(void)
{
	struct rolling *r = rolling_new(NULL, START);
	uint64_t random = 3;
	r->last_s = START;
	r->groups = mem_alloc(ROLLING_GROUPS * sizeof *r->groups);
	for (; r->group_count < ROLLING_GROUPS; r->group_count++)
		r->groups[r->group_count] = (struct rolling_group){ 7, START,
								    (uint16_t)r->group_count };
	while (r->notes.count < ROLLING_NOTES)
		assert_true(rolling_notes_set(&r->notes, next_random(&random), ROLLING_KIND_WRONG,
					      START));
	for (uint32_t k = 1; k <= 2 * ROLLING_ARCS; k++)
		rolling_arcs_pass(&r->arcs, (uint64_t)k << 48, k);
	return r;
}

static void the_fullest_state_is_below_a_mebibyte_and_survives(void **state)
{
	CLEANUP(buf_release) struct buf a = BUF_INIT(2 * MIB), b = BUF_INIT(2 * MIB);
	CLEANUP_PTR(rolling_free) struct rolling *r = full_state(), *again = NULL;
	struct err e = ERR_INIT;
	(void)state;
	rolling_encode(r, &a);
	assert_true(a.len < ROLLING_MAX_BYTES);
	assert_ok(rolling_parse(a.data, a.len, &again, &e), &e);
	rolling_encode(again, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

static void a_state_with_a_changed_bit_or_a_lost_byte_is_refused(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(MIB);
	CLEANUP_PTR(rolling_free) struct rolling *r = rolling_new(NULL, START), *again = NULL;
	struct err none = ERR_INIT;
	(void)state;
	rolling_encode(r, &b);
	assert_ok(rolling_parse(b.data, b.len, &again, &none), &none);
	rolling_free(STEAL(again));
	for (size_t bit = 0; bit < 8 * b.len; bit++) {
		struct err e = ERR_INIT;
		b.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(rolling_parse(b.data, b.len, &again, &e), -ERR_INTEGRITY);
		b.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t len = 0; len < b.len; len++) {
		struct err e = ERR_INIT;
		assert_int_equal(rolling_parse(b.data, len, &again, &e), -ERR_INTEGRITY);
	}
}

/* ---- ten million pieces --------------------------------------------------------- */

static unsigned reads;

static int right(void *ctx, const struct rolling_object *o, uint32_t piece, struct audit *out,
		 struct err *e)
{
	(void)ctx;
	(void)e;
	reads++;
	*out = (struct audit){ .bytes = rolling_sequence_length(o, piece), .pieces = 1 };
	return 0;
}

/* The files are all the same, but for their digests, which are not needed later. */
static void add_large(struct rolling_sequence *s, const struct rolling *r,
		      struct repository_file *f)
{
	for (size_t i = 0; i < 1000; i++) {
		sha256_of(&i, sizeof i, &f->sha256);
		rolling_sequence_add(s, r->key, f, 0);
	}
}

static void ten_million_pieces_are_known_with_a_few_kibibytes(void **state)
{
	CLEANUP(rolling_sequence_release) struct rolling_sequence s = { 0 };
	CLEANUP(rolling_report_release) struct rolling_report out = { 0 };
	CLEANUP(buf_release) struct buf b = BUF_INIT(2 * MIB);
	CLEANUP_PTR(rolling_free) struct rolling *r = rolling_new(NULL, START);
	struct rolling_reader reader = { right, NULL };
	struct rolling_options o = { .budget = 100 * GIB, .window_s = DAY };
	struct err e = ERR_INIT;
	char key[] = "targets/large", manifest[] = "m";
	struct repository_file f = { .key = key,
				     .manifest_key = manifest,
				     .size = 10000 * 8 * MIB };
	(void)state;
	reads = 0;
	add_large(&s, r, &f);
	assert_int_equal(s.pieces, 10000000);
	assert_ok(rolling_pass(r, &s, &reader, &o, &out, &e), &e);
	rolling_pass_sum_up(r, &s, &o, &out);
	/* Three quarters of a day's budget; nothing is hot. */
	assert_int_equal(reads, 100 * 128 * 3 / 4);
	assert_int_equal(out.coverage.verified, 75 * GIB);
	assert_int_equal(out.coverage.bytes, 10000000 * (8 * MIB));
	rolling_encode(r, &b);
	assert_true(b.len < 64 * KIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joined_arcs_make_checks_look_older_by_a_fraction_of_the_lap),
		cmocka_unit_test(what_the_cursor_never_passed_stays_never),
		cmocka_unit_test(notes_on_faults_outlive_those_on_what_was_right),
		cmocka_unit_test(the_fullest_state_is_below_a_mebibyte_and_survives),
		cmocka_unit_test(a_state_with_a_changed_bit_or_a_lost_byte_is_refused),
		cmocka_unit_test(ten_million_pieces_are_known_with_a_few_kibibytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
