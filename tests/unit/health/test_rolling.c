/* The rolling audit over a simulated mirror: what it reads and when, and that what it says of each
 * piece is never better than the truth. */
#include "health/rolling_choice.h"
#include "health/rolling_pass.h"
#include "util/mem.h"

#include "unit.h"

#include <limits.h>
#include <stdio.h>

#define START 1800000000
#define DAY 86400
#define MOST 400  /* objects */
#define PIECES 12 /* of an object, at most */
#define UNIT (8 * MIB)

/* What is true of a piece. */
struct truth {
	int64_t read_s;  /* 0: never */
	int64_t right_s; /* 0: never, or the last time it was wrong */
	unsigned reads;  /* in this lap */
	enum rolling_kind is;
};

struct thing {
	bool there;
	struct repository_file file;
	char key[32];
	uint64_t weight;
	int64_t since_s;
	struct truth pieces[PIECES];
};

static struct world {
	struct rolling *r;
	struct thing things[MOST];
	size_t count;
	int64_t now_s;
	uint64_t us; /* of the monotonic clock */
	struct clock clock;
	struct rolling_options o;
	struct rolling_report report;
	uint64_t bytes_us; /* time that each MiB takes */
	uint64_t spent;    /* bytes, in this run */
	uint64_t random;
	struct rolling_chosen order[64]; /* the first pieces that were read in this run */
	size_t ordered;
} * w;

static uint64_t chance(uint64_t below)
{
	w->random = w->random * 6364136223846793005 + 1442695040888963407;
	return (w->random >> 33) % below;
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return w->us;
}

static int64_t wall_s(void *ctx)
{
	(void)ctx;
	return w->now_s;
}

static int set_up(void **state)
{
	(void)state;
	w = NEW(struct world);
	w->now_s = START;
	w->us = 1000000;
	w->clock = (struct clock){ now_us, wall_s, NULL, NULL };
	w->o = (struct rolling_options){ .window_s = 30 * DAY, .clock = &w->clock };
	w->random = 1;
	w->r = rolling_new(NULL, START);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < w->count; i++)
		free(w->things[i].file.manifest_key);
	rolling_report_release(&w->report);
	rolling_free(w->r);
	free(w);
	return 0;
}

static struct thing *add(uint64_t size)
{
	assert_true(w->count < MOST);
	struct thing *t = &w->things[w->count];
	*t = (struct thing){ .there = true, .since_s = w->now_s };
	snprintf(t->key, sizeof t->key, "targets/%03zu", w->count);
	t->file = (struct repository_file){ .key = t->key, .size = size };
	t->file.manifest_key = mem_strdup("manifest");
	sha256_of(&w->count, sizeof w->count, &t->file.sha256);
	w->count++;
	for (size_t k = 0; k < PIECES; k++)
		t->pieces[k].is = ROLLING_KIND_RIGHT;
	return t;
}

static void add_many(size_t count, uint64_t size)
{
	while (count--)
		add(size);
}

static struct thing *thing_of(const struct rolling_object *o)
{
	for (size_t i = 0; i < w->count; i++)
		if (o->file == &w->things[i].file)
			return &w->things[i];
	fail();
	return NULL;
}

static int simulated_read(void *ctx, const struct rolling_object *o, uint32_t piece,
			  struct audit *out, struct err *e)
{
	struct thing *t = thing_of(o);
	struct truth *p = &t->pieces[piece];
	(void)ctx;
	uint64_t bytes = rolling_sequence_length(o, piece), needed = bytes * w->bytes_us / MIB;
	if (w->ordered < ARRAY_LEN(w->order))
		w->order[w->ordered++] = (struct rolling_chosen){ 0, (uint32_t)(t - w->things),
								  piece };
	if (w->o.deadline_us && w->us + needed > w->o.deadline_us) {
		w->us = w->o.deadline_us;
		return err_set(e, ERR_NETWORK, "not read in time");
	}
	w->us += needed;
	p->reads++;
	p->read_s = w->now_s;
	p->right_s = p->is == ROLLING_KIND_RIGHT ? w->now_s : 0;
	if (p->is == ROLLING_KIND_UNREAD)
		return err_set(e, ERR_NETWORK, "refused");
	if (p->is == ROLLING_KIND_MISSING)
		return err_set(e, ERR_NOT_FOUND, "missing");
	*out = (struct audit){ .bytes = bytes, .pieces = 1 };
	out->bad_count = p->is == ROLLING_KIND_WRONG;
	w->spent += bytes;
	return 0;
}

static void sequence(struct rolling_sequence *s)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->things[i].there)
			rolling_sequence_add(s, w->r->key, &w->things[i].file, w->things[i].weight);
}

/* What is stored between two runs is all that the next one knows. */
static void store_and_load(void)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(2 * MIB);
	struct rolling *again = NULL;
	struct err e = ERR_INIT;
	rolling_encode(w->r, &b);
	assert_ok(rolling_parse(b.data, b.len, &again, &e), &e);
	rolling_free(w->r);
	w->r = again;
}

static void run(void)
{
	static const struct rolling_reader reader = { simulated_read, NULL };
	CLEANUP(rolling_sequence_release) struct rolling_sequence s = { 0 };
	struct err e = ERR_INIT;
	sequence(&s);
	w->spent = 0;
	w->ordered = 0;
	rolling_report_release(&w->report);
	assert_ok(rolling_pass(w->r, &s, &reader, &w->o, &w->report, &e), &e);
	rolling_pass_sum_up(w->r, &s, &w->o, &w->report);
	store_and_load();
}

static void run_in(int64_t s)
{
	w->now_s += s;
	run();
}

/* Nothing is said to be verified later than it was; returns the bytes of which it is known. */
static uint64_t check_truth(void)
{
	CLEANUP(rolling_sequence_release) struct rolling_sequence s = { 0 };
	uint64_t known = 0;
	sequence(&s);
	rolling_state_seen(w->r, &s, w->r->last_s);
	for (size_t i = 0; i < s.count; i++)
		for (uint32_t k = 0; k < s.at[i].count; k++) {
			const struct truth *t = &thing_of(&s.at[i])->pieces[k];
			uint32_t said = rolling_state_verified(w->r, &s.at[i], k, NULL);
			assert_true(said <= t->right_s);
			known += said ? rolling_sequence_length(&s.at[i], k) : 0;
		}
	return known;
}

static size_t count_reads(unsigned *least, unsigned *most)
{
	size_t all = 0;
	*least = UINT_MAX;
	*most = 0;
	for (size_t i = 0; i < w->count; i++)
		for (size_t k = 0; k * UNIT < w->things[i].file.size; k++) {
			unsigned n = w->things[i].pieces[k].reads;
			*least = MIN(*least, n);
			*most = MAX(*most, n);
			all += n;
		}
	return all;
}

/* ---- order ---------------------------------------------------------------------- */

static void each_piece_is_read_once_in_a_lap_however_it_is_cut_into_runs(void **state)
{
	unsigned least, most;
	(void)state;
	add_many(40, 5 * UNIT + 3);
	add_many(40, 17);
	w->o.budget = 32 * MIB;
	do {
		run_in(3600 * (int64_t)(1 + chance(20)));
		count_reads(&least, &most);
		assert_true(most <= least + 1);
	} while (least < 3);
}

static void with_enough_budget_one_run_reads_everything_but_nothing_twice(void **state)
{
	unsigned least, most;
	(void)state;
	add_many(100, 3 * UNIT);
	w->o.budget = 10 * GIB;
	run();
	count_reads(&least, &most);
	assert_int_equal(least, 1);
	assert_int_equal(most, 1);
	assert_int_equal(w->report.coverage.verified, w->report.coverage.bytes);
	run_in(ROLLING_REST_S - 60);
	assert_int_equal(w->report.pieces, 0);
	run_in(120);
	assert_int_equal(w->report.pieces, 300);
}

static void the_order_is_that_of_the_key_and_not_that_of_the_paths(void **state)
{
	unsigned inversions = 0;
	(void)state;
	add_many(64, UNIT);
	w->o.budget = GIB;
	run();
	for (size_t i = 1; i < 64; i++)
		inversions += w->order[i].object < w->order[i - 1].object;
	assert_in_range(inversions, 16, 48);
}

/* ---- objects that come and go --------------------------------------------------- */

static void what_is_said_is_never_better_than_the_truth(void **state)
{
	(void)state;
	add_many(120, 4 * UNIT);
	w->o.budget = 256 * MIB;
	for (size_t i = 0; i < 300; i++) {
		if (chance(6) == 0 && w->count < MOST - 4)
			add_many(1 + chance(4), 1 + chance(PIECES * UNIT - 1));
		if (chance(8) == 0)
			w->things[chance(w->count)].there ^= true;
		w->things[chance(w->count)].weight = chance(3);
		w->things[chance(w->count)].pieces[chance(4)].is = chance(20) ? ROLLING_KIND_RIGHT
									      : ROLLING_KIND_WRONG;
		run_in((int64_t)(300 + chance(2 * DAY)));
		check_truth();
	}
}

static void new_objects_do_not_borrow_the_coverage_of_those_that_were_there(void **state)
{
	(void)state;
	add_many(100, UNIT);
	w->o.budget = 4 * GIB;
	run();
	assert_int_equal(w->report.coverage.verified, 100 * UNIT);
	add_many(100, UNIT);
	w->o.budget = 0;
	run_in(DAY);
	assert_in_range(w->report.coverage.verified, 99 * UNIT, 100 * UNIT);
	assert_in_range(w->report.coverage.never, 100 * UNIT, 101 * UNIT);
	assert_int_equal(w->report.coverage.overdue, 0);
	run_in(31 * DAY);
	assert_int_equal(w->report.coverage.verified, 0);
	assert_int_equal(w->report.coverage.overdue, 200 * UNIT);
	assert_int_equal(w->report.coverage.oldest_s, START);
}

static void objects_that_go_leave_the_coverage_of_the_others(void **state)
{
	(void)state;
	add_many(100, UNIT);
	w->o.budget = 4 * GIB;
	run();
	for (size_t i = 0; i < 50; i++)
		w->things[i].there = false;
	run_in(3600);
	assert_int_equal(w->report.coverage.bytes, 50 * UNIT);
	assert_in_range(w->report.coverage.verified, 49 * UNIT, 50 * UNIT);
}

static void new_objects_are_read_soon(void **state)
{
	(void)state;
	add_many(100, 4 * UNIT);
	w->o.budget = 320 * MIB;
	for (size_t i = 0; i < 12; i++)
		run_in(DAY);
	struct thing *t = add(4 * UNIT);
	run_in(DAY);
	run_in(DAY);
	for (size_t k = 0; k < 4; k++)
		assert_true(t->pieces[k].read_s);
}

/* ---- what is read first --------------------------------------------------------- */

static void hot_pieces_get_their_share_by_weight(void **state)
{
	unsigned of[3] = { 0 };
	(void)state;
	add_many(100, 8 * UNIT);
	w->things[1].weight = 10;
	w->things[2].weight = 40;
	w->o.budget = 256 * MIB;
	for (size_t i = 0; i < 12; i++)
		run_in(DAY);
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 8; k++)
			of[i] += w->things[i].pieces[k].reads;
	/* 8 pieces a day for 12 days, about 4 : 1, and what the lap has read of them. */
	assert_in_range(of[2], 68, 88);
	assert_in_range(of[1], 12, 30);
	assert_in_range(of[0], 0, 8);
}

static void a_known_fault_is_read_again_first_until_it_is_mended(void **state)
{
	(void)state;
	add_many(100, 4 * UNIT);
	w->things[40].weight = 9;
	w->things[7].pieces[2].is = ROLLING_KIND_WRONG;
	w->o.budget = 256 * MIB;
	while (!w->report.faults[ROLLING_WRONG])
		run_in(DAY);
	assert_string_equal(w->report.first.key, "targets/007");
	assert_int_equal(w->report.first.piece, 2);
	assert_int_equal(w->report.first.offset, 2 * UNIT);
	assert_int_equal(w->report.first.length, UNIT);
	for (size_t i = 0; i < 3; i++) {
		run_in(DAY);
		assert_int_equal(w->order[0].object, 7);
		assert_int_equal(w->order[0].piece, 2);
		assert_int_equal(w->report.faults[ROLLING_WRONG], 1);
	}
	w->things[7].pieces[2].is = ROLLING_KIND_RIGHT;
	run_in(DAY);
	assert_int_equal(w->report.faults[ROLLING_WRONG], 0);
	assert_int_equal(w->report.mended, 1);
	assert_null(w->report.first.key);
	check_truth();
}

static void many_faults_that_were_mended_are_seen_at_once(void **state)
{
	(void)state;
	add_many(20, UNIT);
	for (size_t i = 0; i < 20; i++)
		w->things[i].pieces[0].is = ROLLING_KIND_MISSING;
	w->o.budget = 20 * UNIT;
	run();
	run_in(DAY);
	assert_int_equal(w->report.faults[ROLLING_MISSING], 20);
	for (size_t i = 0; i < 20; i++)
		w->things[i].pieces[0].is = ROLLING_KIND_RIGHT;
	run_in(DAY);
	assert_int_equal(w->report.mended, 20);
	assert_int_equal(w->report.faults[ROLLING_MISSING], 0);
}

static void faults_that_stay_do_not_stop_the_lap(void **state)
{
	unsigned read = 0;
	(void)state;
	add_many(60, UNIT);
	for (size_t i = 0; i < 30; i++)
		w->things[i].pieces[0].is = ROLLING_KIND_WRONG;
	w->o.budget = 8 * UNIT;
	for (size_t i = 0; i < 12; i++)
		run_in(DAY);
	for (size_t i = 0; i < 60; i++)
		read += w->things[i].pieces[0].reads > 0;
	assert_int_equal(read, 60);
}

static void a_fault_of_an_object_that_is_gone_is_forgotten(void **state)
{
	(void)state;
	add_many(3, UNIT);
	w->things[1].pieces[0].is = ROLLING_KIND_WRONG;
	w->o.budget = GIB;
	run();
	assert_int_equal(w->report.faults[ROLLING_WRONG], 1);
	w->things[1].there = false;
	run_in(60);
	assert_int_equal(w->report.faults[ROLLING_WRONG], 0);
	assert_int_equal(w->r->notes.count, 0);
}

static void what_cannot_be_read_stops_neither_the_lap_nor_is_it_verified(void **state)
{
	(void)state;
	add_many(50, UNIT);
	w->things[9].pieces[0].is = ROLLING_KIND_UNREAD;
	w->o.budget = 100 * UNIT;
	run();
	assert_int_equal(w->report.pieces, 50);
	assert_int_equal(w->report.faults[ROLLING_UNREAD], 1);
	assert_int_equal(w->report.coverage.verified, 49 * UNIT);
	assert_string_equal(w->report.error, "refused");
	assert_int_equal(w->report.unread_long, 0);
	for (size_t i = 0; i < 3; i++)
		run_in(DAY);
	assert_int_equal(w->report.unread_long, 1);
}

static void a_mirror_that_cannot_be_read_is_left_alone_after_three_pieces(void **state)
{
	(void)state;
	add_many(50, UNIT);
	for (size_t i = 0; i < 50; i++)
		w->things[i].pieces[0].is = ROLLING_KIND_UNREAD;
	w->o.budget = GIB;
	run();
	assert_int_equal(w->report.pieces, 3);
}

/* ---- the budget ----------------------------------------------------------------- */

static void check_spending(int64_t every_s, uint64_t budget, unsigned days, uint64_t largest)
{
	uint64_t spent = 0;
	w->o.budget = budget;
	run();
	spent += w->spent;
	for (int64_t s = every_s; s <= days * (int64_t)DAY; s += every_s) {
		run_in(every_s);
		spent += w->spent;
		assert_true(spent <= budget + budget * (uint64_t)s / DAY + largest);
	}
	/* And it is used. */
	assert_true(spent + largest >= budget * days * 9 / 10);
}

static void the_budget_is_kept_and_used_at_any_rhythm(void **state)
{
	static const int64_t rhythms[] = { 300, 3600, 7 * 3600, 16 * 3600, DAY };
	(void)state;
	add_many(300, 11 * UNIT);
	w->things[5].weight = 1;
	for (size_t i = 0; i < ARRAY_LEN(rhythms); i++) {
		rolling_free(w->r);
		w->r = rolling_new(NULL, w->now_s);
		check_spending(rhythms[i], 256 * MIB, rhythms[i] < 3600 ? 3 : 20, UNIT);
	}
}

static void runs_in_quick_succession_spend_nothing_twice(void **state)
{
	(void)state;
	add_many(100, UNIT);
	w->o.budget = 10 * UNIT;
	run();
	assert_true(w->spent > 0);
	for (size_t i = 0; i < 10; i++) {
		run_in(1);
		assert_int_equal(w->spent, 0);
	}
}

static void a_piece_larger_than_a_days_budget_has_its_turn(void **state)
{
	(void)state;
	add_many(10, UNIT);
	struct thing *t = add(300 * MIB);
	free(t->file.manifest_key);
	t->file.manifest_key = NULL; /* its pieces are not known: one unit */
	w->o.budget = 16 * MIB;
	unsigned days = 0;
	while (!t->pieces[0].reads || !w->report.coverage.oldest_s || w->report.coverage.never) {
		run_in(DAY);
		assert_true(++days <= w->report.promise_days);
	}
}

/* ---- the promise ---------------------------------------------------------------- */

/* The longest time from one reading of a piece to the next one. */
static int64_t longest_gap(int64_t every_s, int64_t until_s)
{
	int64_t longest = 0;
	while (w->now_s < until_s) {
		run_in(every_s / 2 + (int64_t)chance((uint64_t)every_s / 2 + 1));
		for (size_t i = 0; i < w->count; i++)
			for (size_t k = 0; k * UNIT < w->things[i].file.size; k++) {
				int64_t at = w->things[i].pieces[k].read_s;
				longest = MAX(longest, w->now_s - (at ? at : START));
			}
	}
	return longest;
}

static void each_byte_is_read_within_the_promised_days(void **state)
{
	static const struct {
		size_t objects;
		uint64_t size, budget;
	} cases[] = {
		{ 20, 5 * UNIT, 64 * MIB },  { 20, UNIT, 4 * MIB },   { 60, 1000, 2 * MIB },
		{ 8, 11 * UNIT, 300 * MIB }, { 3, UNIT, 1024 * MIB }, { 40, UNIT, 320 * MIB },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		add_many(cases[i].objects, cases[i].size);
		w->things[0].weight = i % 2;
		w->o.budget = cases[i].budget;
		run();
		int64_t days = (int64_t)w->report.promise_days;
		assert_true(longest_gap(DAY, START + 4 * days * DAY) <= days * DAY);
		tear_down(state);
		set_up(state);
	}
}

/* The lap begins with three quarters of a day's budget: a larger piece does not hold it up. */
static void the_first_run_reads_something_whatever_piece_is_the_first(void **state)
{
	static const uint64_t budgets[] = { UNIT, UNIT + UNIT / 4, UNIT / 2 };
	for (size_t key = 0; key < 64; key++) {
		add(UNIT + UNIT / 4);
		add_many(6, UNIT / 8);
		w->o.budget = budgets[key % 3];
		run();
		assert_in_range(w->report.bytes, UNIT / 8, MAX(w->o.budget, UNIT));
		tear_down(state);
		set_up(state);
	}
}

/* ---- time ----------------------------------------------------------------------- */

static void nothing_is_begun_after_the_deadline(void **state)
{
	(void)state;
	add_many(100, UNIT);
	w->o.budget = GIB;
	w->bytes_us = 125000; /* a piece takes a second */
	w->o.deadline_us = w->us + 10500000;
	run();
	assert_int_equal(w->report.pieces, 10);
	assert_int_equal(w->ordered, 10); /* the eleventh had not enough time left */
	assert_int_equal(w->report.faults[ROLLING_UNREAD], 0);
	assert_int_equal(w->report.reading_us, 10000000);
}

static void a_piece_that_takes_longer_than_a_whole_run_is_told_and_passed(void **state)
{
	(void)state;
	add_many(3, UNIT);
	w->o.budget = GIB;
	w->bytes_us = 10000000;
	for (size_t i = 0; i < 3; i++) {
		w->o.deadline_us = w->us + 20000000;
		run_in(60);
	}
	assert_int_equal(w->report.faults[ROLLING_UNREAD], 3);
	w->bytes_us = 0;
	w->o.deadline_us = 0;
	run_in(DAY);
	assert_int_equal(w->report.faults[ROLLING_UNREAD], 0);
}

static void too_little_time_is_no_fault_of_the_mirror(void **state)
{
	(void)state;
	add_many(3, UNIT);
	w->o.budget = GIB;
	w->bytes_us = 1000000;
	w->o.deadline_us = w->us + 500000;
	run();
	assert_int_equal(w->report.faults[ROLLING_UNREAD], 0);
	assert_int_equal(w->report.coverage.verified, 0);
}

static void a_clock_that_was_set_back_makes_nothing_newer(void **state)
{
	(void)state;
	add_many(30, UNIT);
	w->o.budget = 64 * MIB;
	run();
	run_in(DAY);
	w->now_s += 3650 * (int64_t)DAY;
	run(); /* the clock is wrong */
	w->now_s = START + 2 * DAY;
	for (size_t i = 0; i < w->count; i++)
		for (size_t k = 0; k < PIECES; k++)
			if (w->things[i].pieces[k].right_s > w->now_s)
				w->things[i].pieces[k].right_s = w->now_s;
	run();
	check_truth();
	for (size_t i = 0; i < 8; i++)
		run_in(DAY);
	assert_int_equal(w->report.coverage.verified, 30 * UNIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(each_piece_is_read_once_in_a_lap_however_it_is_cut_into_runs),
		T(with_enough_budget_one_run_reads_everything_but_nothing_twice),
		T(the_order_is_that_of_the_key_and_not_that_of_the_paths),
		T(what_is_said_is_never_better_than_the_truth),
		T(new_objects_do_not_borrow_the_coverage_of_those_that_were_there),
		T(objects_that_go_leave_the_coverage_of_the_others),
		T(new_objects_are_read_soon),
		T(hot_pieces_get_their_share_by_weight),
		T(a_known_fault_is_read_again_first_until_it_is_mended),
		T(many_faults_that_were_mended_are_seen_at_once),
		T(faults_that_stay_do_not_stop_the_lap),
		T(a_fault_of_an_object_that_is_gone_is_forgotten),
		T(what_cannot_be_read_stops_neither_the_lap_nor_is_it_verified),
		T(a_mirror_that_cannot_be_read_is_left_alone_after_three_pieces),
		T(the_budget_is_kept_and_used_at_any_rhythm),
		T(runs_in_quick_succession_spend_nothing_twice),
		T(a_piece_larger_than_a_days_budget_has_its_turn),
		T(each_byte_is_read_within_the_promised_days),
		T(the_first_run_reads_something_whatever_piece_is_the_first),
		T(nothing_is_begun_after_the_deadline),
		T(a_piece_that_takes_longer_than_a_whole_run_is_told_and_passed),
		T(too_little_time_is_no_fault_of_the_mirror),
		T(a_clock_that_was_set_back_makes_nothing_newer),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
