/* Objects of a tree that are on a mirror. */
#include "publish/tree.h"

#include "release.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

/* The small files of a release are in a folder, its objects on a mirror in memory. */
struct world {
	struct tree tree;
	struct mirror_mem *store;
	struct mirror *mirror;
	struct tree_object object; /* the big one */
	struct err e;
};

static void move_objects(struct world *w)
{
	for (size_t i = 0; i < w->tree.files.count; i++) {
		const struct repository_file *f = &w->tree.files.at[i];
		CLEANUP(mem_free_ptr) char *path = path_join(w->tree.dir, f->key);
		CLEANUP(buf_release) struct buf bytes = BUF_INIT(32 * MIB);
		if (f->class != REPOSITORY_OBJECT)
			continue;
		assert_ok(file_read_all(path, &bytes, &w->e), &w->e);
		mirror_mem_set(w->store, f->key, bytes.data, bytes.len);
		assert_ok(file_remove(path, &w->e), &w->e);
	}
}

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	char *dir = scratch_new();
	release_make(dir, 1, true, &w->tree);
	w->store = mirror_mem_new();
	w->mirror = mirror_mem_open(w->store, "from");
	move_objects(w);
	w->tree.source = w->mirror;
	w->tree.retry = &retry_once;
	free(dir);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char *dir = mem_strdup(w->tree.dir);
	tree_object_close(&w->object);
	mirror_close(w->mirror);
	mirror_mem_free(w->store);
	tree_release(&w->tree);
	scratch_free(dir);
	free(w);
	return 0;
}

static const struct repository_file *big(const struct world *w)
{
	return tree_find(&w->tree, RELEASE_BIG);
}

static void open_big(struct world *w)
{
	assert_ok(tree_object_open(&w->tree, big(w), &w->object, &w->e), &w->e);
	assert_int_equal(w->object.pieces.grid.count, 2);
}

/* Reads a piece and compares it with the object. */
static void assert_piece(struct world *w, uint32_t piece)
{
	const struct grid *g = &w->object.pieces.grid;
	uint64_t len = grid_length(g, piece);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(len);
	assert_ok(tree_object_read(&w->object, piece, data, &w->e), &w->e);
	assert_memory_equal(data,
			    mirror_mem_object(w->store, RELEASE_BIG)->data + grid_offset(g, piece),
			    len);
}

static int read_piece(struct world *w, uint32_t piece)
{
	CLEANUP(mem_free_ptr) char *data = mem_alloc(grid_length(&w->object.pieces.grid, piece));
	return tree_object_read(&w->object, piece, data, &w->e);
}

static void pieces_are_read_from_the_mirror(void **state)
{
	struct world *w = *state;
	open_big(w);
	assert_piece(w, 1);
	assert_piece(w, 0);
}

static void a_manifest_is_read_once(void **state)
{
	struct world *w = *state;
	open_big(w);
	tree_object_close(&w->object);
	mirror_mem_remove(w->store, RELEASE_BIG ".manifest.json");
	open_big(w);
	assert_piece(w, 0);
}

static void a_damaged_manifest_is_refused_and_not_kept(void **state)
{
	struct world *w = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(w->tree.dir, RELEASE_BIG ".manifest.json");
	mirror_mem_set(w->store, RELEASE_BIG ".manifest.json", "{}", 2);
	assert_int_equal(tree_object_open(&w->tree, big(w), &w->object, &w->e), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "mirror from: " RELEASE_BIG ".manifest.json"));
	assert_false(file_exists(path));
}

static void reading_continues_where_it_failed(void **state)
{
	struct world *w = *state;
	w->tree.retry = &retry_thrice;
	open_big(w);
	mirror_mem_fault(w->store,
			 &(struct mem_fault){
				 .call = MEM_GET, .times = 5, .harm = MEM_CUT, .at = MIB });
	mirror_mem_forget_calls(w->store);
	assert_piece(w, 0);
	const struct str_list *calls = mirror_mem_calls(w->store);
	assert_int_equal(calls->count, 6); /* each moved on, so that it was not the last try */
	assert_string_equal(calls->at[1], "get " RELEASE_BIG " 1048576 7340032");
	assert_string_equal(calls->at[5], "get " RELEASE_BIG " 5242880 3145728");
}

static void a_mirror_that_stays_down_ends_it(void **state)
{
	struct world *w = *state;
	w->tree.retry = &retry_thrice;
	open_big(w);
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET, .times = UINT32_MAX });
	mirror_mem_forget_calls(w->store);
	assert_int_equal(read_piece(w, 0), -ERR_NETWORK);
	assert_int_equal(mirror_mem_calls(w->store)->count, 3);
}

static void a_corrupt_piece_is_named_with_its_mirror(void **state)
{
	struct world *w = *state;
	open_big(w);
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_GET,
							.times = UINT32_MAX,
							.harm = MEM_FLIP,
							.at = 8 * MIB + 1 });
	assert_piece(w, 0);
	assert_int_equal(read_piece(w, 1), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "piece 1 (bytes 8388608 to 8393607)"));
	assert_non_null(strstr(w->e.text, "mirror from: " RELEASE_BIG));
}

static void without_a_manifest_the_pieces_are_computed(void **state)
{
	struct world *w = *state;
	struct repository_file *f = (struct repository_file *)big(w);
	open_big(w);
	struct digest root = w->object.pieces.root;
	tree_object_close(&w->object);
	mem_free_ptr(&f->manifest_key);
	open_big(w);
	assert_true(digest_equal(&root, &w->object.pieces.root));
	tree_object_close(&w->object);
	mirror_mem_fault(w->store,
			 &(struct mem_fault){ .call = MEM_GET, .harm = MEM_FLIP, .at = 5 });
	assert_int_equal(tree_object_open(&w->tree, f, &w->object, &w->e), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "mirror from: " RELEASE_BIG));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(pieces_are_read_from_the_mirror),
		TEST(a_manifest_is_read_once),
		TEST(a_damaged_manifest_is_refused_and_not_kept),
		TEST(reading_continues_where_it_failed),
		TEST(a_mirror_that_stays_down_ends_it),
		TEST(a_corrupt_piece_is_named_with_its_mirror),
		TEST(without_a_manifest_the_pieces_are_computed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
