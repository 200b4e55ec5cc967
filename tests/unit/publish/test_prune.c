#include "publish/prune.h"

#include "release.h"
#include "unit.h"
#include "util/mem.h"

#include <limits.h>

#define OLD \
	"targets/models/m/" \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.old.gguf"

/* A release, and a mirror of objects in memory that has it and an object of old. With metadata of
 * TUF see tests/cli/test_prune.py. */
struct world {
	char *dir;
	struct tree tree;
	struct mirror_mem *store;
	struct mirror *handle;
	struct prune_mirror m;
	struct prune_options o;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	release_make(w->dir, 1, false, &w->tree);
	w->store = mirror_mem_new();
	w->handle = mirror_mem_open(w->store, "a");
	for (size_t i = 0; i < w->tree.files.count; i++) {
		const struct repository_file *f = &w->tree.files.at[i];
		const struct buf *bytes = tree_small(&w->tree, f);
		if (bytes)
			mirror_mem_set(w->store, f->key, buf_str(bytes), bytes->len);
	}
	mirror_mem_set(w->store, OLD, "old", 3);
	w->m = (struct prune_mirror){
		.id = "a",
		.mirror = w->handle,
		.holds = MIRROR_HOLDS_OBJECTS,
		.chosen = true,
	};
	w->o = (struct prune_options){
		.time = { .now_s = 1900000000, .grace_s = 0 },
		.threads = 1,
		.retry = &retry_once,
	};
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	prune_mirror_release(&w->m);
	mirror_close(w->handle);
	mirror_mem_free(w->store);
	tree_release(&w->tree);
	scratch_free(w->dir);
	free(w);
	return 0;
}

static int prune(struct world *w)
{
	return prune_run(&w->tree, &w->m, 1, &w->o, &w->e);
}

static void set_age(struct world *w, int64_t modified_s)
{
	mirror_mem_set_modified(w->store, OLD, modified_s);
}

static void what_no_release_names_is_removed(void **state)
{
	struct world *w = *state;
	set_age(w, 1800000000);
	assert_ok(prune(w), &w->e);
	assert_int_equal(w->m.removed, 1);
	assert_int_equal(w->m.removed_bytes, 3);
	assert_null(mirror_mem_object(w->store, OLD));
	for (size_t i = 0; i < w->tree.files.count; i++)
		if (tree_small(&w->tree, &w->tree.files.at[i]))
			assert_non_null(mirror_mem_object(w->store, w->tree.files.at[i].key));
}

static void what_has_no_age_or_comes_from_the_future_stays(void **state)
{
	struct world *w = *state;
	set_age(w, 0);
	assert_ok(prune(w), &w->e);
	set_age(w, 1900000001);
	assert_ok(prune(w), &w->e);
	assert_int_equal(w->m.count, 0);
	assert_non_null(mirror_mem_object(w->store, OLD));
}

static void it_must_be_as_old_as_the_grace_time(void **state)
{
	struct world *w = *state;
	w->o.time.grace_s = 1000;
	set_age(w, 1900000000 - 999);
	assert_ok(prune(w), &w->e);
	assert_non_null(mirror_mem_object(w->store, OLD));
	set_age(w, 1900000000 - 1000);
	assert_ok(prune(w), &w->e);
	assert_null(mirror_mem_object(w->store, OLD));
}

static void a_mirror_that_does_not_show_the_release_is_not_pruned(void **state)
{
	struct world *w = *state;
	set_age(w, 1800000000);
	w->m.holds = MIRROR_HOLDS_ALL;
	mirror_mem_remove(w->store, "metadata/timestamp.json");
	assert_int_equal(prune(w), -ERR_CONFLICT);
	assert_int_equal(w->m.removed, 0);
	assert_non_null(mirror_mem_object(w->store, OLD));
	err_clear(&w->e);
	err_clear(&w->m.error);
	w->o.dry_run = true; /* the push comes afterwards */
	assert_ok(prune(w), &w->e);
	assert_int_equal(w->m.count, 1);
	assert_non_null(mirror_mem_object(w->store, OLD));
}

static void a_mirror_that_cannot_be_listed_or_read_loses_nothing(void **state)
{
	static const enum mem_call calls[] = { MEM_LIST, MEM_GET };
	struct world *w = *state;
	set_age(w, 1800000000);
	w->m.holds = MIRROR_HOLDS_ALL;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		err_clear(&w->e);
		mirror_mem_fault(w->store,
				 &(struct mem_fault){ .call = calls[i], .times = UINT_MAX });
		assert_int_equal(prune(w), -ERR_NETWORK);
		assert_non_null(mirror_mem_object(w->store, OLD));
		mirror_mem_mend(w->store);
	}
}

static void a_call_that_fails_once_is_tried_again(void **state)
{
	struct world *w = *state;
	set_age(w, 1800000000);
	w->o.retry = &retry_thrice;
	static const enum mem_call calls[] = { MEM_LIST, MEM_REMOVE };
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		mirror_mem_fault(w->store, &(struct mem_fault){ .call = calls[i], .times = 1 });
	assert_ok(prune(w), &w->e);
	assert_null(mirror_mem_object(w->store, OLD));
}

static void an_object_that_cannot_be_removed_is_an_error(void **state)
{
	struct world *w = *state;
	set_age(w, 1800000000);
	mirror_mem_fault(w->store, &(struct mem_fault){ .call = MEM_REMOVE,
							.times = UINT_MAX,
							.class = ERR_AUTH });
	assert_int_equal(prune(w), -ERR_AUTH);
	assert_int_equal(w->m.count, 1);
	assert_int_equal(w->m.removed, 0);
}

static void what_was_not_chosen_is_only_read(void **state)
{
	struct world *w = *state;
	set_age(w, 1800000000);
	w->m.chosen = false;
	assert_ok(prune(w), &w->e);
	assert_non_null(mirror_mem_object(w->store, OLD));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_no_release_names_is_removed),
		TEST(what_has_no_age_or_comes_from_the_future_stays),
		TEST(it_must_be_as_old_as_the_grace_time),
		TEST(a_mirror_that_does_not_show_the_release_is_not_pruned),
		TEST(a_mirror_that_cannot_be_listed_or_read_loses_nothing),
		TEST(a_call_that_fails_once_is_tried_again),
		TEST(an_object_that_cannot_be_removed_is_an_error),
		TEST(what_was_not_chosen_is_only_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
