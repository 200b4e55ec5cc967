#include "fetch/pool.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

static void room_is_writable_to_its_end(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 0, 1, 8 * MIB, PIECE_MEMORY_MAX, PIECE_MEMORY_MAX + 1 };
	char *dir = scratch_new();
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct err e = ERR_INIT;
		CLEANUP(pool_piece_close) struct pool_piece room = { 0 };
		assert_ok(pool_piece_open(&room, sizes[i], dir, &e), &e);
		assert_true(room.size >= sizes[i]);
		room.data[0] = 1;
		room.data[room.size - 1] = 2;
		assert_int_equal(room.data[room.size - 1], 2);
	}
	scratch_free(dir);
}

/* The file behind a large room has no name: nothing is left of it, whatever happens. */
static void large_room_leaves_nothing(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = scratch_new();
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(pool_piece_close) struct pool_piece room = { 0 };
	assert_ok(pool_piece_open(&room, PIECE_MEMORY_MAX + MIB, dir, &e), &e);
	assert_ok(file_list_dir(dir, &names, &e), &e);
	assert_int_equal(names.count, 0);
	scratch_free(dir);
}

static void no_folder_for_a_large_room_is_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct pool_piece room = { 0 };
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *missing = path_join(dir, "missing");
	assert_int_equal(pool_piece_open(&room, PIECE_MEMORY_MAX + 1, missing, &e), -ERR_NOT_FOUND);
	assert_null(room.data);
	scratch_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_is_writable_to_its_end),
		cmocka_unit_test(large_room_leaves_nothing),
		cmocka_unit_test(no_folder_for_a_large_room_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
