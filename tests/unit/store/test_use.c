#include "store/use.h"

#include "stocked.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stands in for the C library's: a file system without working locks, or one where everybody
 * gets them. */
static enum { LOCKS, NO_LOCKS, LOCKS_FOR_ALL } locks;
int flock(int fd, int operation)
{
	if (locks == LOCKS_FOR_ALL)
		return 0;
	if (locks == NO_LOCKS) {
		errno = ENOLCK;
		return -1;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static int set_up(void **state)
{
	locks = LOCKS;
	*state = stocked_new();
	return 0;
}

static int tear_down(void **state)
{
	stocked_free(*state);
	return 0;
}

static const char *const texts[] = { "first", "second", NULL };

static enum store_use_state state_of(struct stocked *s, const struct store_variant *v)
{
	CLEANUP(store_use_release) struct store_use_hold claim = { 0 };
	return store_use_claim(&s->store, v, &claim);
}

static void without_a_record_the_last_use_is_the_fetch(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", texts);
	assert_int_equal(store_use_time_s(&s->store, &v), v.fetched_s);
	s->now_s += 1000;
	store_use(&s->store, &v);
	assert_int_equal(store_use_time_s(&s->store, &v), v.fetched_s + 1000);
	/* Once more, over the one that is there. */
	s->now_s += 1000;
	store_use(&s->store, &v);
	assert_int_equal(store_use_time_s(&s->store, &v), v.fetched_s + 2000);
}

static void a_use_of_what_is_gone_or_read_only_writes_nothing(void **state)
{
	struct stocked *s = *state;
	struct err e = ERR_INIT;
	uint64_t freed = 0;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", texts);
	CLEANUP(mem_free_ptr) char *path = path_join(v.dir, STORE_USE_NAME);
	s->store.read_only = true;
	store_use(&s->store, &v);
	assert_false(file_exists(path));
	s->store.read_only = false;
	store_use(&s->store, &v);
	assert_true(file_exists(path));
	assert_ok(store_remove(&s->store, "r", "m", "v", &freed, &e), &e);
	store_use(&s->store, &v);
	assert_false(file_exists(v.dir));
}

static void what_a_process_holds_is_in_use_until_it_ends(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", texts);
	struct err e = ERR_INIT;
	struct store_use_hold h = { 0 };
	int ready[2], end[2];
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	assert_int_equal(state_of(s, &v), STORE_USE_NONE);
	assert_ok(store_use_hold(&s->store, &v.files[1], 1, &h, &e), &e);
	pid_t child = fork();
	if (child == 0) {
		/* Another program, which inherits the lock. */
		dup2(end[0], 0);
		dup2(ready[1], 1);
		close(ready[0]);
		close(end[1]);
		execl("/bin/sh", "sh", "-c", "echo; read x", NULL);
		_exit(1);
	}
	close(ready[1]);
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	store_use_release(&h);
	assert_int_equal(state_of(s, &v), STORE_USE_HELD);
	close(end[1]);
	close(end[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	assert_int_equal(state_of(s, &v), STORE_USE_NONE);
}

static void two_may_hold_it_but_nobody_while_it_is_claimed(void **state)
{
	struct stocked *s = *state;
	/* The same bytes under two names. */
	static const char *const twice[] = { "same", "same", NULL };
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", twice);
	CLEANUP(store_use_release) struct store_use_hold a = { 0 }, b = { 0 }, none = { 0 };
	struct err e = ERR_INIT;
	assert_ok(store_use_hold(&s->store, v.files, v.file_count, &a, &e), &e);
	assert_ok(store_use_hold(&s->store, v.files, v.file_count, &b, &e), &e);
	assert_int_equal(a.count + b.count, 4);
	store_use_release(&a);
	assert_int_equal(state_of(s, &v), STORE_USE_HELD);
	store_use_release(&b);
	assert_int_equal(store_use_claim(&s->store, &v, &a), STORE_USE_NONE);
	assert_ok(store_use_hold(&s->store, v.files, v.file_count, &none, &e), &e);
	assert_int_equal(none.count, 0);
}

static void holding_what_was_removed_is_a_conflict(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", texts);
	CLEANUP(mem_free_ptr) char *blob = stocked_blob(s, "second");
	struct store_use_hold h = { 0 };
	struct err e = ERR_INIT;
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(store_use_hold(&s->store, v.files, v.file_count, &h, &e), -ERR_CONFLICT);
	assert_non_null(strstr(e.text, "1.gguf is not in the store"));
	assert_int_equal(h.count, 0);
}

static void without_locks_the_last_hour_counts(void **state)
{
	struct stocked *s = *state;
	CLEANUP(store_variant_release) struct store_variant v = stocked_add(s, "m", "v", texts);
	for (locks = NO_LOCKS; locks <= LOCKS_FOR_ALL; locks++) {
		struct store_use_hold h = { 0 };
		struct err e = ERR_INIT;
		assert_ok(store_use_hold(&s->store, v.files, v.file_count, &h, &e), &e);
		store_use_release(&h);
		store_use(&s->store, &v);
		assert_int_equal(state_of(s, &v), STORE_USE_MAYBE);
		s->now_s += STORE_USE_GUESS_S;
		assert_int_equal(state_of(s, &v), STORE_USE_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(without_a_record_the_last_use_is_the_fetch),
		TEST(a_use_of_what_is_gone_or_read_only_writes_nothing),
		TEST(what_a_process_holds_is_in_use_until_it_ends),
		TEST(two_may_hold_it_but_nobody_while_it_is_claimed),
		TEST(holding_what_was_removed_is_a_conflict),
		TEST(without_locks_the_last_hour_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
