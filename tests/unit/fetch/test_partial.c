/* The files of an unfinished download: who writes to which, and what is found again. Pieces are of
 * 64 KiB here, so that each has blocks of its own on the disk. */
#include "fetch/partial.h"

#include "fake_clock.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE (64 * KIB)
#define PIECES 8
#define SIZE (PIECE * PIECES - 300)

/* Stands in for the C library's: no locks, or locks that hold nobody back. */
static enum { LOCKS_WORK, LOCKS_FAIL, LOCKS_LIE } locks;
int flock(int fd, int operation)
{
	if (locks == LOCKS_WORK)
		return (int)syscall(SYS_flock, fd, operation);
	errno = ENOLCK;
	return locks == LOCKS_FAIL ? -1 : 0;
}

/* Stands in for the C library's: as on a file system that does not tell holes. */
static bool holes_are_hidden;
off_t lseek(int fd, off_t offset, int whence)
{
	if (!holes_are_hidden || whence != SEEK_DATA)
		return (off_t)syscall(SYS_lseek, fd, offset, whence);
	struct stat st;
	if (fstat(fd, &st) == 0 && offset < st.st_size)
		return offset;
	errno = ENXIO;
	return -1;
}

struct fixture {
	char *dir;
	struct store store;
	unsigned char bytes[SIZE];
	struct digest sha256, pieces[PIECES];
	struct grid grid;
	struct fake_clock clock;
	struct report report;
	struct buf told;
};

static void take_event(struct report *r, const struct report_event *event)
{
	struct fixture *f = (struct fixture *)((char *)r - offsetof(struct fixture, report));
	if (event->text)
		buf_addf(&f->told, "%s\n", event->text);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	f->told = (struct buf)BUF_INIT(64 * KIB);
	f->report.emit = take_event;
	locks = LOCKS_WORK;
	holes_are_hidden = false;
	assert_ok(store_open(f->dir, &f->store, &e), &e);
	for (size_t i = 0; i < SIZE; i++)
		f->bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	f->grid = (struct grid){ .size = SIZE, .piece_length = PIECE, .count = PIECES };
	sha256_of(f->bytes, SIZE, &f->sha256);
	for (uint32_t i = 0; i < PIECES; i++)
		sha256_of(f->bytes + grid_offset(&f->grid, i), grid_length(&f->grid, i),
			  &f->pieces[i]);
	fake_clock_init(&f->clock);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	buf_release(&f->told);
	store_close(&f->store);
	scratch_free(f->dir);
	free(f);
	return 0;
}

static struct partial opened(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct partial p = PARTIAL_INIT;
	bool done;
	assert_ok(partial_open(&f->store, "phi.gguf", &f->sha256, &f->grid, f->pieces, &f->report,
			       &p, &done, &e),
		  &e);
	assert_false(done);
	return p;
}

static void put(struct fixture *f, struct partial *p, uint32_t piece)
{
	struct err e = ERR_INIT;
	struct pool_piece bytes = {
		.data = f->bytes + piece * PIECE,
		.fd = -1,
		.size = grid_length(&f->grid, piece),
	};
	assert_ok(partial_write(p, piece, &bytes, &e), &e);
}

/* As a process leaves it that is gone: the pieces, as digits. */
static void leave(struct fixture *f, const char *pieces)
{
	struct partial p = opened(f);
	for (const char *c = pieces; *c; c++)
		put(f, &p, (uint32_t)(*c - '0'));
	partial_close(&p);
}

static void assert_claims(const struct partial *p, const char *want)
{
	char got[PIECES + 1] = "";
	size_t n = 0;
	for (uint32_t i = 0; i < PIECES; i++)
		if (p->claimed[i])
			got[n++] = (char)('0' + i);
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void assert_left(struct fixture *f, const char *want)
{
	struct partial p = opened(f);
	assert_claims(&p, want);
	partial_close(&p);
}

static void finish(struct fixture *f, struct partial *p)
{
	struct err e = ERR_INIT;
	for (uint32_t i = 0; i < PIECES; i++) {
		bool right;
		put(f, p, i);
		assert_ok(pieces_read(&p->pieces, i, p->fd, p->path, NULL, &right, &e), &e);
		assert_true(right);
	}
	assert_ok(partial_finish(p, &e), &e);
	partial_close(p);
}

static size_t files(struct fixture *f)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *dir = path_join(f->dir, "partial");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	assert_ok(file_list_dir(dir, &names, &e), &e);
	return names.count;
}

static size_t parts(struct fixture *f)
{
	struct err e = ERR_INIT;
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	size_t count = 0;
	assert_ok(store_partials_list(&f->store, &f->sha256, &all, &e), &e);
	for (size_t i = 0; i < all.count; i++)
		count += all.at[i].exists;
	return count;
}

static bool was_told(struct fixture *f, const char *text)
{
	return strstr(buf_str(&f->told), text) != NULL;
}

/* -- what is found again ------------------------------------------------------------------- */

static void pieces_of_an_earlier_run_are_claimed(void **state)
{
	struct fixture *f = *state;
	leave(f, "0257");
	assert_left(f, "0257");
	leave(f, "1");
	assert_left(f, "01257");
}

static char *journal_path(struct fixture *f)
{
	return store_journal_path(&f->store, &f->sha256);
}

static void pieces_are_found_without_a_journal(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	leave(f, "136");
	assert_int_equal(unlink(journal), 0);
	assert_left(f, "136");
	assert_false(was_told(f, "journal"));
}

static void records_that_did_not_reach_the_disk_do_not_matter(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	leave(f, "136");
	for (int cut = 0; cut < 3 * JOURNAL_RECORD; cut += 7) {
		assert_int_equal(truncate(journal, JOURNAL_HEADER + cut), 0);
		assert_left(f, "136");
	}
}

static void damage(const char *path, off_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0 && pwrite(fd, bytes, len, at) == (ssize_t)len);
	close(fd);
}

/* In each way that makes it another one: the mark, the version, the size, the digest. */
static void journal_of_something_else_is_set_aside(void **state)
{
	struct fixture *f = *state;
	static const off_t places[] = { 0, 8, 16, 24, 32, 63 };
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	leave(f, "04");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		CLEANUP(mem_free_ptr) char *bad = i ? mem_printf("%s.bad.%zu", journal, i + 1)
						    : mem_printf("%s.bad", journal);
		damage(journal, places[i], "\xee", 1);
		buf_clear(&f->told);
		assert_left(f, "04");
		assert_true(was_told(f,
				     "all that was downloaded is hashed to find the good pieces"));
		assert_true(was_told(f, bad));
		assert_true(file_exists(bad));
	}
	struct partial p = opened(f);
	finish(f, &p);
	assert_int_equal(files(f), 0);
}

static void endless_journal_is_set_aside(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	leave(f, "7");
	assert_int_equal(truncate(journal, 1 << 30), 0);
	assert_left(f, "7");
	assert_true(was_told(f, "renamed to"));
}

static void expected_bytes_are_those_that_are_claimed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t bytes = 1;
	assert_ok(partial_expect(&f->store, &f->sha256, &f->grid, &bytes, &e), &e);
	assert_int_equal(bytes, 0);
	leave(f, "17");
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	for (int i = 0; i < 2; i++) {
		assert_ok(partial_expect(&f->store, &f->sha256, &f->grid, &bytes, &e), &e);
		assert_int_equal(bytes, 2 * PIECE - 300);
		unlink(journal);
	}
}

static void part_of_a_wrong_size_is_mended(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	struct stat st;
	leave(f, "01");
	assert_int_equal(truncate(part, SIZE + PIECE), 0);
	assert_left(f, "01");
	assert_int_equal(truncate(part, PIECE), 0);
	struct partial p = opened(f);
	assert_claims(&p, "0");
	assert_int_equal(fstat(p.fd, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	finish(f, &p);
	assert_true(store_has(&f->store, &f->sha256, SIZE));
}

/* -- a file system that does not tell holes ------------------------------------------------ */

static void the_journal_alone_is_believed_where_holes_are_hidden(void **state)
{
	struct fixture *f = *state;
	holes_are_hidden = true;
	assert_left(f, "");
	leave(f, "136");
	assert_left(f, "136");
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	assert_int_equal(truncate(journal, JOURNAL_HEADER + 2 * JOURNAL_RECORD), 0);
	assert_left(f, "13");
	leave(f, "0245");
	assert_left(f, "012345");
}

/* Nothing else tells which pieces are there. */
static void all_is_hashed_where_holes_are_hidden_and_the_journal_is_lost(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	holes_are_hidden = true;
	leave(f, "136");
	assert_int_equal(unlink(journal), 0);
	assert_left(f, "01234567");
}

static void pieces_of_a_whole_file_need_no_journal_where_holes_are_hidden(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *journal = journal_path(f);
	holes_are_hidden = true;
	leave(f, "01234567");
	assert_int_equal(truncate(journal, JOURNAL_HEADER), 0);
	assert_left(f, "01234567");
}

/* -- killed while it commits --------------------------------------------------------------- */

static void second_name_of_a_killed_commit_costs_nothing(void **state)
{
	struct fixture *f = *state;
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *temporary = mem_printf("%s/blobs/sha256/.%s.00abcd.tmp", f->dir,
							   digest_hex(hex, &f->sha256));
	leave(f, "01234567");
	assert_int_equal(chmod(part, 0444), 0);
	assert_int_equal(link(part, temporary), 0);
	assert_int_equal(parts(f), 1);
	assert_left(f, "01234567");
	assert_false(file_exists(temporary));
}

static void name_that_others_gave_it_is_left_alone(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *mine = path_join(f->dir, "mine");
	struct stat st;
	leave(f, "01234567");
	assert_int_equal(link(part, mine), 0);
	struct partial p = opened(f);
	assert_claims(&p, "");
	partial_close(&p);
	assert_int_equal(stat(mine, &st), 0);
	assert_int_equal(st.st_nlink, 1);
}

/* -- several processes --------------------------------------------------------------------- */

/* Runs in another process, until the returned pipe is closed. */
static pid_t beside(void (*work)(struct fixture *f), struct fixture *f, int *end)
{
	int ready[2], stop[2];
	char byte;
	assert_int_equal(pipe(ready) | pipe(stop), 0);
	pid_t child = fork();
	if (child == 0) {
		close(stop[1]);
		work(f);
		(void)!write(ready[1], "x", 1);
		(void)!read(stop[0], &byte, 1);
		execl("/bin/true", "true", NULL);
	}
	close(ready[1]);
	close(stop[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*end = stop[1];
	return child;
}

static void end(pid_t child, int fd)
{
	int status;
	close(fd);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void work_on_it(struct fixture *f)
{
	struct partial p = opened(f);
	put(f, &p, 0);
	put(f, &p, 1);
}

static char *name_of(const struct partial *p)
{
	return mem_strdup(p->path);
}

/* Where locks do not work, or hold nobody back. */
static void two_processes_never_write_to_one_file(void **state)
{
	struct fixture *f = *state;
	for (int kind = LOCKS_FAIL; kind <= LOCKS_LIE; kind++) {
		int fd;
		locks = kind;
		buf_clear(&f->told);
		pid_t child = beside(work_on_it, f, &fd);
		struct partial p = opened(f);
		assert_claims(&p, "");
		assert_int_equal(parts(f), 2);
		assert_true(was_told(f, "no locks that work: it is downloaded twice"));
		put(f, &p, 5);
		partial_close(&p);
		end(child, fd);
		/* That of the ended process has most. The other one stays meanwhile. */
		p = opened(f);
		assert_claims(&p, "01");
		finish(f, &p);
		assert_int_equal(files(f), 0);
		CLEANUP(mem_free_ptr) char *blob = store_blob_path(&f->store, &f->sha256);
		assert_int_equal(unlink(blob), 0);
	}
}

static void what_was_left_with_locks_is_taken_over_without(void **state)
{
	struct fixture *f = *state;
	int fd;
	pid_t child = beside(work_on_it, f, &fd);
	end(child, fd);
	locks = LOCKS_FAIL;
	struct partial p = opened(f);
	assert_claims(&p, "01");
	CLEANUP(mem_free_ptr) char *name = name_of(&p);
	CLEANUP(mem_free_ptr) char *usual = store_part_path(&f->store, &f->sha256);
	assert_string_not_equal(name, usual);
	partial_close(&p);
	locks = LOCKS_WORK;
	p = opened(f);
	assert_string_equal(p.path, usual);
	assert_claims(&p, "01");
	partial_close(&p);
	assert_int_equal(parts(f), 1);
}

static void holder_that_does_not_get_on_keeps_its_file(void **state)
{
	struct fixture *f = *state;
	int fd;
	pid_t child = beside(work_on_it, f, &fd);
	f->store.clock = &f->clock.clock;
	struct partial p = opened(f);
	f->store.clock = NULL;
	assert_true(was_told(f, "has received nothing for a minute"));
	assert_true(was_told(f, "downloaded a second time"));
	assert_claims(&p, "");
	assert_int_equal(parts(f), 2);
	finish(f, &p);
	/* Its file stays as long as it may go on. */
	assert_int_equal(parts(f), 1);
	end(child, fd);
	partial_tidy(&f->store, &f->sha256);
	assert_int_equal(files(f), 0);
}

static void lock_of_a_removed_file_is_no_lock(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(store_partial_release) struct store_partial names = { 0 };
	int first = -1, second = -1;
	bool works;
	store_partial_init(&f->store, &f->sha256, "", &names);
	assert_ok(store_partial_lock(&f->store, &names, &first, &works, &e), &e);
	assert_true(works && first >= 0);
	assert_int_equal(store_partial_lock(&f->store, &names, &second, &works, &e), -ERR_CONFLICT);
	assert_int_equal(unlink(names.lock), 0);
	err_clear(&e);
	assert_ok(store_partial_lock(&f->store, &names, &second, &works, &e), &e);
	assert_true(store_partial_is_held(&f->store, &names));
	store_partial_unlock(&first);
	assert_true(store_partial_is_held(&f->store, &names));
	store_partial_unlock(&second);
	assert_false(store_partial_is_held(&f->store, &names));
}

static void set_lock(struct fixture *f, const char *text, int64_t age_s)
{
	CLEANUP(mem_free_ptr) char *lock = store_lock_path(&f->store, &f->sha256);
	CLEANUP(mem_free_ptr) char *part = store_part_path(&f->store, &f->sha256);
	struct timespec t[2] = { { .tv_sec = time(NULL) - age_s },
				 { .tv_sec = time(NULL) - age_s } };
	struct err e = ERR_INIT;
	assert_ok(file_write_atomic(lock, text, strlen(text), 0600, &e), &e);
	assert_int_equal(utimensat(AT_FDCWD, lock, t, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, part, t, 0), 0);
}

/* Of what another machine left, it is not known whether it goes on. */
static void other_machine_without_locks_is_waited_for_an_hour(void **state)
{
	struct fixture *f = *state;
	leave(f, "3");
	locks = LOCKS_FAIL;
	set_lock(f, "1\nfar/away/1 77\n", 3000);
	struct partial p = opened(f);
	assert_claims(&p, "");
	partial_close(&p);
	set_lock(f, "1\nfar/away/1 77\n", 4000);
	p = opened(f);
	assert_claims(&p, "3");
	partial_close(&p);
}

/* A number that a later process has; one of an earlier release, which wrote only that. */
static void owner_is_told_from_a_later_process_with_its_number(void **state)
{
	struct fixture *f = *state;
	char place[OS_PLACE], text[OS_PLACE + 64];
	os_process_place(place);
	leave(f, "3");
	locks = LOCKS_LIE;
	snprintf(text, sizeof text, "%ld\n%s 1\n", (long)getpid(), place);
	set_lock(f, text, 0);
	assert_left(f, NATIVE ? "3" : ""); /* elsewhere it may still be that process */
	snprintf(text, sizeof text, "%ld\n", (long)getpid());
	set_lock(f, text, 0);
	assert_left(f, "3");
	snprintf(text, sizeof text, "%ld\n%s %llu\n", (long)getpid(), place,
		 (unsigned long long)os_process_started((long)getpid()));
	set_lock(f, text, 0);
	assert_left(f, "");
}

/* -- a full disk --------------------------------------------------------------------------- */

static void full_disk_says_how_much_is_missing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct pool_piece bytes = { .data = f->bytes + PIECE, .fd = -1, .size = PIECE };
	struct partial p = opened(f);
	put(f, &p, 0);
	int full = open("/dev/full", O_RDWR), kept = dup(p.journal.fd);
	assert_true(full >= 0 && kept >= 0 && dup2(full, p.journal.fd) >= 0);
	assert_int_equal(partial_write(&p, 1, &bytes, &e), -ERR_SYSTEM);
	assert_int_equal(e.sys, ENOSPC);
	assert_non_null(strstr(e.text, "No space left on device: it needs another 384 KiB"));
	assert_non_null(strstr(e.text, " is free"));
	assert_non_null(strstr(e.hint, "free some space, then run the same command again"));
	/* The records after the one that failed are read, and so is its piece. */
	assert_true(dup2(kept, p.journal.fd) >= 0);
	close(full);
	close(kept);
	put(f, &p, 2);
	partial_close(&p);
	assert_left(f, "012");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(pieces_of_an_earlier_run_are_claimed),
		TEST(pieces_are_found_without_a_journal),
		TEST(records_that_did_not_reach_the_disk_do_not_matter),
		TEST(journal_of_something_else_is_set_aside),
		TEST(endless_journal_is_set_aside),
		TEST(expected_bytes_are_those_that_are_claimed),
		TEST(part_of_a_wrong_size_is_mended),
		TEST(the_journal_alone_is_believed_where_holes_are_hidden),
		TEST(all_is_hashed_where_holes_are_hidden_and_the_journal_is_lost),
		TEST(pieces_of_a_whole_file_need_no_journal_where_holes_are_hidden),
		TEST(second_name_of_a_killed_commit_costs_nothing),
		TEST(name_that_others_gave_it_is_left_alone),
		TEST(two_processes_never_write_to_one_file),
		TEST(what_was_left_with_locks_is_taken_over_without),
		TEST(holder_that_does_not_get_on_keeps_its_file),
		TEST(lock_of_a_removed_file_is_no_lock),
		TEST(other_machine_without_locks_is_waited_for_an_hour),
		TEST(owner_is_told_from_a_later_process_with_its_number),
		TEST(full_disk_says_how_much_is_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
