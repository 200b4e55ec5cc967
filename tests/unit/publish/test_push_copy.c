/* Pieces that a mirror copies instead of receiving them. */
#include "publish/push.h"

#include "release.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <limits.h>

/* The objects of a release are on the mirror `from`; it is pushed to the mirror `to`. */
struct world {
	struct tree tree;
	struct mirror_mem *from_store, *to_store;
	struct mirror *from;
	struct push_mirror to;
	struct push_options o;
	struct push_result result;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	char *dir = scratch_new();
	release_make(dir, 1, true, &w->tree);
	free(dir);
	w->from_store = mirror_mem_new();
	w->to_store = mirror_mem_new();
	w->from = mirror_mem_open(w->from_store, "from");
	w->to = (struct push_mirror){ .id = "to", .mirror = mirror_mem_open(w->to_store, "to") };
	for (size_t i = 0; i < w->tree.files.count; i++) {
		const struct repository_file *f = &w->tree.files.at[i];
		CLEANUP(mem_free_ptr) char *path = path_join(w->tree.dir, f->key);
		CLEANUP(buf_release) struct buf bytes = BUF_INIT(32 * MIB);
		assert_ok(file_read_all(path, &bytes, &w->e), &w->e);
		mirror_mem_set(w->from_store, f->key, bytes.data, bytes.len);
		if (f->class == REPOSITORY_OBJECT)
			assert_ok(file_remove(path, &w->e), &w->e);
	}
	w->tree.source = w->from;
	w->tree.retry = &retry_once;
	w->o = (struct push_options){ .threads = 1, .retry = &retry_thrice };
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char *dir = mem_strdup(w->tree.dir);
	push_mirror_release(&w->to);
	mirror_close(w->to.mirror);
	mirror_close(w->from);
	mirror_mem_free(w->to_store);
	mirror_mem_free(w->from_store);
	tree_release(&w->tree);
	scratch_free(dir);
	free(w);
	return 0;
}

static int push(struct world *w)
{
	push_mirror_release(&w->to);
	w->to = (struct push_mirror){ .id = "to", .mirror = w->to.mirror };
	err_clear(&w->e);
	return push_run(&w->tree, &w->to, 1, &w->o, &w->result, &w->e);
}

static size_t calls(const struct mirror_mem *s, const char *prefix)
{
	const struct str_list *all = mirror_mem_calls(s);
	size_t n = 0;
	for (size_t i = 0; i < all->count; i++)
		n += str_starts(all->at[i], prefix);
	return n;
}

static void assert_whole(const struct world *w)
{
	unsigned version;
	assert_int_equal(release_view(w->to_store, &version), VIEW_WHOLE);
}

static void damage(struct world *w, uint64_t at)
{
	const struct buf *b = mirror_mem_object(w->from_store, RELEASE_BIG);
	b->data[at] ^= 1;
}

static void objects_are_copied_and_not_read(void **state)
{
	struct world *w = *state;
	assert_ok(push(w), &w->e);
	assert_whole(w);
	assert_int_equal(calls(w->from_store, "get " RELEASE_BIG " "), 0);
	assert_int_equal(calls(w->to_store, "copy-piece " RELEASE_BIG " "), 2);
	assert_int_equal(w->result.source_bytes, 0);
	assert_true(w->to.copied_bytes > 8 * MIB);
}

static void a_mirror_that_cannot_copy_is_sent_the_bytes(void **state)
{
	struct world *w = *state;
	struct mirror_ops other = *w->to.mirror->ops;
	w->from->ops = &other; /* another kind */
	assert_ok(push(w), &w->e);
	assert_whole(w);
	assert_int_equal(w->to.copied_bytes, 0);
	assert_true(w->result.source_bytes > 8 * MIB);
	w->from->ops = w->to.mirror->ops;
}

static void a_copy_that_fails_is_tried_again(void **state)
{
	struct world *w = *state;
	mirror_mem_fault(w->to_store, &(struct mem_fault){ .call = MEM_COPY_PIECE, .times = 2 });
	assert_ok(push(w), &w->e);
	assert_whole(w);
	assert_int_equal(w->to.retries, 2);
	assert_int_equal(w->result.source_bytes, 0);
}

static void a_copy_that_is_refused_is_sent(void **state)
{
	struct world *w = *state;
	mirror_mem_fault(w->to_store, &(struct mem_fault){ .call = MEM_COPY_PIECE,
							   .key = RELEASE_BIG,
							   .times = UINT_MAX,
							   .class = ERR_AUTH });
	assert_ok(push(w), &w->e);
	assert_whole(w);
	/* The second piece was not even tried, unless another thread already did. */
	assert_in_range(calls(w->to_store, "copy-piece " RELEASE_BIG " "), 1, 2);
	assert_int_equal(w->result.source_bytes, 8 * MIB + 5000);
}

static void what_cannot_be_compared_is_read_and_then_copied(void **state)
{
	struct world *w = *state;
	mirror_mem_fault(w->to_store, &(struct mem_fault){ .call = MEM_COPY_PIECE,
							   .key = RELEASE_BIG,
							   .class = ERR_USAGE });
	assert_ok(push(w), &w->e);
	assert_whole(w);
	assert_true(w->to.copied_bytes > 8 * MIB);
	assert_in_range(w->result.source_bytes, 5000, 8 * MIB + 5000);
}

static void a_corrupt_piece_of_the_source_is_named(void **state)
{
	struct world *w = *state;
	damage(w, 8 * MIB + 7);
	assert_int_equal(push(w), -ERR_INTEGRITY);
	assert_null(mirror_mem_object(w->to_store, RELEASE_BIG));
	assert_non_null(strstr(w->e.text, "mirror from: " RELEASE_BIG));
	assert_non_null(strstr(w->e.text, "piece 1 (bytes 8388608 to 8393607)"));
	damage(w, 8 * MIB + 7); /* mended */
	assert_ok(push(w), &w->e);
	assert_whole(w);
}

static void one_damaged_object_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	struct mirror_ops other = *w->to.mirror->ops;
	size_t failed = 0;
	w->from->ops = &other;
	damage(w, 3); /* the first object of the tree */
	assert_int_equal(push(w), -ERR_INTEGRITY);
	for (size_t i = 0; i < w->to.plan.count; i++) {
		const struct push_step *s = &w->to.plan.steps[i];
		bool is_object = s->file->class == REPOSITORY_OBJECT;
		bool is_bad = strcmp(s->file->key, RELEASE_BIG) == 0;
		failed += s->error != NULL;
		assert_true(s->done == (is_object && !is_bad));
		if (is_bad)
			assert_non_null(strstr(s->error, "piece 0"));
	}
	assert_int_equal(failed, 1);
	assert_null(mirror_mem_object(w->to_store, RELEASE_BIG));
	assert_null(mirror_mem_object(w->to_store, "metadata/timestamp.json"));
	w->from->ops = w->to.mirror->ops;
}

static void an_object_that_is_missing_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	mirror_mem_remove(w->from_store, RELEASE_BIG);
	assert_int_equal(push(w), -ERR_NOT_FOUND);
	assert_non_null(mirror_mem_object(w->to_store, "targets/models/m/1.gguf"));
	assert_null(mirror_mem_object(w->to_store, "metadata/timestamp.json"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(objects_are_copied_and_not_read),
		TEST(a_mirror_that_cannot_copy_is_sent_the_bytes),
		TEST(a_copy_that_fails_is_tried_again),
		TEST(a_copy_that_is_refused_is_sent),
		TEST(what_cannot_be_compared_is_read_and_then_copied),
		TEST(a_corrupt_piece_of_the_source_is_named),
		TEST(one_damaged_object_does_not_stop_the_others),
		TEST(an_object_that_is_missing_does_not_stop_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
