/*
 * The trust folder: what is damaged, missing, or no file in it; two processes at once; what
 * an interruption leaves.
 */
#include "tuf_sim.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int set_up(void **state)
{
	*state = sim_new();
	return 0;
}

static int tear_down(void **state)
{
	sim_free(*state);
	return 0;
}

static int load_offline(struct sim *s, struct tuf_client **out, const char **expired, struct err *e)
{
	struct err opened = ERR_INIT;
	assert_ok(sim_open(s, out, &opened), &opened);
	return tuf_client_load_offline(*out, expired, e);
}

/* While the pinned root's keys still vouch for the stored root, a lost pin is noted again. */
static void init_notes_a_lost_pin_again(void **state)
{
	struct sim *s = *state;
	struct digest pinned, lost;
	struct err e = ERR_INIT;
	const struct sim_file *root = sim_file(s, "1.root.json");
	assert_true(tuf_client_pinned(s->trust, &pinned));
	scratch_write(s->trust, "pinned", "x", 1);
	assert_false(tuf_client_pinned(s->trust, &lost));
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	assert_true(tuf_client_pinned(s->trust, &lost));
	assert_true(digest_equal(&pinned, &lost));
	/* Another that is vouched for does not take the place of one that is known. */
	sim_update_root(s);
	sim_refreshed(s);
	root = sim_file(s, "2.root.json");
	assert_ok(tuf_client_init(s->trust, root->data, root->len, &e), &e);
	assert_true(tuf_client_pinned(s->trust, &lost));
	assert_true(digest_equal(&pinned, &lost));
}

/* What is missing can be fetched; what is damaged is a matter of trust until it was. */
static void offline_tells_missing_from_damaged(void **state)
{
	struct sim *s = *state;
	static const char *const roles[] = { "timestamp", "snapshot", "targets" };
	struct tuf_client *c;
	const char *expired;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		CLEANUP(mem_free_ptr) char *name = mem_printf("%s.json", roles[i]);
		CLEANUP(mem_free_ptr) char *path = path_join(s->trust, name);
		struct err e = ERR_INIT;
		sim_refreshed(s);
		scratch_write(s->trust, name, "{}", 2);
		assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_INTEGRITY);
		assert_non_null(strstr(e.text, path));
		tuf_client_close(c);
		assert_int_equal(unlink(path), 0);
		err_clear(&e);
		assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_NOT_FOUND);
		assert_non_null(strstr(e.text, path));
		tuf_client_close(c);
	}
}

/* A pipe that nobody writes to must not hang anybody; a refresh puts a file there. */
static void what_is_no_file_counts_as_damaged(void **state)
{
	struct sim *s = *state;
	static const char *const roles[] = { "timestamp", "snapshot", "targets" };
	struct tuf_client *c;
	const char *expired;
	sim_refreshed(s);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s.json", s->trust, roles[i]);
		struct err e = ERR_INIT;
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_int_equal(load_offline(s, &c, &expired, &e), -ERR_INTEGRITY);
		assert_non_null(strstr(e.text, "is not a file"));
		tuf_client_close(c);
		sim_refreshed(s);
		assert_int_equal(sim_trusted(s, roles[i]), 1);
	}
	CLEANUP(mem_free_ptr) char *root = path_join(s->trust, "root.json");
	struct err e = ERR_INIT;
	assert_int_equal(unlink(root), 0);
	assert_int_equal(mkfifo(root, 0600), 0);
	assert_int_equal(sim_open(s, &c, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "is not a file"));
	assert_non_null(strstr(e.hint, "is damaged"));
}

static void a_folder_in_the_place_of_a_file_says_what_to_do(void **state)
{
	struct sim *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->trust, "snapshot.json");
	struct err e = ERR_INIT;
	sim_refreshed(s);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(sim_refresh(s, &e), -ERR_SYSTEM);
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.hint, "remove that folder"));
	assert_int_equal(rmdir(path), 0);
	sim_refreshed(s);
}

/* What a new root takes away is gone before the root is there: whatever comes between, the
 * old keys' word is never beside the new root. */
static void the_new_root_is_stored_last(void **state)
{
	struct sim *s = *state;
	static const char *const roles[] = { "timestamp", "snapshot" };
	const int keys[] = { SIM_SPARE, SIM_SPARE + 1 };
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		CLEANUP(mem_free_ptr) char *path = mem_printf("%s/%s.json", s->trust, roles[i]);
		struct err e = ERR_INIT;
		sim_refreshed(s);
		sim_role_keys(s, roles[i], &keys[i], 1, 1);
		sim_update_root(s);
		/* It cannot be removed. */
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(sim_refresh(s, &e), -ERR_SYSTEM);
		assert_int_equal(sim_trusted(s, "root"), 1 + i);
		assert_int_equal(rmdir(path), 0);
		sim_update_snapshot(s);
		sim_refreshed(s);
		assert_int_equal(sim_trusted(s, "root"), 2 + i);
	}
}

/* Each request finds the lock free. With the timestamp, another process is faster: it stores a
 * newer version before this one has fetched its own. */
static int get_while_another_stores(void *ctx, const char *name, struct buf *out, struct err *e)
{
	struct sim *s = ctx;
	struct tuf_transport plain = sim_transport(s);
	CLEANUP(mem_free_ptr) char *path = path_join(s->trust, "lock");
	CLEANUP(file_close) int lock = -1;
	struct err why = ERR_INIT;
	assert_ok(file_lock(path, 0, NULL, &lock, &why), &why);
	file_close(&lock);
	int rc = plain.get(plain.ctx, name, out, e);
	if (strcmp(name, "timestamp.json") == 0 && sim_version(s, "timestamp") == 1) {
		sim_update(s, "targets");
		sim_refreshed(s);
	}
	return rc;
}

static void a_slow_refresh_holds_nobody_up_and_replaces_nothing_newer(void **state)
{
	struct sim *s = *state;
	struct tuf_transport slow = { .get = get_while_another_stores, .ctx = s };
	struct tuf_client *c;
	struct err e = ERR_INIT;
	assert_ok(tuf_client_open(s->trust, &slow, NULL, s->now_s, &c, &e), &e);
	assert_ok(tuf_client_refresh(c, &e), &e);
	tuf_client_close(c);
	assert_int_equal(sim_trusted(s, "timestamp"), 2);
	assert_int_equal(sim_trusted(s, "snapshot"), 2);
	assert_int_equal(sim_trusted(s, "targets"), 2);
}

/* A refresh writes nothing while another process writes in the same folder. */
static void one_process_writes_at_a_time(void **state)
{
	struct sim *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->trust, "lock");
	CLEANUP(file_close) int lock = -1;
	struct err e = ERR_INIT;
	int ready[2], status;
	char byte;
	assert_ok(file_lock(path, 0, NULL, &lock, &e), &e);
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		/* The lock of the parent is not this process's. */
		struct err why = ERR_INIT;
		file_close(&lock);
		close(ready[0]);
		if (write(ready[1], "b", 1) != 1)
			_exit(2);
		int rc = sim_refresh(s, &why);
		if (write(ready[1], "e", 1) != 1)
			_exit(2);
		_exit(rc == 0 ? 0 : 1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(fcntl(ready[0], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(read(ready[0], &byte, 1), -1);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	assert_int_equal(sim_trusted(s, "timestamp"), 0);
	file_close(&lock);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(sim_trusted(s, "timestamp"), 1);
	close(ready[0]);
}

static void leftovers_are_removed_when_they_are_old(void **state)
{
	struct sim *s = *state;
	static const char old[] = ".timestamp.json.aB3dE5.tmp", new[] = ".root.json.Zz9yX8.tmp";
	CLEANUP(mem_free_ptr) char *old_path = path_join(s->trust, old);
	CLEANUP(mem_free_ptr) char *new_path = path_join(s->trust, new);
	const struct timespec times[2] = { { .tv_sec = time(NULL) - 7200 },
					   { .tv_sec = time(NULL) - 7200 } };
	assert_true(file_is_temporary(old));
	scratch_write(s->trust, old, "x", 1);
	scratch_write(s->trust, new, "x", 1);
	assert_int_equal(utimensat(AT_FDCWD, old_path, times, 0), 0);
	sim_refreshed(s);
	assert_false(file_exists(old_path));
	/* Somebody may be writing it. */
	assert_true(file_exists(new_path));
}

static void a_name_that_no_file_can_have_is_refused(void **state)
{
	struct sim *s = *state;
	struct tuf_target t;
	char name[300];
	struct err e = ERR_INIT;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	sim_delegate(s, "targets", name, "*", SIM_SPARE, false);
	sim_update(s, "targets");
	assert_int_equal(sim_find(s, "file", &t, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "name is too long"));
	/* It was not asked for. */
	assert_null(strstr(sim_requests(s), "xxx"));
}

static void a_pinned_root_has_the_ceiling_of_others(void **state)
{
	struct sim *s = *state;
	CLEANUP(mem_free_ptr) char *fresh = path_join(s->dir, "fresh");
	const struct sim_file *root = sim_file(s, "1.root.json");
	const size_t max = tuf_limits_default.root;
	CLEANUP(mem_free_ptr) char *text = mem_alloc(max + 1);
	struct err e = ERR_INIT;
	memset(text, ' ', max + 1);
	memcpy(text, root->data, root->len);
	assert_int_equal(tuf_client_init(fresh, text, max + 1, &e), -ERR_INTEGRITY);
	assert_non_null(strstr(e.text, "larger than 512000 bytes"));
	assert_false(file_exists(fresh));
	err_clear(&e);
	assert_ok(tuf_client_init(fresh, text, max, &e), &e);
	assert_true(tuf_client_is_initialised(fresh));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(init_notes_a_lost_pin_again),
		TEST(offline_tells_missing_from_damaged),
		TEST(what_is_no_file_counts_as_damaged),
		TEST(a_folder_in_the_place_of_a_file_says_what_to_do),
		TEST(the_new_root_is_stored_last),
		TEST(a_slow_refresh_holds_nobody_up_and_replaces_nothing_newer),
		TEST(one_process_writes_at_a_time),
		TEST(leftovers_are_removed_when_they_are_old),
		TEST(a_pinned_root_has_the_ceiling_of_others),
		TEST(a_name_that_no_file_can_have_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
