/* The engine and the partial file against mirrors in memory that fail on demand. Pieces
 * are of 1000 bytes here; the clock is ours. */
#include "fetch/engine.h"

#include "fake_clock.h"
#include "mirror_mem.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE 1000
#define PIECES 10
#define SIZE (PIECE * PIECES - 300)
#define KEY "targets/models/phi/phi.gguf"

/* Stands in for the C library's: no locks, or locks that hold nobody back. */
static enum { LOCKS_WORK, LOCKS_FAIL, LOCKS_LIE } locks;
int flock(int fd, int operation)
{
	if (locks == LOCKS_WORK)
		return (int)syscall(SYS_flock, fd, operation);
	errno = ENOLCK;
	return locks == LOCKS_FAIL ? -1 : 0;
}

struct fixture {
	char *dir;
	struct store store;
	unsigned char bytes[SIZE];
	struct digest sha256, pieces[PIECES];
	struct grid grid;
	struct mirror_mem *mirrors[3];
	struct source_list sources;
	struct fake_clock clock;
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	locks = LOCKS_WORK;
	assert_ok(store_open(f->dir, &f->store, &e), &e);
	for (size_t i = 0; i < SIZE; i++)
		f->bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	f->grid = (struct grid){ .size = SIZE, .piece_length = PIECE, .count = PIECES };
	sha256_of(f->bytes, SIZE, &f->sha256);
	for (uint32_t i = 0; i < PIECES; i++)
		sha256_of(f->bytes + grid_offset(&f->grid, i), grid_length(&f->grid, i),
			  &f->pieces[i]);
	fake_clock_init(&f->clock);
	f->sources = (struct source_list){
		.clock = &f->clock.clock,
		.random = &random_largest,
		.max_failures = 4,
	};
	for (size_t i = 0; i < 3; i++) {
		char id[2] = { (char)('a' + i), 0 };
		f->mirrors[i] = mirror_mem_new();
		mirror_mem_set(f->mirrors[i], KEY, f->bytes, SIZE);
		struct source *s = source_add(&f->sources, id, id, false);
		s->objects = true;
		s->mirror = mirror_mem_open(f->mirrors[i], id);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	source_list_release(&f->sources);
	for (size_t i = 0; i < 3; i++)
		mirror_mem_free(f->mirrors[i]);
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

static void fault(struct fixture *f, size_t mirror, struct mem_fault fault)
{
	fault.call = MEM_GET;
	mirror_mem_fault(f->mirrors[mirror], &fault);
}

/* What the job of a file needs. */
struct opening {
	struct fixture *f;
	struct partial partial;
};

/* A reader of the unfinished file. */
struct reading {
	struct opening opening; /* the first member: ctx of the job is it, too */
	uint32_t wanted[PIECES];
	size_t want_count;
	const char *only;    /* the id of the source that may be asked for an odd piece */
	_Atomic int order;   /* of the pieces that landed */
	int when[PIECES];    /* each of them did; 0: it did not */
	bool came[PIECES];   /* from a source */
	_Atomic int on_disk; /* pieces whose bytes were there when that was said */
};

static uint32_t wants(struct engine_job *j, size_t n, bool *ahead)
{
	*ahead = false;
	const struct reading *r = j->ctx;
	return n < r->want_count ? r->wanted[n] : ENGINE_NO_PIECE;
}

static void landed(struct engine_job *j, uint32_t piece, const struct source *from)
{
	struct reading *r = j->ctx;
	const struct fixture *f = r->opening.f;
	unsigned char bytes[PIECE];
	uint64_t length = grid_length(&f->grid, piece), offset = grid_offset(&f->grid, piece);
	r->came[piece] = from != NULL;
	r->when[piece] = atomic_fetch_add(&r->order, 1) + 1;
	r->on_disk += pread(j->partial->fd, bytes, length, (off_t)offset) == (ssize_t)length &&
		      memcmp(bytes, f->bytes + offset, length) == 0;
}

static bool may(struct engine_job *j, const struct source *s, uint32_t piece)
{
	const struct reading *r = j->ctx;
	return piece % 2 == 0 || strcmp(s->id, r->only) == 0;
}

static int open_job(struct engine_job *j, struct err *e)
{
	struct opening *o = j->ctx;
	struct fixture *f = o->f;
	int rc = partial_open(&f->store, "phi.gguf", &f->sha256, &f->grid, f->pieces, NULL,
			      &o->partial, &j->done, e);
	j->partial = &o->partial;
	return rc;
}

static int finish_job(struct engine_job *j, struct err *e)
{
	return partial_finish(j->partial, e);
}

/* Opens, fetches, finishes; what a killed process would leave stays when it fails. */
static int fetch_job(struct fixture *f, const struct engine_options *options,
		     struct engine_job *job, struct err *e)
{
	struct opening o = { f, PARTIAL_INIT };
	*job = (struct engine_job){ .key = KEY,
				    .name = "phi.gguf",
				    .grid = f->grid,
				    .open = open_job,
				    .finish = finish_job,
				    .ctx = &o };
	int rc = engine_run(&f->sources, job, 1, options, e);
	partial_close(&o.partial);
	return rc;
}

/* The same, with a reader. */
static int fetch_read(struct fixture *f, struct reading *r, struct err *e)
{
	r->opening = (struct opening){ f, PARTIAL_INIT };
	struct engine_job job = { .key = KEY,
				  .name = "phi.gguf",
				  .grid = f->grid,
				  .open = open_job,
				  .finish = finish_job,
				  .wants = wants,
				  .landed = landed,
				  .may = r->only ? may : NULL,
				  .ctx = r };
	int rc = engine_run(&f->sources, &job, 1, &(struct engine_options){ .connections = 1 }, e);
	partial_close(&r->opening.partial);
	return rc;
}

static int fetch_with(struct fixture *f, const struct engine_options *options, struct err *e)
{
	struct engine_job job;
	return fetch_job(f, options, &job, e);
}

static int fetch(struct fixture *f, struct err *e)
{
	return fetch_with(f, &(struct engine_options){ .connections = 1 }, e);
}

/* The first source alone is asked. */
static void leave_one_source(struct fixture *f)
{
	f->sources.at[1]->objects = f->sources.at[2]->objects = false;
}

static void assert_blob(struct fixture *f)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *lock = store_lock_path(&f->store, &f->sha256);
	CLEANUP(buf_release) struct buf b = BUF_INIT(SIZE + 1);
	assert_ok(file_read_all(blob, &b, &e), &e);
	assert_int_equal(b.len, SIZE);
	assert_memory_equal(b.data, f->bytes, SIZE);
	assert_false(file_exists(part));
	assert_false(file_exists(lock));
}

static void assert_faults(struct fixture *f, size_t source, const char *want)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT(4096);
	source_describe(f->sources.at[source], &b);
	assert_string_equal(buf_str(&b), want);
}

static size_t calls(struct fixture *f, size_t mirror)
{
	return mirror_mem_calls(f->mirrors[mirror])->count;
}

static void each_piece_is_a_request_in_the_order_of_the_file(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct engine_job job;
	leave_one_source(f);
	assert_ok(fetch_job(f, &(struct engine_options){ .connections = 1 }, &job, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), PIECES);
	for (size_t i = 0; i < PIECES; i++) {
		CLEANUP(mem_free_ptr) char *want = mem_printf("get " KEY " %zu %d", i * PIECE,
							      i + 1 < PIECES ? PIECE : PIECE - 300);
		assert_string_equal(mirror_mem_calls(f->mirrors[0])->at[i], want);
	}
	assert_int_equal(calls(f, 1), 0);
	assert_int_equal(f->sources.at[0]->bytes, SIZE);
	assert_int_equal(job.fetched, SIZE);
	assert_int_equal(job.hashed_twice, 0);
	assert_faults(f, 0, "");
}

static void pieces_that_somebody_waits_for_come_first(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct reading r = { .wanted = { 7, 4 }, .want_count = 2 };
	leave_one_source(f);
	assert_ok(fetch_read(f, &r, &e), &e);
	assert_blob(f);
	const struct str_list *got = mirror_mem_calls(f->mirrors[0]);
	assert_int_equal(got->count, PIECES);
	assert_string_equal(got->at[0], "get " KEY " 7000 1000");
	assert_string_equal(got->at[1], "get " KEY " 4000 1000");
	assert_string_equal(got->at[2], "get " KEY " 0 1000");
	assert_true(r.when[7] && r.when[4]);
}

static void a_reader_is_told_of_each_piece_when_it_is_on_the_disk(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct reading r = { 0 };
	leave_one_source(f);
	fault(f, 0, (struct mem_fault){ .harm = MEM_FLIP, .at = 3456, .times = UINT_MAX });
	assert_int_equal(fetch_read(f, &r, &e), -ERR_INTEGRITY);
	assert_int_equal(r.when[3], 0);
	f->sources.at[1]->objects = true;
	err_clear(&e);
	assert_ok(fetch_read(f, &r, &e), &e);
	for (size_t i = 0; i < PIECES; i++)
		assert_true(r.when[i]);
	assert_int_equal(r.on_disk, r.order);
	/* The second run came from b alone, but for what the first one left. */
	assert_true(r.came[3]);
	assert_false(r.came[0]);
}

/* Nine of ten pieces are there, as an earlier run says. */
static void what_an_earlier_run_left_is_verified_as_it_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct reading r = { .wanted = { 8 }, .want_count = 1 };
	leave_one_source(f);
	fault(f, 0, (struct mem_fault){ .skip = 9, .class = ERR_NOT_FOUND, .times = UINT_MAX });
	assert_int_equal(fetch(f, &e), -ERR_NETWORK);
	mirror_mem_mend(f->mirrors[0]);
	mirror_mem_forget_calls(f->mirrors[0]);
	err_clear(&e);
	assert_ok(fetch_read(f, &r, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), 1);
	for (size_t i = 0; i < PIECES; i++)
		assert_true(r.when[i]);
}

static void a_source_is_asked_only_for_what_it_may_be_asked_for(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct reading r = { .only = "b" };
	f->sources.at[2]->objects = false;
	assert_ok(fetch_read(f, &r, &e), &e);
	assert_blob(f);
	assert_true(calls(f, 1) >= PIECES / 2);
	const struct str_list *got = mirror_mem_calls(f->mirrors[0]);
	for (size_t i = 0; i < got->count; i++)
		assert_int_equal(strtoul(got->at[i] + sizeof "get " KEY, NULL, 10) / PIECE % 2, 0);
}

static void every_source_gives_pieces_and_none_comes_twice(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t bytes = 0, wasted = 0;
	assert_ok(fetch_with(f, &(struct engine_options){ 0 }, &e), &e);
	assert_blob(f);
	for (size_t i = 0; i < 3; i++) {
		bytes += f->sources.at[i]->bytes;
		wasted += f->sources.at[i]->wasted;
	}
	assert_int_equal(bytes, SIZE);
	assert_int_equal(wasted, 0);
}

static void wrong_byte_bans_its_mirror_and_costs_one_piece(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	fault(f, 0, (struct mem_fault){ .harm = MEM_FLIP, .at = 3456, .times = UINT_MAX });
	assert_int_equal(fetch(f, &e), -ERR_INTEGRITY);
	f->sources.at[1]->objects = true;
	err_clear(&e);
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_true(f->sources.at[0]->banned);
	assert_int_equal(f->sources.at[0]->wasted, PIECE);
	assert_int_equal(f->sources.at[0]->bytes + f->sources.at[1]->bytes, SIZE);
	assert_faults(f, 0, "wrong bytes (piece 3, at byte 3000)");
}

static void dropped_connection_goes_on_at_the_very_byte(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	fault(f, 0, (struct mem_fault){ .harm = MEM_CUT, .at = 600 });
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_string_equal(mirror_mem_calls(f->mirrors[0])->at[1], "get " KEY " 600 400");
	assert_int_equal(f->sources.at[0]->faults[FAULT_DROPPED], 1);
	assert_int_equal(f->sources.at[0]->wasted, 0);
	assert_false(f->sources.at[0]->banned);
}

/* The case of the two: one lies, the other drops, and nobody else is there. */
static void liar_and_dropper_together_give_the_file(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	mirror_mem_remove(f->mirrors[2], KEY);
	fault(f, 0, (struct mem_fault){ .harm = MEM_FLIP, .at = 4999, .times = UINT_MAX });
	fault(f, 1, (struct mem_fault){ .harm = MEM_CUT, .at = 800, .times = 3 });
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_int_equal(f->sources.at[2]->faults[FAULT_MISSING] > 0, calls(f, 2) > 0);
}

/* b delivers the tail of a piece that a began wrong: b must not be blamed. */
static void piece_of_two_sources_accuses_nobody(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	mirror_mem_set(f->mirrors[0], KEY, "wrong", 5);
	fault(f, 0, (struct mem_fault){ .harm = MEM_CUT, .at = 5 });
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	for (size_t i = 1; i < 3; i++) {
		assert_false(f->sources.at[i]->banned);
		assert_int_equal(f->sources.at[i]->faults[FAULT_WRONG_BYTES], 0);
	}
}

static void object_that_is_too_short_is_a_lie(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	mirror_mem_set(f->mirrors[0], KEY, f->bytes, 4200);
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_int_equal(f->sources.at[0]->faults[FAULT_WRONG_BYTES], 0);
	assert_int_equal(f->sources.at[0]->faults[FAULT_WRONG_ANSWER] > 0,
			 f->sources.at[0]->banned);
}

static void error_names_every_source_and_fault(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	fault(f, 0,
	      (struct mem_fault){ .harm = MEM_FAIL, .class = ERR_NETWORK, .times = UINT_MAX });
	mirror_mem_remove(f->mirrors[1], KEY);
	fault(f, 2, (struct mem_fault){ .harm = MEM_FLIP, .at = 0, .times = UINT_MAX });
	assert_int_equal(fetch(f, &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "phi.gguf: every source failed: a: unreachable 4 times"));
	assert_non_null(strstr(e.text, "; b: missing"));
	assert_non_null(strstr(e.text, "; c: wrong bytes (piece 0"));
	assert_int_equal(f->clock.slept_ms, 250 + 500 + 1000);
}

static void only_liars_is_a_matter_of_integrity(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		fault(f, i, (struct mem_fault){ .harm = MEM_FLIP, .at = 9000, .times = UINT_MAX });
	assert_int_equal(fetch(f, &e), -ERR_INTEGRITY);
	/* What was right is kept for the next run. */
	for (size_t i = 0; i < 3; i++) {
		mirror_mem_mend(f->mirrors[i]);
		f->sources.at[i]->banned = false;
	}
	leave_one_source(f);
	mirror_mem_forget_calls(f->mirrors[0]);
	err_clear(&e);
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), 1);
	assert_string_equal(mirror_mem_calls(f->mirrors[0])->at[0], "get " KEY " 9000 700");
}

static void refused_everywhere_is_a_matter_of_permission(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < 3; i++)
		fault(f, i,
		      (struct mem_fault){ .harm = MEM_FAIL, .class = ERR_AUTH, .times = UINT_MAX });
	assert_int_equal(fetch(f, &e), -ERR_AUTH);
}

static void server_may_ask_for_a_pause(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	fault(f, 0, (struct mem_fault){ .harm = MEM_FAIL, .class = ERR_NETWORK });
	assert_ok(fetch(f, &e), &e);
	assert_int_equal(f->clock.slept_ms, 250);
}

static void rate_is_kept(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct rate rate = { .bytes_per_s = 1000, .clock = &f->clock.clock };
	leave_one_source(f);
	assert_ok(fetch_with(f, &(struct engine_options){ .rate = &rate, .connections = 1 }, &e),
		  &e);
	assert_blob(f);
	assert_true(f->clock.slept_ms >= 9000 && f->clock.slept_ms <= 9800);
}

static void put_piece(struct fixture *f, struct partial *p, uint32_t index)
{
	struct err e = ERR_INIT;
	const struct pool_piece bytes = { f->bytes + index * PIECE, -1,
					  grid_length(&f->grid, index) };
	assert_ok(partial_write(p, index, &bytes, &e), &e);
}

/* As a killed process leaves it: pieces 0 to n-1 written and claimed. */
static void leave_partial(struct fixture *f, uint32_t pieces)
{
	struct err e = ERR_INIT;
	bool done;
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	assert_ok(partial_open(&f->store, "phi.gguf", &f->sha256, &f->grid, f->pieces, NULL, &p,
			       &done, &e),
		  &e);
	for (uint32_t i = 0; i < pieces; i++)
		put_piece(f, &p, i);
}

static void damage_part(struct fixture *f, off_t offset)
{
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	int fd = open(part, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, "\xff\x00\xff", 3, offset) == 3);
	close(fd);
}

static void resume_fetches_only_what_is_missing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct engine_job job;
	leave_one_source(f);
	leave_partial(f, 6);
	assert_ok(fetch_job(f, &(struct engine_options){ .connections = 1 }, &job, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), 4);
	assert_int_equal(job.resumed, 6 * PIECE);
	assert_int_equal(job.fetched, SIZE - 6 * PIECE);
}

static void claims_are_hashed_before_they_are_trusted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_one_source(f);
	leave_partial(f, PIECES);
	damage_part(f, 2100);
	damage_part(f, 7001);
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), 2);
	assert_string_equal(mirror_mem_calls(f->mirrors[0])->at[0], "get " KEY " 2000 1000");
	assert_string_equal(mirror_mem_calls(f->mirrors[0])->at[1], "get " KEY " 7000 1000");
}

static void partial_of_a_wrong_size_is_mended(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	static const off_t sizes[] = { 0, 3500, SIZE + 1, 1 << 20 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err e = ERR_INIT;
		leave_partial(f, 5);
		assert_int_equal(truncate(part, sizes[i]), 0);
		assert_ok(fetch(f, &e), &e);
		assert_blob(f);
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->sha256);
		assert_int_equal(unlink(blob), 0);
	}
}

static void complete_partial_needs_no_source(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	leave_partial(f, PIECES);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	assert_int_equal(chmod(part, 0444), 0);
	assert_ok(fetch(f, &e), &e);
	assert_blob(f);
	assert_int_equal(calls(f, 0), 0);
}

static void whole_digest_is_checked_too(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	sha256_of("another", 7, &f->sha256);
	assert_int_equal(fetch(f, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "SHA-256 of the whole file"));
	assert_false(store_has(&f->store, &f->sha256, SIZE));
}

static void empty_file_is_made(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	f->grid = (struct grid){ .piece_length = PIECE };
	sha256_of("", 0, &f->sha256);
	assert_ok(fetch(f, &e), &e);
	assert_true(store_has(&f->store, &f->sha256, 0));
}

/* Two processes on one file at once, again and again, with every kind of lock. */
static void two_processes(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 30; round++) {
		locks = round % 3 == 0 ? LOCKS_WORK : round % 3 == 1 ? LOCKS_FAIL : LOCKS_LIE;
		pid_t children[2];
		for (int i = 0; i < 2; i++) {
			children[i] = fork();
			if (children[i] == 0) {
				struct err e = ERR_INIT;
				int rc = fetch(f, &e);
				if (rc < 0)
					fprintf(stderr, "%s\n", e.text);
				execl(rc < 0 ? "/bin/false" : "/bin/true", "x", NULL);
			}
		}
		for (int i = 0; i < 2; i++) {
			int status;
			assert_int_equal(waitpid(children[i], &status, 0), children[i]);
			assert_int_equal(status, 0);
		}
		struct err e = ERR_INIT;
		assert_ok(store_verify(&f->store, &f->sha256, &e), &e);
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->sha256);
		assert_int_equal(unlink(blob), 0);
	}
}

/* Without a lock, one commits while the other still has the file open. */
static void late_writer_cannot_harm_the_blob(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	bool done;
	locks = LOCKS_FAIL;
	CLEANUP(partial_close) struct partial late = PARTIAL_INIT;
	assert_ok(partial_open(&f->store, "phi.gguf", &f->sha256, &f->grid, f->pieces, NULL, &late,
			       &done, &e),
		  &e);
	assert_ok(fetch(f, &e), &e);
	struct engine_job job = { .key = KEY, .grid = f->grid, .partial = &late };
	fault(f, 0, (struct mem_fault){ .harm = MEM_FLIP, .at = 5500, .times = 1 });
	assert_ok(engine_run(&f->sources, &job, 1, &(struct engine_options){ 0 }, &e), &e);
	assert_blob(f);
	assert_ok(partial_finish(&late, &e), &e);
	assert_blob(f);
}

static void full_disk_is_a_local_failure(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(partial_close) struct partial p = PARTIAL_INIT;
	bool done;
	assert_ok(partial_open(&f->store, "phi.gguf", &f->sha256, &f->grid, f->pieces, NULL, &p,
			       &done, &e),
		  &e);
	int full = open("/dev/full", O_RDWR);
	assert_true(full >= 0 && dup2(full, p.fd) >= 0);
	close(full);
	struct engine_job job = { .key = KEY, .grid = f->grid, .partial = &p };
	assert_int_equal(engine_run(&f->sources, &job, 1, &(struct engine_options){ 0 }, &e),
			 -ERR_SYSTEM);
	assert_int_equal(e.sys, ENOSPC);
	assert_faults(f, 0, "");
	assert_non_null(strstr(e.hint, "free some space"));
}

static void same_place_is_one_source(void **state)
{
	(void)state;
	struct source_list l = { 0 };
	struct source *a = source_add(&l, "ignored", "https://me:pw@x.example/r/", true);
	assert_string_equal(a->id, "https://***@x.example/r/");
	assert_ptr_equal(source_add(&l, "eu", "https://me:pw@x.example/r", false), a);
	assert_string_equal(a->id, "eu");
	assert_true(a->endpoint);
	assert_ptr_not_equal(source_add(&l, "us", "https://x.example/r2", false), a);
	assert_int_equal(l.count, 2);
	source_list_release(&l);
}

static void small_object_comes_from_whoever_has_it_right(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d;
	sha256_of("small", 5, &d);
	mirror_mem_set(f->mirrors[0], "k", "smell", 5);
	mirror_mem_set(f->mirrors[1], "k", "small but too long", 18);
	mirror_mem_set(f->mirrors[2], "k", "small", 5);
	CLEANUP(buf_release) struct buf b = BUF_INIT(0);
	assert_ok(source_get_small(&f->sources, &(struct source_small){ "k", NULL, 5, d }, &b, &e),
		  &e);
	assert_string_equal(buf_str(&b), "small");
	assert_true(f->sources.at[0]->banned);
	assert_true(f->sources.at[1]->banned);
	mirror_mem_set(f->mirrors[2], "k", "smoll", 5);
	assert_int_equal(source_get_small(&f->sources, &(struct source_small){ "k", NULL, 5, d },
					  &b, &e),
			 -ERR_INTEGRITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(each_piece_is_a_request_in_the_order_of_the_file),
		TEST(pieces_that_somebody_waits_for_come_first),
		TEST(a_reader_is_told_of_each_piece_when_it_is_on_the_disk),
		TEST(what_an_earlier_run_left_is_verified_as_it_is_waited_for),
		TEST(a_source_is_asked_only_for_what_it_may_be_asked_for),
		TEST(every_source_gives_pieces_and_none_comes_twice),
		TEST(wrong_byte_bans_its_mirror_and_costs_one_piece),
		TEST(dropped_connection_goes_on_at_the_very_byte),
		TEST(liar_and_dropper_together_give_the_file),
		TEST(piece_of_two_sources_accuses_nobody),
		TEST(object_that_is_too_short_is_a_lie),
		TEST(error_names_every_source_and_fault),
		TEST(only_liars_is_a_matter_of_integrity),
		TEST(refused_everywhere_is_a_matter_of_permission),
		TEST(server_may_ask_for_a_pause),
		TEST(rate_is_kept),
		TEST(resume_fetches_only_what_is_missing),
		TEST(claims_are_hashed_before_they_are_trusted),
		TEST(partial_of_a_wrong_size_is_mended),
		TEST(complete_partial_needs_no_source),
		TEST(whole_digest_is_checked_too),
		TEST(empty_file_is_made),
		TEST(two_processes),
		TEST(late_writer_cannot_harm_the_blob),
		TEST(full_disk_is_a_local_failure),
		cmocka_unit_test(same_place_is_one_source),
		TEST(small_object_comes_from_whoever_has_it_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
