/* The engine with parts from other files: whatever a manifest claims, and whatever is on the disk,
 * only the right bytes are stored, and no mirror is blamed for others. */
#include "fetch/delta_internal.h"
#include "fetch/engine.h"

#include "mirror_mem.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEY "targets/models/tiny/tiny.bin"
#define SIZE (20 * MIB)
#define PIECES 3

/* The servers may ignore ranges, and what happens waits for what it is to follow. */
static struct {
	const struct mirror_ops *real;
	struct mirror_ops ops;
	bool no_ranges;
	bool (*holds)(uint64_t offset); /* the answer from there on; NULL: none */
	bool holds_reads;               /* of the store, until a source is banned */
	struct delta *delta;
	atomic_bool late; /* what was waited for did not come */
	atomic_bool banned;
	atomic_bool second_is_asked; /* for the second piece, from its first byte on */
	atomic_uint calls;
	uint64_t step_us; /* that the clock goes on when somebody looks at it */
	atomic_ullong now_us;
	atomic_llong shown; /* bytes, by the progress */
} server;

static void hold(bool (*holds)(uint64_t offset), uint64_t offset)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	for (int i = 0; holds(offset) && !server.late; i++) {
		nanosleep(&moment, NULL);
		if (i == 120000)
			server.late = true;
	}
}

static int get(struct mirror_connection *c, const struct mirror_range *r,
	       const struct mirror_sink *sink, struct err *e)
{
	server.calls++;
	if (r->offset == 8 * MIB)
		server.second_is_asked = true;
	if (server.holds)
		hold(server.holds, r->offset);
	if (server.no_ranges)
		c->mirror->can &= ~(unsigned)MIRROR_CAN_RANGE;
	return server.real->get(c, r, sink, e);
}

static bool none_is_banned(uint64_t offset)
{
	(void)offset;
	return !server.banned;
}

/* Stands in for the C library's. */
ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	if (server.holds_reads)
		hold(none_is_banned, 0);
	return syscall(SYS_pread64, fd, to, len, at);
}

static void emit(struct report *r, const struct report_event *event)
{
	(void)r;
	if (event->kind == REPORT_SOURCE && event->state && strcmp(event->state, "banned") == 0)
		server.banned = true;
	if (event->kind == REPORT_BEGIN || event->kind == REPORT_ADVANCE)
		server.shown += event->bytes;
}

static uint64_t now_us(void *ctx)
{
	(void)ctx;
	return atomic_fetch_add(&server.now_us, server.step_us);
}

static int sleep_ms(void *ctx, uint64_t ms, const struct cancel *cancel, struct err *e)
{
	(void)ctx;
	atomic_fetch_add(&server.now_us, ms * 1000);
	return cancel_check(cancel, e);
}

static int64_t wall_s(void *ctx)
{
	(void)ctx;
	return 1767225600;
}

static const struct clock own_clock = { now_us, wall_s, sleep_ms, NULL };

struct fixture {
	char *dir;
	struct store store;
	unsigned char *bytes;
	struct manifest wanted;
	struct mirror_mem *mirror, *others[3];
	struct source_list sources;
	struct delta *d;
	struct partial partial;
	struct engine_job job;
	uint64_t max_memory;
};

/* A file with a manifest that says what it is. */
static char *write_file(const struct fixture *f, const char *name, struct manifest *m)
{
	struct err e = ERR_INIT;
	scratch_write(f->dir, name, f->bytes, SIZE);
	char *path = path_join(f->dir, name);
	assert_ok(manifest_create(path, NULL, NULL, m, &e), &e);
	return path;
}

static void add_source(struct fixture *f, const char *id, struct mirror_mem *mirror)
{
	struct source *s = source_add(&f->sources, id, id, false);
	s->objects = true;
	s->mirror = mirror_mem_open(mirror, id);
	server.real = s->mirror->ops;
	server.ops = *s->mirror->ops;
	server.ops.get = get;
	s->mirror->ops = &server.ops;
}

static int set_up(void **state)
{
	struct fixture *f = NEW(struct fixture);
	struct err e = ERR_INIT;
	uint64_t x = 1;
	f->dir = scratch_new();
	assert_ok(store_open(f->dir, &f->store, &e), &e);
	f->bytes = mem_alloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->bytes[i] = (unsigned char)((x = x * 6364136223846793005U + 9) >> 56);
	f->mirror = mirror_mem_new();
	mirror_mem_set(f->mirror, KEY, f->bytes, SIZE);
	f->sources.max_failures = 4;
	/* It stands still: on a machine that is slow, no piece is late. */
	f->sources.clock = &own_clock;
	server.no_ranges = server.holds_reads = server.late = server.banned = false;
	server.second_is_asked = false;
	server.holds = NULL;
	server.calls = 0;
	server.step_us = 0;
	server.now_us = 1000000000;
	server.shown = 0;
	f->partial = (struct partial)PARTIAL_INIT;
	free(write_file(f, "tiny.bin", &f->wanted));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	partial_close(&f->partial);
	delta_close(f->d);
	source_list_release(&f->sources);
	mirror_mem_free(f->mirror);
	for (size_t i = 0; i < ARRAY_LEN(f->others); i++)
		mirror_mem_free(f->others[i]);
	manifest_release(&f->wanted);
	store_close(&f->store);
	free(f->bytes);
	scratch_free(f->dir);
	free(f);
	return 0;
}

/* The older file: as the new one, but for a byte of the second piece; with its manifest. */
static char *older(struct fixture *f, struct delta_files *files)
{
	f->bytes[9 * MIB] ^= 1;
	files->at = mem_grow(NULL, 0, &files->cap, sizeof *files->at);
	files->at[files->count++] = (struct delta_file){
		.size = SIZE,
		.fd = -1,
		.has_manifest = true,
	};
	files->at[0].path = write_file(f, "older", &files->at[0].manifest);
	f->bytes[9 * MIB] ^= 1;
	return files->at[0].path;
}

static void make(struct fixture *f, struct delta_files *files)
{
	struct err e = ERR_INIT;
	assert_ok(delta_make(&f->wanted, files, f->dir, NULL, NULL, &f->d, &e), &e);
	assert_non_null(f->d);
}

static int open_it(struct engine_job *j, struct err *e)
{
	struct fixture *f = j->ctx;
	j->partial = &f->partial;
	return partial_open(&f->store, j->name, &f->wanted.sha256, &f->wanted.grid,
			    f->wanted.pieces, NULL, &f->partial, &j->done, e);
}

static int finish_it(struct engine_job *j, struct err *e)
{
	return partial_finish(j->partial, e);
}

static int run(struct fixture *f, struct err *e)
{
	struct report report = { emit };
	const struct engine_options options = { .report = &report, .max_memory = f->max_memory };
	if (!f->sources.count)
		add_source(f, "a", f->mirror);
	f->job = (struct engine_job){
		.key = KEY,
		.name = "tiny.bin",
		.grid = f->wanted.grid,
		.delta = f->d,
		.open = open_it,
		.finish = finish_it,
		.ctx = f,
	};
	return engine_run(&f->sources, &f->job, 1, &options, e);
}

static bool is_stored(const struct fixture *f)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->wanted.sha256);
	return file_exists(blob);
}

static void assert_stored(const struct fixture *f)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->wanted.sha256);
	CLEANUP(buf_release) struct buf b = BUF_INIT(SIZE);
	struct err e = ERR_INIT;
	assert_ok(file_read_all(blob, &b, &e), &e);
	assert_int_equal(b.len, SIZE);
	assert_memory_equal(b.data, f->bytes, SIZE);
}

static void assert_not_blamed(const struct fixture *f)
{
	assert_false(source_has_faults(f->sources.at[0]));
	assert_false(f->sources.at[0]->banned);
}

static void only_what_is_new_is_requested(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	older(f, &files);
	make(f, &files);
	assert_ok(run(f, &e), &e);
	assert_stored(f);
	assert_int_equal(f->job.fetched, 8 * MIB);
	assert_int_equal(f->job.reused, SIZE - 8 * MIB);
	assert_int_equal(f->sources.at[0]->bytes, 8 * MIB);
}

static void an_older_file_that_is_not_what_its_manifest_says_costs_only_a_download(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	FILE *damage = fopen(older(f, &files), "r+b");
	assert_non_null(damage);
	assert_int_equal(fputc(f->bytes[0] ^ 1, damage), f->bytes[0] ^ 1);
	assert_int_equal(fclose(damage), 0);
	make(f, &files);
	assert_ok(run(f, &e), &e);
	assert_stored(f);
	assert_true(f->job.fetched >= 16 * MIB);
	assert_int_equal(f->job.fetched + f->job.reused, SIZE);
	assert_not_blamed(f);
}

/* As a role could sign it, to have bytes of its own take the place of another model's, or the
 * reverse: each piece is right, the whole is not. */
static void a_manifest_that_claims_the_pieces_of_another_file_stores_nothing(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	older(f, &files);
	for (uint32_t i = 0; i < PIECES; i++)
		f->wanted.pieces[i] = files.at[0].manifest.pieces[i];
	make(f, &files);
	assert_int_equal(delta_bytes(f->d), SIZE);
	assert_int_equal(run(f, &e), -ERR_INTEGRITY);
	assert_false(is_stored(f));
	assert_not_blamed(f);
}

/* What the older file is taken to have, at the same place. */
static void have(struct fixture *f, const struct delta_origin *parts, size_t count)
{
	free(f->d->parts);
	f->d->parts = mem_alloc(count * sizeof *parts);
	f->d->part_count = f->d->part_cap = count;
	for (size_t i = 0; i < count; i++)
		f->d->parts[i] = (struct delta_origin){
			.offset = parts[i].offset,
			.length = parts[i].length,
			.at = parts[i].offset,
		};
}

static void assert_complete(const struct fixture *f)
{
	assert_stored(f);
	assert_false(server.late);
	assert_int_equal(f->job.fetched + f->job.reused + f->job.resumed, SIZE);
	assert_int_equal(server.shown, SIZE);
}

/* What the older file lacks of the second piece waits for the rival, which asks for all of it; and
 * the rival waits until the piece with the older file's part was found to be wrong. */
static bool until_it_is_late_and_wrong(uint64_t offset)
{
	if (offset == 12 * MIB)
		return !server.second_is_asked;
	return offset == 8 * MIB && !atomic_load(&server.delta->distrusted);
}

/* Not at 9 MiB. */
static const struct delta_origin wrong[] = {
	{ 0, 12 * MIB, 0, 0 },
	{ 16 * MIB, 4 * MIB, 0, 0 },
};

static void a_late_piece_that_is_wrong_is_there_when_its_rival_is(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	older(f, &files);
	make(f, &files);
	have(f, wrong, ARRAY_LEN(wrong));
	server.delta = f->d;
	server.holds = until_it_is_late_and_wrong;
	server.step_us = 100000;
	assert_ok(run(f, &e), &e);
	assert_complete(f);
	assert_true(atomic_load(&f->d->distrusted));
	assert_not_blamed(f);
}

static const struct delta_origin holes[] = {
	{ 1 * MIB, 2 * MIB, 0, 0 },
	{ 4 * MIB, 3 * MIB, 0, 0 },
	{ 10 * MIB, 4 * MIB, 0, 0 },
	{ 15 * MIB, 2 * MIB, 0, 0 },
};

static void assert_only_ranges_are_missing(const struct source *s)
{
	assert_false(s->banned);
	for (int i = 0; i < FAULT_KINDS; i++)
		assert_int_equal(s->faults[i], i == FAULT_NO_RANGES);
}

static void a_source_without_ranges_fills_the_gaps_and_is_not_blamed(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	older(f, &files);
	make(f, &files);
	have(f, holes, ARRAY_LEN(holes));
	server.no_ranges = true;
	assert_ok(run(f, &e), &e);
	assert_complete(f);
	assert_true(f->job.reused > 0);
	/* Once for the first gap, and then at most once for each piece. */
	assert_true(server.calls <= 1 + PIECES);
	assert_only_ranges_are_missing(f->sources.at[0]);
}

/* So little room for so many connections that each piece is split among several. */
static void add_four_sources_for_split_pieces(struct fixture *f)
{
	static const char *const ids[] = { "b", "c", "d" };
	f->max_memory = 24 * MIB;
	add_source(f, "a", f->mirror);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		f->others[i] = mirror_mem_new();
		mirror_mem_set(f->others[i], KEY, f->bytes, SIZE);
		add_source(f, ids[i], f->others[i]);
	}
}

static void pieces_that_were_split_come_from_sources_without_ranges(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	add_four_sources_for_split_pieces(f);
	server.no_ranges = true;
	assert_ok(run(f, &e), &e);
	assert_complete(f);
	for (size_t i = 0; i < f->sources.count; i++)
		assert_false(f->sources.at[i]->banned);
}

/* As a killed process leaves it: the second piece is there. */
static void leave_the_middle(struct fixture *f)
{
	struct err e = ERR_INIT;
	bool done;
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	const struct pool_piece bytes = { f->bytes + 8 * MIB, -1, 8 * MIB };
	assert_ok(partial_open(&f->store, "tiny.bin", &f->wanted.sha256, &f->wanted.grid,
			       f->wanted.pieces, NULL, &p, &done, &e),
		  &e);
	assert_ok(partial_write(&p, 1, &bytes, &e), &e);
}

static void a_source_without_ranges_passes_over_what_an_earlier_run_left(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_the_middle(f);
	add_four_sources_for_split_pieces(f);
	server.no_ranges = true;
	assert_ok(run(f, &e), &e);
	assert_complete(f);
	assert_int_equal(f->job.resumed, 8 * MIB);
	for (size_t i = 0; i < f->sources.count; i++)
		assert_false(f->sources.at[i]->banned);
}

/* The gaps of its piece are not known yet. */
static void what_a_banned_source_was_to_send_comes_from_another(void **state)
{
	struct fixture *f = *state;
	struct delta_files files = { 0 };
	struct err e = ERR_INIT;
	older(f, &files);
	make(f, &files);
	have(f, &(struct delta_origin){ .offset = MIB, .length = 4 * MIB }, 1);
	f->others[0] = mirror_mem_new();
	CLEANUP(mem_free_ptr) void *zeros = mem_alloc(SIZE);
	mirror_mem_set(f->others[0], KEY, zeros, SIZE);
	add_source(f, "a", f->others[0]);
	add_source(f, "b", f->mirror);
	server.holds_reads = true;
	assert_ok(run(f, &e), &e);
	assert_complete(f);
	assert_int_equal(f->job.reused, 4 * MIB);
	assert_true(f->sources.at[0]->banned);
	assert_false(source_has_faults(f->sources.at[1]));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_new_is_requested),
		TEST(an_older_file_that_is_not_what_its_manifest_says_costs_only_a_download),
		TEST(a_manifest_that_claims_the_pieces_of_another_file_stores_nothing),
		TEST(a_late_piece_that_is_wrong_is_there_when_its_rival_is),
		TEST(a_source_without_ranges_fills_the_gaps_and_is_not_blamed),
		TEST(pieces_that_were_split_come_from_sources_without_ranges),
		TEST(a_source_without_ranges_passes_over_what_an_earlier_run_left),
		TEST(what_a_banned_source_was_to_send_comes_from_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
