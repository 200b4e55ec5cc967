#include "hash/onepass.h"

#include "util/cancel.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* Bytes that differ from block to block and from piece to piece. */
static uint8_t *noise(size_t len)
{
	uint8_t *data = mem_alloc(len + 8);
	uint64_t x = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < len; i += 8) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(data + i, &x, 8);
	}
	return data;
}

static int scratch_fd(const char *dir, const char *name, const void *data, size_t len)
{
	struct err e = ERR_INIT;
	scratch_write(dir, name, data, len);
	char *path = path_join(dir, name);
	int fd = -1;
	assert_ok(file_open_read(path, &fd, &e), &e);
	free(path);
	return fd;
}

static void expect_digest(const struct digest *got, const uint8_t *data, size_t len)
{
	struct digest want;
	char a[DIGEST_HEX], b[DIGEST_HEX];
	sha256_of(data, len, &want);
	assert_string_equal(digest_hex(a, got), digest_hex(b, &want));
}

static void check_file(const uint8_t *data, size_t len, struct hash_range *ranges, size_t count)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	int fd = scratch_fd(dir, "model", data, len);
	struct onepass p = { .ranges = ranges, .range_count = count };
	assert_ok(grid_for(len, &p.grid, &e), &e);
	p.pieces = mem_alloc(p.grid.count * sizeof *p.pieces);
	assert_ok(onepass_run(&p, fd, "model", NULL, &e), &e);
	expect_digest(&p.whole, data, len);
	for (uint32_t i = 0; i < p.grid.count; i++)
		expect_digest(&p.pieces[i], data + grid_offset(&p.grid, i),
			      grid_length(&p.grid, i));
	for (size_t i = 0; i < count; i++)
		expect_digest(&ranges[i].digest, data + ranges[i].offset, ranges[i].size);
	free(p.pieces);
	close(fd);
	scratch_free(dir);
}

static void pieces_may_be_left_out(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	uint8_t *data = noise(9 * MIB);
	int fd = scratch_fd(dir, "model", data, 9 * MIB);
	struct onepass p = { 0 };
	assert_ok(grid_for(9 * MIB, &p.grid, &e), &e);
	assert_ok(onepass_run(&p, fd, "model", NULL, &e), &e);
	expect_digest(&p.whole, data, 9 * MIB);
	close(fd);
	free(data);
	scratch_free(dir);
}

static void every_size_around_a_border(void **state)
{
	(void)state;
	const size_t sizes[] = { 0,           1,        63,           64,          65,
				 MIB - 1,     MIB,      MIB + 1,      8 * MIB - 1, 8 * MIB,
				 8 * MIB + 1, 16 * MIB, 17 * MIB + 3, 25 * MIB + 7 };
	uint8_t *data = noise(sizes[ARRAY_LEN(sizes) - 1]);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		check_file(data, sizes[i], NULL, 0);
	free(data);
}

static void ranges_of_every_kind(void **state)
{
	(void)state;
	const size_t len = 20 * MIB + 11;
	uint8_t *data = noise(len);
	struct hash_range ranges[] = {
		{ .offset = 0, .size = 0 }, /* empty, at the start */
		{ .offset = 0, .size = 1 },
		{ .offset = 1, .size = MIB - 1 },            /* ends with a block */
		{ .offset = MIB, .size = 32 },               /* adjacent, starts with one */
		{ .offset = MIB + 64, .size = 5 * MIB },     /* over several blocks */
		{ .offset = 7 * MIB, .size = 0 },            /* empty, in a gap */
		{ .offset = 8 * MIB - 5, .size = 10 },       /* over a piece border */
		{ .offset = 8 * MIB + 5, .size = 0 },        /* empty, between neighbours */
		{ .offset = 8 * MIB + 5, .size = 12 * MIB }, /* most of two pieces */
		{ .offset = len - 3, .size = 3 },            /* the last bytes */
		{ .offset = len, .size = 0 },                /* empty, at the end */
	};
	check_file(data, len, ranges, ARRAY_LEN(ranges));
	free(data);
}

static void whole_file_as_a_range(void **state)
{
	(void)state;
	uint8_t *data = noise(9 * MIB);
	struct hash_range range = { .offset = 0, .size = 9 * MIB };
	check_file(data, 9 * MIB, &range, 1);
	free(data);
}

static void empty_file_with_an_empty_range(void **state)
{
	(void)state;
	struct hash_range ranges[2] = { { .size = 0 }, { .size = 0 } };
	check_file((const uint8_t *)"", 0, ranges, 2);
}

static void many_small_ranges(void **state)
{
	(void)state;
	const size_t len = 3 * MIB, count = 3000;
	uint8_t *data = noise(len);
	struct hash_range *ranges = mem_alloc(count * sizeof *ranges);
	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct hash_range){ .offset = i * 1048, .size = 1048 - i % 7 };
	check_file(data, len, ranges, count);
	free(ranges);
	free(data);
}

static void one_core_is_enough(void **state)
{
	(void)state;
	cpu_set_t all, one;
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	uint8_t *data = noise(10 * MIB);
	struct hash_range range = { .offset = 5, .size = 9 * MIB };
	check_file(data, 10 * MIB, &range, 1);
	free(data);
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

static void ranges_out_of_place_are_a_bug(void **state)
{
	(void)state;
	char *dir = scratch_new();
	int fd = scratch_fd(dir, "model", "0123456789", 10);
	struct hash_range cases[][2] = {
		{ { .offset = 4, .size = 4 }, { .offset = 2, .size = 1 } }, /* order */
		{ { .offset = 0, .size = 4 }, { .offset = 3, .size = 1 } }, /* overlap */
		{ { .offset = 0, .size = 4 }, { .offset = 4, .size = 7 } }, /* past the end */
		{ { .offset = 0, .size = 4 }, { .offset = 5, .size = UINT64_MAX } },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct digest piece;
		struct onepass p = { .pieces = &piece, .ranges = cases[i], .range_count = 2 };
		assert_ok(grid_for(10, &p.grid, &e), &e);
		assert_int_equal(onepass_run(&p, fd, "model", NULL, &e), -ERR_BUG);
	}
	close(fd);
	scratch_free(dir);
}

struct counter {
	struct report report;
	atomic_llong begun, bytes, ended, ok;
	int fd; /* to change the file at the first advance; or -1 */
	off_t new_size;
	struct cancel *stop; /* asked to at the first advance; or NULL */
};

static void count_event(struct report *r, const struct report_event *event)
{
	struct counter *c = (struct counter *)r;
	assert_string_equal(event->task, "model.gguf");
	if (event->kind == REPORT_BEGIN)
		c->begun += (long long)event->total;
	if (event->kind == REPORT_END) {
		c->ended++;
		c->ok += event->ok;
	}
	if (event->kind != REPORT_ADVANCE)
		return;
	if (c->bytes == 0 && c->fd >= 0)
		assert_int_equal(ftruncate(c->fd, c->new_size), 0);
	if (c->bytes == 0 && c->stop)
		cancel_ask(c->stop, SIGTERM);
	c->bytes += event->bytes;
}

static int run_counted(struct counter *c, const char *dir, size_t len, struct err *e)
{
	uint8_t *data = noise(len);
	int fd = scratch_fd(dir, "model", data, len);
	free(data);
	struct onepass p = { .cancel = c->stop };
	assert_int_equal(grid_for(len, &p.grid, e), 0);
	p.pieces = mem_alloc(p.grid.count * sizeof *p.pieces);
	c->report.emit = count_event;
	int rc = onepass_run(&p, fd, "model.gguf", &c->report, e);
	free(p.pieces);
	close(fd);
	return rc;
}

static void progress_adds_up_to_the_size(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	struct counter c = { .fd = -1 };
	assert_ok(run_counted(&c, dir, 10 * MIB + 1, &e), &e);
	assert_int_equal(c.begun, 10 * MIB + 1);
	assert_int_equal(c.bytes, 10 * MIB + 1);
	assert_int_equal(c.ended, 1);
	assert_int_equal(c.ok, 1);
	scratch_free(dir);
}

static void size_change_while_reading(size_t new_size)
{
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	char *path = path_join(dir, "model");
	const size_t len = 40 * MIB;
	uint8_t *data = noise(len);
	int fd = scratch_fd(dir, "model", data, len);
	free(data);
	struct counter c = { .fd = open(path, O_WRONLY), .new_size = (off_t)new_size };
	c.report.emit = count_event;
	struct onepass p = { 0 };
	assert_int_equal(grid_for(len, &p.grid, &e), 0);
	p.pieces = mem_alloc(p.grid.count * sizeof *p.pieces);
	assert_int_equal(onepass_run(&p, fd, "model.gguf", &c.report, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "model.gguf changed while it was read");
	assert_int_equal(c.ended, 1);
	assert_int_equal(c.ok, 0);
	close(c.fd);
	close(fd);
	free(p.pieces);
	free(path);
	scratch_free(dir);
}

static void file_that_shrinks_is_refused(void **state)
{
	(void)state;
	size_change_while_reading(20 * MIB + 5);
	size_change_while_reading(0);
}

static void file_that_grows_is_refused(void **state)
{
	(void)state;
	size_change_while_reading(40 * MIB + 1);
}

/* The bytes that were hashed go into another file in the same pass. */
static void a_copy_has_the_bytes_that_were_hashed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	const size_t len = 9 * MIB + 77;
	char *dir = scratch_new();
	uint8_t *data = noise(len), *copied = mem_alloc(len);
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "copy");
	int fd = scratch_fd(dir, "model", data, len);
	int to = open(path, O_RDWR | O_CREAT, 0644);
	struct onepass p = { .copy_to = &to };
	assert_ok(grid_for(len, &p.grid, &e), &e);
	assert_ok(onepass_run(&p, fd, "model", NULL, &e), &e);
	expect_digest(&p.whole, data, len);
	assert_int_equal(pread(to, copied, len, 0), len);
	assert_memory_equal(copied, data, len);
	assert_int_equal(lseek(to, 0, SEEK_END), len);
	close(fd);
	close(to);
	free(data);
	free(copied);
	scratch_free(dir);
}

/* Touches the source while it is copied. */
struct toucher {
	struct report report;
	int fd;
};

static void touch_event(struct report *r, const struct report_event *event)
{
	static const struct timespec long_ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	if (event->kind == REPORT_ADVANCE)
		futimens(((struct toucher *)r)->fd, long_ago);
}

static void a_file_that_is_written_to_while_it_is_copied_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "copy");
	int fd = scratch_fd(dir, "model", "hello", 5), to = open(path, O_RDWR | O_CREAT, 0644);
	struct toucher t = { .report.emit = touch_event, .fd = fd };
	struct onepass p = { .copy_to = &to };
	assert_ok(grid_for(5, &p.grid, &e), &e);
	assert_int_equal(onepass_run(&p, fd, "model", &t.report, &e), -ERR_INTEGRITY);
	assert_string_equal(e.text, "model changed while it was read");
	close(fd);
	close(to);
	scratch_free(dir);
}

static void unreadable_file_is_an_error_of_the_system(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	char *path = path_join(dir, "model.gguf");
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 30 * (off_t)MIB), 0);
	struct digest pieces[4];
	struct onepass p = { .pieces = pieces };
	assert_int_equal(grid_for(30 * MIB, &p.grid, &e), 0);
	assert_int_equal(onepass_run(&p, fd, "model.gguf", NULL, &e), -ERR_SYSTEM);
	assert_string_equal(e.text, "model.gguf: Bad file descriptor");
	close(fd);
	free(path);
	scratch_free(dir);
}

static void cancelling_stops_it(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	struct cancel stop = CANCEL_INIT;
	struct counter c = { .fd = -1, .stop = &stop };
	assert_int_equal(run_counted(&c, dir, 40 * MIB, &e), -ERR_CANCELLED);
	assert_true(c.bytes < (long long)(40 * MIB));
	scratch_free(dir);
}

struct seen {
	struct sha256 *sha;
	uint64_t size;
	bool aligned;
};

static void see(void *ctx, const void *data, size_t len)
{
	struct seen *s = ctx;
	sha256_add(s->sha, data, len);
	s->aligned = s->aligned && s->size % 8 == 0;
	s->size += len;
}

static void who_looks_gets_all_bytes_in_order(void **state)
{
	(void)state;
	size_t len = 20 * MIB + 5;
	struct err e = ERR_INIT;
	struct seen s = { .sha = sha256_new(), .aligned = true };
	struct digest got;
	uint8_t *data = noise(len);
	char *dir = scratch_new();
	int fd = scratch_fd(dir, "model", data, len);
	struct onepass p = { .look = see, .look_ctx = &s };
	assert_ok(grid_for(len, &p.grid, &e), &e);
	p.pieces = mem_alloc(p.grid.count * sizeof *p.pieces);
	assert_ok(onepass_run(&p, fd, "model", NULL, &e), &e);
	assert_int_equal(s.size, len);
	assert_true(s.aligned);
	sha256_final(s.sha, &got);
	expect_digest(&got, data, len);
	sha256_free(s.sha);
	close(fd);
	free(p.pieces);
	free(data);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_may_be_left_out),
		cmocka_unit_test(every_size_around_a_border),
		cmocka_unit_test(ranges_of_every_kind),
		cmocka_unit_test(whole_file_as_a_range),
		cmocka_unit_test(empty_file_with_an_empty_range),
		cmocka_unit_test(many_small_ranges),
		cmocka_unit_test(who_looks_gets_all_bytes_in_order),
		cmocka_unit_test(one_core_is_enough),
		cmocka_unit_test(ranges_out_of_place_are_a_bug),
		cmocka_unit_test(progress_adds_up_to_the_size),
		cmocka_unit_test(file_that_shrinks_is_refused),
		cmocka_unit_test(file_that_grows_is_refused),
		cmocka_unit_test(a_copy_has_the_bytes_that_were_hashed),
		cmocka_unit_test(a_file_that_is_written_to_while_it_is_copied_is_refused),
		cmocka_unit_test(unreadable_file_is_an_error_of_the_system),
		cmocka_unit_test(cancelling_stops_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
