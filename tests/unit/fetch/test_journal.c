#include "fetch/journal.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <unistd.h>

struct fixture {
	char *dir, *path;
	struct grid grid;
	struct digest sha256;
};

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	f->path = path_join(f->dir, "x.journal");
	assert_ok(grid_for(5 * GRID_MIN_PIECE + 1, &f->grid, &e), &e);
	sha256_of("file", 4, &f->sha256);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	scratch_free(f->dir);
	free(f->path);
	free(f);
	return 0;
}

static void add(struct fixture *f, uint32_t piece)
{
	struct err e = ERR_INIT;
	CLEANUP(journal_close) struct journal j = JOURNAL_INIT;
	bool claimed[6] = { false };
	assert_ok(journal_open(f->path, &f->grid, &f->sha256, claimed, &j, &e), &e);
	assert_ok(journal_add(&j, piece, &e), &e);
}

/* "110100": which pieces are claimed. */
static void assert_claims(struct fixture *f, const char *want)
{
	struct err e = ERR_INIT;
	bool claimed[6] = { false };
	char got[7] = "";
	bool ours;
	assert_ok(journal_read(f->path, &f->grid, &f->sha256, claimed, &ours, &e), &e);
	for (size_t i = 0; i < 6; i++)
		got[i] = claimed[i] ? '1' : '0';
	assert_string_equal(got, want);
}

static void append(struct fixture *f, const void *data, size_t len)
{
	int fd = open(f->path, O_WRONLY | O_APPEND);
	assert_true(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

static void pieces_are_remembered_across_opens(void **state)
{
	struct fixture *f = *state;
	assert_claims(f, "000000");
	add(f, 0);
	add(f, 3);
	add(f, 5);
	add(f, 3);
	assert_claims(f, "100101");
}

static void a_link_is_replaced_and_never_written_through(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *victim = path_join(f->dir, "victim");
	for (int hard = 0; hard < 2; hard++) {
		CLEANUP(buf_release) struct buf kept = BUF_INIT(100);
		assert_ok(file_write_atomic(victim, "mine", 4, 0644, &e), &e);
		unlink(f->path);
		assert_int_equal(hard ? link(victim, f->path) : symlink(victim, f->path), 0);
		assert_claims(f, "000000");
		add(f, 1);
		assert_claims(f, "010000");
		assert_ok(file_read_all(victim, &kept, &e), &e);
		assert_string_equal(buf_str(&kept), "mine");
	}
}

static void torn_tail_loses_only_its_own_record(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	uint64_t size;
	add(f, 0);
	add(f, 1);
	assert_ok(file_size(f->path, &size, &e), &e);
	assert_int_equal(size, JOURNAL_HEADER + 2 * JOURNAL_RECORD);
	for (unsigned cut = 1; cut < JOURNAL_RECORD; cut += 5) {
		assert_int_equal(truncate(f->path, (off_t)(size - cut)), 0);
		assert_claims(f, "100000");
		add(f, 2);
		assert_claims(f, "101000");
		assert_int_equal(truncate(f->path, JOURNAL_HEADER + JOURNAL_RECORD), 0);
		add(f, 1);
	}
}

static void damaged_records_claim_nothing(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zeros[JOURNAL_RECORD], ones[JOURNAL_RECORD] = { 1 };
	add(f, 4);
	append(f, zeros, sizeof zeros);
	append(f, ones, sizeof ones);
	append(f, "\xff\xff\xff\xff\xff\xff\xff\xff________", 16);
	add(f, 1);
	assert_claims(f, "010010");
}

static void journal_of_another_file_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	add(f, 2);
	sha256_of("other", 5, &f->sha256);
	assert_claims(f, "000000");
	add(f, 1);
	assert_claims(f, "010000");
}

static void journal_of_another_size_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	add(f, 2);
	assert_ok(grid_for(5 * GRID_MIN_PIECE + 2, &f->grid, &e), &e);
	assert_claims(f, "000000");
}

static void cut_header_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	add(f, 2);
	assert_int_equal(truncate(f->path, JOURNAL_HEADER - 1), 0);
	assert_claims(f, "000000");
	add(f, 0);
	assert_claims(f, "100000");
}

static void endless_journal_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	add(f, 2);
	assert_int_equal(truncate(f->path, 1 << 30), 0);
	assert_claims(f, "000000");
	add(f, 0);
	assert_claims(f, "100000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(pieces_are_remembered_across_opens),
		TEST(a_link_is_replaced_and_never_written_through),
		TEST(torn_tail_loses_only_its_own_record),
		TEST(damaged_records_claim_nothing),
		TEST(journal_of_another_file_is_begun_anew),
		TEST(journal_of_another_size_is_begun_anew),
		TEST(cut_header_is_begun_anew),
		TEST(endless_journal_is_begun_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
