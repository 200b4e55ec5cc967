#include "publish/preflight.h"

#include "publish/speed.h"
#include "release.h"
#include "unit.h"
#include "util/mem.h"

#define EXPIRES 1893456000 /* of the releases: 2030-01-01T00:00:00Z */

/* A release of 8 files and a mirror in memory. */
struct world {
	char *dir;
	struct tree tree;
	struct mirror_mem *store;
	struct mirror *handle;
	struct push_mirror m;
	struct preflight checks;
	struct push_options o;
	struct push_result result;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = NEW(struct world);
	w->dir = scratch_new();
	release_make(w->dir, 1, true, &w->tree);
	w->store = mirror_mem_new();
	w->handle = mirror_mem_open(w->store, "a");
	w->checks.now_s = EXPIRES - 1000000;
	w->o = (struct push_options){
		.threads = 1,
		.retry = &retry_once,
		.record_dir = w->dir,
		.preflight = &w->checks,
	};
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	preflight_release(&w->checks);
	push_mirror_release(&w->m);
	mirror_close(w->handle);
	mirror_mem_free(w->store);
	tree_release(&w->tree);
	scratch_free(w->dir);
	free(w);
	return 0;
}

static int push(struct world *w)
{
	push_mirror_release(&w->m);
	err_clear(&w->e);
	w->m = (struct push_mirror){ .id = "a", .mirror = w->handle };
	return push_run(&w->tree, &w->m, 1, &w->o, &w->result, &w->e);
}

static size_t faults(const struct mirror_findings *f, const char *what)
{
	size_t n = 0;
	for (size_t i = 0; i < f->count; i++)
		n += f->at[i].class && strcmp(f->at[i].what, what) == 0;
	return n;
}

static void every_object_over_the_limit_is_named(void **state)
{
	struct world *w = *state;
	w->handle->max_object = 5;
	assert_int_equal(push(w), -ERR_USAGE);
	size_t large = 0;
	for (size_t i = 0; i < w->tree.files.count; i++)
		large += w->tree.files.at[i].size > 5;
	assert_true(large > 3);
	assert_int_equal(faults(&w->checks.mirrors[0].findings, "object size"), large);
	assert_int_equal(w->m.outcome, PUSH_FAILED);
	assert_int_equal(w->m.puts, 0);
	assert_non_null(strstr(w->e.text, "nothing was written"));
}

static void what_a_mirror_has_needs_no_room(void **state)
{
	struct world *w = *state;
	assert_ok(push(w), &w->e);
	assert_true(w->checks.mirrors[0].need.write);
	assert_int_equal(w->checks.mirrors[0].need.largest, tree_find(&w->tree, RELEASE_BIG)->size);
	assert_ok(push(w), &w->e);
	assert_false(w->checks.mirrors[0].need.write);
	assert_int_equal(w->checks.mirrors[0].need.bytes, 0);
}

static void an_expired_release_is_not_written(void **state)
{
	struct world *w = *state;
	w->checks.now_s = EXPIRES;
	assert_int_equal(push(w), -ERR_INTEGRITY);
	assert_int_equal(w->m.outcome, PUSH_NOT_STARTED);
	assert_null(mirror_mem_object(w->store, RELEASE_BIG));
}

static void an_expired_release_is_told_even_when_all_is_there(void **state)
{
	struct world *w = *state;
	assert_ok(push(w), &w->e);
	w->checks.now_s = EXPIRES;
	assert_int_equal(push(w), -ERR_INTEGRITY);
	assert_int_equal(w->m.outcome, PUSH_UP_TO_DATE);
}

static void a_push_leaves_its_speed_for_the_next_estimate(void **state)
{
	struct world *w = *state;
	speed_note(w->dir, "a", 32 * MIB, 2000);
	assert_int_equal(speed_read(w->dir, "a"), 16 * MIB);
	speed_note(w->dir, "a", MIB, 1); /* too few bytes */
	assert_int_equal(speed_read(w->dir, "a"), 16 * MIB);
	speed_note(w->dir, "a", 32 * MIB, 0);
	assert_true(speed_read(w->dir, "a") > 16 * MIB);
	assert_int_equal(speed_read(w->dir, "b"), 0);
	assert_int_equal(speed_read(NULL, "a"), 0);
	scratch_write(w->dir, ".ferry/speed/a", "fast\n", 5);
	assert_int_equal(speed_read(w->dir, "a"), 0);
}

static void the_slowest_mirror_decides_whether_the_release_expires_before(void **state)
{
	struct world *w = *state;
	w->checks.now_s = EXPIRES - 60;
	scratch_write(w->dir, ".ferry/speed/a", "1000\n", 5);
	assert_int_equal(push(w), -ERR_INTEGRITY);
	assert_non_null(strstr(w->e.text, "the push is likely to take"));
	scratch_write(w->dir, ".ferry/speed/a", "100000000\n", 10);
	assert_ok(push(w), &w->e);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_object_over_the_limit_is_named),
		TEST(what_a_mirror_has_needs_no_room),
		TEST(an_expired_release_is_not_written),
		TEST(an_expired_release_is_told_even_when_all_is_there),
		TEST(a_push_leaves_its_speed_for_the_next_estimate),
		TEST(the_slowest_mirror_decides_whether_the_release_expires_before),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
