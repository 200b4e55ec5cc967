#include "mirror/kinds.h"

#include "mirror_conf.h"
#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (17 * MIB + 1)
#define KEY "targets/models/m/a.gguf"

/* A mirror in a scratch folder, and a body of three pieces to put there. */
struct fixture {
	char *dir, *folder;
	struct mirror *m;
	struct err e;
	uint8_t *data;
	struct digest pieces[3];
	struct mirror_put body;
	uint64_t asked;  /* bytes that were handed over */
	uint32_t die_at; /* the process is killed before this piece is put; 0: not */
};

/* An upload of the body, from begin to end. */
static int put(struct fixture *f)
{
	CLEANUP_PTR(mirror_upload_close) struct mirror_upload *u = NULL;
	int rc = mirror_upload_open(f->m, KEY, &f->body, &u, &f->e);
	for (uint32_t i = 0; rc == 0 && i < 3; i++) {
		if (mirror_upload_has(u, i))
			continue;
		if (f->die_at == i && i)
			raise(SIGKILL);
		rc = mirror_upload_put(u, i, f->data + grid_offset(&f->body.grid, i), &f->e);
		f->asked += grid_length(&f->body.grid, i);
	}
	return rc < 0 ? rc : mirror_upload_commit(u, NULL, &f->e);
}

static void open_mirror(struct fixture *f)
{
	CLEANUP(mem_free_ptr) char *text = mem_printf("[mirror.disk]\nkind=file\npath=%s\n",
						      f->folder);
	f->m = mirror_conf_open(text);
}

static int setup(void **state)
{
	struct fixture *f = NEW(struct fixture);
	f->dir = scratch_new();
	f->folder = path_join(f->dir, "mirror");
	f->data = mem_alloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		f->data[i] = (uint8_t)(i * 2654435761u >> 24);
	f->body = (struct mirror_put){ .pieces = f->pieces };
	assert_ok(grid_for(SIZE, &f->body.grid, &f->e), &f->e);
	sha256_of(f->data, SIZE, &f->body.sha256);
	for (uint32_t i = 0; i < 3; i++)
		sha256_of(f->data + grid_offset(&f->body.grid, i), grid_length(&f->body.grid, i),
			  &f->pieces[i]);
	open_mirror(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	mirror_close(f->m);
	scratch_free(f->dir);
	free(f->folder);
	free(f->data);
	free(f);
	return 0;
}

static char *in_mirror(const struct fixture *f, const char *key)
{
	return path_join(f->folder, key);
}

static char *part_path(const struct fixture *f)
{
	char hex[DIGEST_HEX];
	return mem_printf("%s/.ferry/partial/%s.part", f->folder, digest_hex(hex, &f->body.sha256));
}

static void assert_stored(struct fixture *f)
{
	CLEANUP(mem_free_ptr) char *path = in_mirror(f, KEY);
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	struct digest got;
	uint64_t size;
	assert_ok(sha256_of_file(path, NULL, &got, &size, &f->e), &f->e);
	assert_true(digest_equal(&got, &f->body.sha256));
	assert_false(file_exists(part));
}

/* put() in a process that is killed before it puts a piece. */
static void put_and_die(struct fixture *f, uint32_t piece)
{
	pid_t child = fork();
	int status;
	if (child == 0) {
		f->die_at = piece;
		_exit(put(f) < 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_killed_put_goes_on_by_pieces(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *path = in_mirror(f, KEY);
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	put_and_die(f, 1);
	assert_false(file_exists(path));
	assert_true(file_exists(part));
	assert_ok(put(f), &f->e);
	/* The piece in flight is written again, the one before it is not. */
	assert_int_equal(f->asked, SIZE - 8 * MIB);
	assert_stored(f);
}

static void a_damaged_partial_is_mended(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	put_and_die(f, 2);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 5 * MIB), 1); /* in the first piece */
	assert_int_equal(ftruncate(fd, SIZE + 100), 0);   /* and too long */
	assert_ok(put(f), &f->e);
	assert_int_equal(f->asked, 8 * MIB + grid_length(&f->body.grid, 2));
	assert_stored(f);
}

static void a_complete_partial_costs_no_read(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	assert_ok(file_mkdirs_for(part, 0755, &f->e), &f->e);
	assert_ok(file_write_atomic(part, f->data, SIZE, 0644, &f->e), &f->e);
	assert_ok(put(f), &f->e);
	assert_int_equal(f->asked, 0);
	assert_stored(f);
}

static void two_at_once_do_not_meet(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	put_and_die(f, 1);
	CLEANUP(file_close) int fd = open(part, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(put(f), -ERR_CONFLICT);
	assert_non_null(strstr(f->e.text, "is being written by another process"));
	assert_true(file_exists(part));
}

static int count_left(void *ctx, const struct mirror_leftover *left, struct err *e)
{
	(void)e;
	assert_int_equal(left->bytes, 8 * MIB);
	return ++*(int *)ctx > 1 ? -ERR_BUG : 0;
}

static void a_partial_that_is_written_to_is_not_removed(void **state)
{
	struct fixture *f = *state;
	char hex[DIGEST_HEX];
	CLEANUP(mem_free_ptr) char *id = mem_printf("%s.part", digest_hex(hex, &f->body.sha256));
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	const struct mirror_leftover left = { .key = "", .id = id };
	int count = 0;
	put_and_die(f, 1);
	int fd = open(part, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_ok(mirror_leftovers(f->m, count_left, &count, &f->e), &f->e);
	assert_int_equal(count, 1);
	assert_int_equal(mirror_leftover_remove(f->m, &left, &f->e), -ERR_CONFLICT);
	assert_true(file_exists(part));
	close(fd);
	err_clear(&f->e);
	assert_ok(mirror_leftover_remove(f->m, &left, &f->e), &f->e);
	assert_false(file_exists(part));
}

static void only_partials_are_removed_as_leftovers(void **state)
{
	static const char *const names[] = { "../lock", "x", "../../targets/a.part", "" };
	struct fixture *f = *state;
	scratch_write(f->folder, ".ferry/partial/x", "x", 1);
	scratch_write(f->folder, "targets/a.part", "x", 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct mirror_leftover left = { .key = "", .id = names[i] };
		err_clear(&f->e);
		assert_int_equal(mirror_leftover_remove(f->m, &left, &f->e), -ERR_USAGE);
	}
	CLEANUP(mem_free_ptr) char *path = in_mirror(f, "targets/a.part");
	assert_true(file_exists(path));
}

/* A file with two names is complete: a fall-back for file systems without an exclusive
 * rename makes such a pair, and a kill may leave it. */
static void a_partial_that_has_its_name_already_is_not_touched(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *part = part_path(f);
	CLEANUP(mem_free_ptr) char *other = in_mirror(f, "targets/other");
	assert_ok(mirror_put_small(f->m, "targets/other", "precious", 8, NULL, NULL, &f->e), &f->e);
	assert_int_equal(link(other, part), 0);
	assert_ok(put(f), &f->e);
	assert_stored(f);
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	assert_ok(mirror_get_small(f->m, "targets/other", 0, &text, &f->e), &f->e);
	assert_string_equal(buf_str(&text), "precious");
}

static void a_full_disk_loses_nothing(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { 9 * MIB, 9 * MIB };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		int rc = put(f);
		_exit(rc == -ERR_SYSTEM && strstr(f->e.text, KEY) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(put(f), &f->e);
	assert_int_equal(f->asked, SIZE - 8 * MIB);
	assert_stored(f);
}

/* Two processes put different bytes under one key at once; how many of them succeeded. */
static int race(struct fixture *f, const struct mirror_put *how)
{
	int won = 0;
	pid_t children[2];
	for (int i = 0; i < 2; i++)
		if ((children[i] = fork()) == 0) {
			int rc = mirror_put_small(f->m, "race", i ? "a" : "b", 1, how, NULL, &f->e);
			_exit(rc == 0 ? 0 : rc == -ERR_CONFLICT ? 1 : 2);
		}
	for (int i = 0; i < 2; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status) == 0;
	}
	return won;
}

static void one_of_two_publishers_wins(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 20; round++) {
		struct mirror_stat st;
		assert_int_equal(race(f, &(struct mirror_put){ .only_if_absent = true }), 1);
		assert_ok(mirror_stat_key(f->m, "race", &st, &f->e), &f->e);
		assert_int_equal(race(f, &(struct mirror_put){ .only_if_etag = st.etag }), 1);
		assert_ok(mirror_remove(f->m, "race", &f->e), &f->e);
	}
}

/* -- links ----------------------------------------------------------------------- */

static int ignore(void *ctx, const void *data, size_t len, struct err *e)
{
	(void)ctx, (void)data, (void)len, (void)e;
	return 0;
}

static int nothing_listed(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	(void)ctx;
	return err_set(e, ERR_FAULT, "listed %s", entry->key);
}

static void assert_behind_link(struct fixture *f, int rc)
{
	if (rc != -ERR_INTEGRITY || !strstr(f->e.text, "symbolic link"))
		fail_msg("%d: %s", rc, f->e.text);
	err_clear(&f->e);
}

static void links_do_not_lead_out(void **state)
{
	struct fixture *f = *state;
	struct mirror_sink sink = { .write = ignore };
	CLEANUP(mem_free_ptr) char *outside = path_join(f->dir, "outside");
	CLEANUP(mem_free_ptr) char *folder_link = in_mirror(f, "targets");
	CLEANUP(mem_free_ptr) char *file_link = in_mirror(f, "link");
	scratch_write(f->dir, "outside/secret", "secret", 6);
	assert_ok(file_mkdirs(f->folder, 0755, &f->e), &f->e);
	assert_int_equal(symlink(outside, folder_link), 0);
	assert_int_equal(symlink("../outside/secret", file_link), 0);

	assert_behind_link(f, mirror_stat_key(f->m, "targets/secret", NULL, &f->e));
	assert_behind_link(f, mirror_get(f->m,
					 &(struct mirror_range){ .key = "targets/secret",
								 .offset = 0,
								 .length = UINT64_MAX },
					 &sink, &f->e));
	assert_behind_link(f, mirror_get(f->m,
					 &(struct mirror_range){
						 .key = "link", .offset = 0, .length = UINT64_MAX },
					 &sink, &f->e));
	assert_behind_link(f, mirror_remove(f->m, "targets/secret", &f->e));
	assert_behind_link(f, mirror_put_small(f->m, "targets/new", "x", 1, NULL, NULL, &f->e));
	assert_ok(mirror_list(f->m, "", nothing_listed, NULL, &f->e), &f->e);

	/* A link in the object's own place is replaced, what it points to is not. */
	assert_ok(mirror_put_small(f->m, "link", "mine", 4, NULL, NULL, &f->e), &f->e);
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	CLEANUP(mem_free_ptr) char *secret = path_join(outside, "secret");
	assert_ok(file_read_all(secret, &text, &f->e), &f->e);
	assert_string_equal(buf_str(&text), "secret");
}

/* -- the folder ------------------------------------------------------------------ */

static void a_missing_folder_is_empty_and_made_by_the_first_put(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(mirror_stat_key(f->m, KEY, NULL, &f->e), -ERR_NOT_FOUND);
	assert_non_null(strstr(f->e.text, "the mirror's folder"));
	err_clear(&f->e);
	assert_ok(mirror_list(f->m, "", nothing_listed, NULL, &f->e), &f->e);
	assert_ok(mirror_remove(f->m, KEY, &f->e), &f->e);
	assert_false(file_exists(f->folder));
	assert_ok(mirror_put_small(f->m, "a/b", "x", 1, NULL, NULL, &f->e), &f->e);
	assert_true(file_is_dir(f->folder));
}

static mode_t mode_of(const struct fixture *f, const char *key)
{
	CLEANUP(mem_free_ptr) char *path = in_mirror(f, key);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void a_web_server_can_read_it(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(022);
	assert_ok(mirror_put_small(f->m, "targets/m/a", "x", 1, NULL, NULL, &f->e), &f->e);
	umask(old);
	assert_int_equal(mode_of(f, "targets/m/a"), 0644);
	assert_int_equal(mode_of(f, "targets/m"), 0755);
	assert_int_equal(mode_of(f, "targets"), 0755);
}

static void removing_prunes_empty_folders_only(void **state)
{
	struct fixture *f = *state;
	CLEANUP(mem_free_ptr) char *deep = in_mirror(f, "a/b");
	CLEANUP(mem_free_ptr) char *top = in_mirror(f, "a");
	assert_ok(mirror_put_small(f->m, "a/b/c", "x", 1, NULL, NULL, &f->e), &f->e);
	assert_ok(mirror_put_small(f->m, "a/d", "x", 1, NULL, NULL, &f->e), &f->e);
	assert_ok(mirror_remove(f->m, "a/b/c", &f->e), &f->e);
	assert_false(file_exists(deep));
	assert_true(file_exists(top));
	assert_ok(mirror_remove(f->m, "a/d", &f->e), &f->e);
	assert_false(file_exists(top));
	assert_true(file_is_dir(f->folder));
}

static void what_is_no_object_is_not_shown(void **state)
{
	struct fixture *f = *state;
	struct mirror_sink sink = { .write = ignore };
	CLEANUP(mem_free_ptr) char *pipe_path = in_mirror(f, "pipe");
	assert_ok(file_mkdirs(f->folder, 0755, &f->e), &f->e);
	assert_int_equal(mkfifo(pipe_path, 0644), 0);
	scratch_write(f->folder, ".ferry/partial/x.part", "x", 1);
	scratch_write(f->folder, "a/.b.123456.tmp", "x", 1);
	assert_ok(mirror_list(f->m, "", nothing_listed, NULL, &f->e), &f->e);
	assert_int_equal(mirror_get(f->m,
				    &(struct mirror_range){ .key = "pipe", .length = UINT64_MAX },
				    &sink, &f->e),
			 -ERR_NOT_FOUND);
	err_clear(&f->e);
	assert_int_equal(mirror_stat_key(f->m, ".ferry/partial/x.part", NULL, &f->e),
			 -ERR_NOT_FOUND);
	err_clear(&f->e);
	assert_int_equal(mirror_put_small(f->m, ".ferry/x", "x", 1, NULL, NULL, &f->e), -ERR_USAGE);
}

static void a_folder_in_the_way_is_named(void **state)
{
	struct fixture *f = *state;
	assert_ok(mirror_put_small(f->m, "a/b", "x", 1, NULL, NULL, &f->e), &f->e);
	assert_int_equal(mirror_put_small(f->m, "a", "x", 1, NULL, NULL, &f->e), -ERR_SYSTEM);
	err_clear(&f->e);
	assert_int_equal(mirror_put_small(f->m, "a/b/c", "x", 1, NULL, NULL, &f->e), -ERR_SYSTEM);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_killed_put_goes_on_by_pieces),
		TEST(a_damaged_partial_is_mended),
		TEST(a_complete_partial_costs_no_read),
		TEST(two_at_once_do_not_meet),
		TEST(a_partial_that_is_written_to_is_not_removed),
		TEST(only_partials_are_removed_as_leftovers),
		TEST(a_partial_that_has_its_name_already_is_not_touched),
		TEST(a_full_disk_loses_nothing),
		TEST(one_of_two_publishers_wins),
		TEST(links_do_not_lead_out),
		TEST(a_missing_folder_is_empty_and_made_by_the_first_put),
		TEST(a_web_server_can_read_it),
		TEST(removing_prunes_empty_folders_only),
		TEST(what_is_no_object_is_not_shown),
		TEST(a_folder_in_the_way_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
