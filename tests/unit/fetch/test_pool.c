#include "fetch/pool.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MEMORY (4 * MIB)

static void a_piece_is_written_and_read_wherever_it_is(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, MIB, MEMORY / POOL_LEAST, MEMORY, 3 * MEMORY };
	char *dir = scratch_new();
	CLEANUP(pool_release) struct pool pool;
	pool_init(&pool, MEMORY);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err e = ERR_INIT;
		struct pool_piece piece;
		CLEANUP(mem_free_ptr) void *room = mem_alloc(POOL_READ);
		const void *data;
		size_t len;
		assert_true(pool_has_room(&pool, sizes[i]));
		assert_ok(pool_take(&pool, sizes[i], dir, &piece, &e), &e);
		assert_int_equal(piece.data == NULL, i > 2);
		assert_ok(pool_write(&piece, sizes[i] - 1, "z", 1, &e), &e);
		assert_ok(pool_read(&piece, sizes[i] - 1, room, &data, &len, &e), &e);
		assert_int_equal(len, 1);
		assert_memory_equal(data, "z", 1);
		pool_give(&pool, &piece);
		pool_give(&pool, &piece);
	}
	scratch_free(dir);
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct pool_piece piece[4];
	CLEANUP(pool_release) struct pool pool;
	pool_init(&pool, MEMORY);
	for (size_t i = 0; i < 4; i++) {
		assert_true(pool_has_room(&pool, MIB));
		assert_ok(pool_take(&pool, MIB, NULL, &piece[i], &e), &e);
	}
	assert_false(pool_has_room(&pool, MIB));
	for (size_t i = 0; i < 4; i++)
		pool_give(&pool, &piece[i]);
	/* What is kept for the next piece of that size makes room for others. */
	assert_true(pool_has_room(&pool, MIB + 1));
	assert_ok(pool_take(&pool, MIB + 1, NULL, &piece[0], &e), &e);
	assert_true(pool.used <= MEMORY);
	pool_give(&pool, &piece[0]);
}

static void pieces_in_files_are_bounded_and_have_no_names(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	struct pool_piece piece[POOL_SCRATCH];
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(pool_release) struct pool pool;
	pool_init(&pool, 3 * KIB);
	for (size_t i = 0; i < POOL_SCRATCH; i++)
		assert_ok(pool_take(&pool, 2 * KIB, dir, &piece[i], &e), &e);
	assert_false(pool_has_room(&pool, 2 * KIB));
	assert_ok(file_list_dir(dir, &names, &e), &e);
	assert_int_equal(names.count, 0);
	for (size_t i = 0; i < POOL_SCRATCH; i++)
		pool_give(&pool, &piece[i]);
	assert_true(pool_has_room(&pool, 2 * KIB));
	scratch_free(dir);
}

static void a_piece_is_copied_into_a_file(void **state)
{
	(void)state;
	static const uint64_t memory[] = { MEMORY, KIB };
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *path = path_join(dir, "part");
	for (size_t i = 0; i < 2; i++) {
		struct err e = ERR_INIT;
		struct pool_piece piece;
		char bytes[6] = "";
		CLEANUP(pool_release) struct pool pool;
		CLEANUP(file_close) int fd = open(path, O_RDWR | O_CREAT, 0600);
		pool_init(&pool, memory[i]);
		assert_ok(pool_take(&pool, 2 * KIB, dir, &piece, &e), &e);
		assert_ok(pool_write(&piece, 2 * KIB - 6, "piece", 6, &e), &e);
		assert_ok(pool_copy_to(&piece, fd, 100, path, &e), &e);
		assert_int_equal(pread(fd, bytes, 6, 100 + 2 * KIB - 6), 6);
		assert_string_equal(bytes, "piece");
		pool_give(&pool, &piece);
	}
	scratch_free(dir);
}

static void no_folder_for_a_large_piece_is_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct pool_piece piece = { .fd = -1 };
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *missing = path_join(dir, "missing");
	CLEANUP(pool_release) struct pool pool;
	pool_init(&pool, KIB);
	assert_int_equal(pool_take(&pool, MIB, missing, &piece, &e), -ERR_NOT_FOUND);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_is_written_and_read_wherever_it_is),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(pieces_in_files_are_bounded_and_have_no_names),
		cmocka_unit_test(a_piece_is_copied_into_a_file),
		cmocka_unit_test(no_folder_for_a_large_piece_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
