/* What a thread does next, without threads: an engine between two requests, made by hand. */
#include "fetch/engine_internal.h"

#include "fake_clock.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/mem.h"

#define FILES 20
#define BYTES 1568

struct fixture {
	struct source_list sources;
	struct fake_clock clock;
	struct mirror_mem *mirrors[3];
	struct lane lanes[3];
	struct partial partial;
	struct engine_job jobs[FILES];
	struct file files[FILES];
	struct piece pieces[FILES];
	bool tried[3], given_up[3];
	struct engine engine;
};

static void begin_lane(struct fixture *f, size_t i, double rate, double piece_rate)
{
	char id[2] = { (char)('a' + i), 0 };
	f->mirrors[i] = mirror_mem_new();
	struct source *s = source_add(&f->sources, id, id, false);
	s->objects = true;
	s->mirror = mirror_mem_open(f->mirrors[i], id);
	lane_init(&f->lanes[i], s, LANE_SMALL, 0, 0);
	f->lanes[i].rate = rate;
	f->lanes[i].piece_rate = piece_rate;
}

/* Many small files, after a large one: the first source is fast, but of a small file it sends only
 * little more in a second than the others do together. */
static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	fake_clock_init(&f->clock);
	f->sources = (struct source_list){ .clock = &f->clock.clock, .max_failures = 4 };
	begin_lane(f, 0, 32e6, 238e3);
	begin_lane(f, 1, 277e3, 96e3);
	begin_lane(f, 2, 183e3, 151e3);
	f->partial.path = "partial";
	for (size_t i = 0; i < FILES; i++) {
		f->jobs[i].name = "small.gguf";
		f->jobs[i].grid = (struct grid){ BYTES, 8 * MIB, 1 };
		f->jobs[i].partial = &f->partial;
		f->files[i].job = &f->jobs[i];
		f->files[i].state = FILE_OPEN;
		f->files[i].pieces = &f->pieces[i];
		f->files[i].given_up = f->given_up;
	}
	f->engine = (struct engine){
		.sources = &f->sources,
		.lanes = f->lanes,
		.lane_count = 3,
		.tried = f->tried,
		.files = f->files,
		.file_count = FILES,
	};
	pool_init(&f->engine.pool, 64 * MIB);
	*state = f;
	return 0;
}

/* The flight of the task is over, and its file with it. */
static void end(struct fixture *f, struct task *t)
{
	struct flight *flight = t->flight;
	lane_end(t->lane);
	flight->users--;
	flight->over = true;
	flight_drop(&f->engine, flight);
	t->file->users--;
	t->file->state = FILE_OVER;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	while (f->engine.flights) {
		f->engine.flights->users = 0;
		flight_drop(&f->engine, f->engine.flights);
	}
	pool_release(&f->engine.pool);
	source_list_release(&f->sources);
	for (size_t i = 0; i < ARRAY_LEN(f->mirrors); i++)
		mirror_mem_free(f->mirrors[i]);
	free(f);
	return 0;
}

static void a_fast_source_passes_over_pieces_of_others_not_over_all_files(void **state)
{
	struct fixture *f = *state;
	struct task t;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	assert_ptr_equal(t.lane, &f->lanes[0]);
	assert_true(t.file > &f->files[0] && t.file < &f->files[8]);
}

static void what_each_source_leaves_to_the_others_is_not_left_for_ever(void **state)
{
	struct fixture *f = *state;
	struct task t;
	f->lanes[1].tried_us = f->lanes[2].tried_us = clock_now_us(&f->clock.clock);
	for (size_t i = 0; i < FILES; i++) {
		window_next(&f->engine, &t);
		assert_int_equal(t.kind, TASK_RANGE);
		assert_ptr_equal(t.lane, &f->lanes[0]);
		end(f, &t);
	}
	assert_true(f->lanes[1].slow && f->lanes[2].slow);
	for (size_t i = 0; i < FILES; i++)
		assert_int_equal(f->files[i].state, FILE_OVER);
}

static uint32_t wants(struct engine_job *j, size_t n, bool *ahead)
{
	*ahead = false;
	const uint32_t *piece = j->ctx;
	return n ? ENGINE_NO_PIECE : *piece;
}

/* A file of several pieces in the place of the last small one. */
static struct file *make_long(struct fixture *f, struct piece *pieces, uint32_t *wanted)
{
	struct file *file = &f->files[FILES - 1];
	file->pieces = pieces;
	file->job->grid = (struct grid){ 40 * MIB, 8 * MIB, 5 };
	file->job->wants = wants;
	file->job->ctx = wanted;
	return file;
}

static void what_somebody_waits_for_comes_before_all_else(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { 0 };
	uint32_t wanted = 3;
	struct task t;
	struct file *file = make_long(f, pieces, &wanted);
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	assert_ptr_equal(t.file, file);
	assert_int_equal(t.flight->piece, 3);
	/* Not again, and not from a source that is far slower. */
	assert_ptr_equal(t.lane, &f->lanes[0]);
	const struct flight *first = t.flight;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	assert_false(flight_exists(&f->engine, file, 3, first));
}

static void it_does_not_wait_for_its_turn_to_be_verified(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { 0 };
	uint32_t wanted = 2;
	struct task t;
	struct file *file = make_long(f, pieces, &wanted);
	pieces[2].state = PIECE_CLAIMED;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_CHECK);
	assert_int_equal(t.piece, 2);
	assert_int_equal(pieces[2].state, PIECE_CHECKED);
	file->users--;
	wanted = 4;
	window_next(&f->engine, &t);
	assert_int_equal(t.flight->piece, 4);
	struct flight *flight = t.flight;
	lane_end(t.lane);
	flight->users = 0;
	file->users = 0;
	flight->landed = true;
	pieces[4].state = PIECE_ARRIVED;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_SPILL);
	assert_ptr_equal(t.flight, flight);
}

/* All connections that a source should have are in use: one more is made. */
static void it_gets_a_connection_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { 0 };
	uint32_t wanted = ENGINE_NO_PIECE;
	struct task t;
	struct file *file = make_long(f, pieces, &wanted);
	f->sources.at[1]->banned = f->sources.at[2]->banned = true;
	for (unsigned i = 0; i < LANE_SMALL; i++)
		window_next(&f->engine, &t);
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_NONE);
	wanted = 1;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	assert_ptr_equal(t.file, file);
	assert_int_equal(t.flight->piece, 1);
}

/* A piece that arrived behind one that is still to come: verified at once, if others take it from
 * here; else it waits. */
static void what_others_take_does_not_wait_for_what_is_before_it(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { 0 };
	uint32_t wanted = 4;
	struct task t;
	struct file *file = make_long(f, pieces, &wanted);
	window_next(&f->engine, &t);
	struct flight *flight = t.flight;
	lane_end(t.lane);
	t.lane->proving = true;
	flight->users = 0;
	file->users = 0;
	flight->landed = true;
	pieces[4].state = PIECE_ARRIVED;
	wanted = ENGINE_NO_PIECE;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	file->job->shared = true;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_SPILL);
	assert_ptr_equal(t.flight, flight);
}

/* The first piece of a file has the line of the mirrors for itself. Peers are not behind it. */
static void a_peer_is_asked_while_the_first_piece_comes_from_a_mirror(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { 0 };
	uint32_t wanted = 1;
	struct task t;
	make_long(f, pieces, &wanted);
	for (size_t i = 0; i + 1 < FILES; i++)
		f->files[i].state = FILE_OVER;
	f->sources.at[1]->banned = f->sources.at[2]->banned = true;
	do
		window_next(&f->engine, &t);
	while (t.kind == TASK_RANGE);
	assert_int_equal(pieces[1].state, PIECE_FLYING);
	wanted = 0;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_NONE);
	f->sources.at[2]->banned = false;
	f->sources.at[2]->peer = true;
	f->lanes[2].piece_rate = f->lanes[0].piece_rate;
	window_next(&f->engine, &t);
	assert_int_equal(t.kind, TASK_RANGE);
	assert_ptr_equal(t.lane, &f->lanes[2]);
	assert_int_equal(t.flight->piece, 0);
}

static bool may(struct engine_job *j, const struct source *s, uint32_t piece)
{
	(void)j;
	return s->peer && piece == (uint32_t)(s->id[0] - 'a');
}

/* What one peer has the others need not have. */
static void a_peer_leaves_no_piece_to_the_others(void **state)
{
	struct fixture *f = *state;
	struct piece pieces[5] = { { .state = PIECE_DONE }, { 0 } };
	uint32_t wanted = ENGINE_NO_PIECE;
	struct task t;
	struct file *file = make_long(f, pieces, &wanted);
	for (size_t i = 0; i < 3; i++) {
		f->files[i].state = FILE_OVER;
		f->sources.at[i]->peer = true;
		f->lanes[i].rate = f->lanes[i].piece_rate = 1e6;
	}
	for (size_t i = 0; i + 1 < FILES; i++)
		f->files[i].state = FILE_OVER;
	file->job->may = may;
	file->head = 1;
	for (uint32_t piece = 1; piece < 3; piece++) {
		window_next(&f->engine, &t);
		assert_int_equal(t.kind, TASK_RANGE);
		assert_ptr_equal(t.lane, &f->lanes[t.flight->piece]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fast_source_passes_over_pieces_of_others_not_over_all_files),
		TEST(what_each_source_leaves_to_the_others_is_not_left_for_ever),
		TEST(what_somebody_waits_for_comes_before_all_else),
		TEST(it_does_not_wait_for_its_turn_to_be_verified),
		TEST(it_gets_a_connection_of_its_own),
		TEST(what_others_take_does_not_wait_for_what_is_before_it),
		TEST(a_peer_is_asked_while_the_first_piece_comes_from_a_mirror),
		TEST(a_peer_leaves_no_piece_to_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
