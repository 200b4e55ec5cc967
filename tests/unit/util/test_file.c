#include "util/file.h"

#include "unit.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct scratch {
	char *dir, *path; /* path: "<dir>/x" */
	struct err e;
};

static int setup(void **state)
{
	struct scratch *s = NEW(struct scratch);
	s->dir = scratch_new();
	s->path = path_join(s->dir, "x");
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;
	scratch_free(s->dir);
	free(s->path);
	free(s);
	return 0;
}

static void expect_content(const char *path, const char *want)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(MIB);
	assert_ok(file_read_all(path, &b, &e), &e);
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
}

static size_t entries(const char *dir)
{
	struct err e = ERR_INIT;
	struct str_list names = { 0 };
	assert_ok(file_list_dir(dir, &names, &e), &e);
	size_t count = names.count;
	str_list_release(&names);
	return count;
}

static void whole_files_are_read_up_to_the_ceiling(void **state)
{
	struct scratch *s = *state;
	struct buf b = BUF_INIT(5);
	scratch_write(s->dir, "x", "12345", 5);
	assert_ok(file_read_all(s->path, &b, &s->e), &s->e);
	assert_string_equal(b.data, "12345");
	/* What was there is replaced. */
	scratch_write(s->dir, "x", "ab", 2);
	assert_ok(file_read_all(s->path, &b, &s->e), &s->e);
	assert_string_equal(b.data, "ab");
	scratch_write(s->dir, "x", "123456", 6);
	assert_int_equal(file_read_all(s->path, &b, &s->e), -ERR_INTEGRITY);
	assert_non_null(strstr(s->e.text, "x is larger than 5 bytes"));
	err_clear(&s->e);
	buf_release(&b);
	assert_int_equal(file_read_all("/nowhere/x", &b, &s->e), -ERR_NOT_FOUND);
	err_clear(&s->e);
	assert_int_equal(file_read_all(s->dir, &b, &s->e), -ERR_SYSTEM);
	buf_release(&b);
}

static void empty_file_is_an_empty_string(void **state)
{
	struct scratch *s = *state;
	scratch_write(s->dir, "x", "", 0);
	expect_content(s->path, "");
}

/* Programs keep many of them. */
static void a_small_file_takes_little_memory(void **state)
{
	struct scratch *s = *state;
	struct buf b = BUF_INIT(MIB);
	static char bytes[100000];
	scratch_write(s->dir, "x", "12345", 5);
	assert_ok(file_read_all(s->path, &b, &s->e), &s->e);
	assert_string_equal(b.data, "12345");
	assert_true(b.cap <= 64);
	memset(bytes, 'x', sizeof bytes);
	scratch_write(s->dir, "x", bytes, sizeof bytes);
	assert_ok(file_read_all(s->path, &b, &s->e), &s->e);
	assert_int_equal(b.len, sizeof bytes);
	assert_memory_equal(b.data, bytes, sizeof bytes);
	assert_true(b.cap <= 2 * sizeof bytes);
	buf_release(&b);
}

static void only_regular_files_where_asked(void **state)
{
	struct scratch *s = *state;
	int fd = -1;
	uint64_t size = 9;
	assert_int_equal(file_open_regular(s->dir, &fd, &size, &s->e), -ERR_USAGE);
	err_clear(&s->e);
	assert_int_equal(mkfifo(s->path, 0644), 0);
	assert_int_equal(file_open_regular(s->path, &fd, &size, &s->e), -ERR_USAGE);
	assert_int_equal(fd, -1);
	assert_int_equal(size, 9);
	unlink(s->path);
	err_clear(&s->e);
	scratch_write(s->dir, "x", "123", 3);
	assert_ok(file_open_regular(s->path, &fd, &size, &s->e), &s->e);
	assert_int_equal(size, 3);
	file_close(&fd);
	assert_int_equal(fd, -1);
	file_close(&fd);
}

static void a_pipe_without_a_writer_opens_at_once(void **state)
{
	struct scratch *s = *state;
	CLEANUP(file_close) int fd = -1, writer = -1;
	char got[8];
	assert_int_equal(file_open_at_once(s->path, &fd, &s->e), -ERR_NOT_FOUND);
	err_clear(&s->e);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	assert_ok(file_open_at_once(s->path, &fd, &s->e), &s->e);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	writer = open(s->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(writer, "abc", 3), 3);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(read(fd, got, sizeof got), 3);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

static void reading_and_writing_at_a_place(void **state)
{
	struct scratch *s = *state;
	char got[4] = "";
	int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_ok(file_pwrite(fd, "abc", 3, 2, "x", &s->e), &s->e);
	assert_ok(file_pread(fd, got, 3, 2, "x", &s->e), &s->e);
	assert_string_equal(got, "abc");
	assert_int_equal(file_pread(fd, got, 3, 3, "x", &s->e), -ERR_INTEGRITY);
	assert_string_equal(s->e.text, "x ends early, at byte 5");
	close(fd);
}

static void folders_are_made_to_the_last(void **state)
{
	struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *deep = path_join(s->dir, "a/b//c/d/");
	assert_ok(file_mkdirs(deep, 0755, &s->e), &s->e);
	assert_true(file_is_dir(deep));
	assert_ok(file_mkdirs(deep, 0755, &s->e), &s->e);
	assert_ok(file_mkdirs("/", 0755, &s->e), &s->e);
	CLEANUP(mem_free_ptr) char *file = path_join(s->dir, "e/f/g");
	assert_ok(file_mkdirs_for(file, 0755, &s->e), &s->e);
	assert_false(file_exists(file));
	scratch_write(s->dir, "e/f/g", "", 0);
	CLEANUP(mem_free_ptr) char *below = path_join(file, "h");
	assert_true(file_mkdirs(below, 0755, &s->e) < 0);
	err_clear(&s->e);
	assert_true(file_mkdirs(file, 0755, &s->e) < 0);
	err_clear(&s->e);
	assert_true(file_mkdirs("", 0755, &s->e) < 0);
}

static void nothing_has_its_name_before_the_commit(void **state)
{
	struct scratch *s = *state;
	struct file_new f = FILE_NEW_INIT;
	assert_ok(file_new_open(&f, s->path, 0600, &s->e), &s->e);
	assert_ok(file_write(f.fd, "new", 3, "x", &s->e), &s->e);
	assert_false(file_exists(s->path));
	assert_true(file_is_temporary(path_base(f.temporary)));
	assert_ok(file_new_commit(&f, &s->e), &s->e);
	expect_content(s->path, "new");
	struct stat st;
	assert_int_equal(stat(s->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(s->dir), 1);
	file_new_abort(&f);
	expect_content(s->path, "new");
}

static void abort_leaves_the_old_file(void **state)
{
	struct scratch *s = *state;
	scratch_write(s->dir, "x", "old", 3);
	struct file_new f = FILE_NEW_INIT;
	assert_ok(file_new_open(&f, s->path, 0644, &s->e), &s->e);
	assert_ok(file_write(f.fd, "new", 3, "x", &s->e), &s->e);
	file_new_abort(&f);
	expect_content(s->path, "old");
	assert_int_equal(entries(s->dir), 1);
}

static void exclusive_commit_never_replaces(void **state)
{
	struct scratch *s = *state;
	struct file_new f = FILE_NEW_INIT;
	assert_ok(file_new_open(&f, s->path, 0644, &s->e), &s->e);
	assert_ok(file_write(f.fd, "first", 5, "x", &s->e), &s->e);
	assert_ok(file_new_commit_exclusive(&f, &s->e), &s->e);
	assert_ok(file_new_open(&f, s->path, 0644, &s->e), &s->e);
	assert_ok(file_write(f.fd, "second", 6, "x", &s->e), &s->e);
	assert_int_equal(file_new_commit_exclusive(&f, &s->e), -ERR_CONFLICT);
	assert_non_null(strstr(s->e.text, "cannot create"));
	expect_content(s->path, "first");
	assert_int_equal(entries(s->dir), 1);
}

static void missing_folder_is_an_error(void **state)
{
	struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "none/x");
	assert_int_equal(file_write_atomic(path, "a", 1, 0644, &s->e), -ERR_NOT_FOUND);
	assert_int_equal(entries(s->dir), 0);
}

/* A limit on file sizes stands in for a full disk. */
static void failed_write_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	scratch_write(s->dir, "x", "old", 3);
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { 100000, 100000 };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		void *data = mem_alloc(200000);
		int rc = file_write_atomic(s->path, data, 200000, 0644, &s->e);
		free(data);
		_exit(rc == -ERR_SYSTEM && s->e.sys == EFBIG ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect_content(s->path, "old");
	assert_int_equal(entries(s->dir), 1);
}

static void full_device_is_named_with_a_hint(void **state)
{
	struct scratch *s = *state;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "x", 1, "out.gguf", &s->e), -ERR_SYSTEM);
	assert_string_equal(s->e.text, "out.gguf: No space left on device");
	assert_non_null(strstr(s->e.hint, "free some space"));
	close(fd);
}

static void a_file_takes_no_place_of_a_pipe_or_device(void **state)
{
	struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *link = path_join(s->dir, "link");
	struct stat st;
	assert_int_equal(mkfifo(s->path, 0600), 0);
	assert_int_equal(symlink("/dev/full", link), 0);
	assert_int_equal(file_write_atomic(s->path, "x", 1, 0644, &s->e), -ERR_USAGE);
	assert_non_null(strstr(s->e.text, "is not a regular file"));
	err_clear(&s->e);
	assert_int_equal(file_write_atomic(link, "x", 1, 0644, &s->e), -ERR_USAGE);
	err_clear(&s->e);
	assert_int_equal(lstat(s->path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(entries(s->dir), 2);
	/* What /dev/stdout is. */
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("/proc/self/fd/1", link), 0);
	assert_int_equal(file_write_atomic(link, "x", 1, 0644, &s->e), -ERR_USAGE);
}

static void output_goes_into_what_is_no_plain_file(void **state)
{
	struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *link = path_join(s->dir, "link");
	CLEANUP(mem_free_ptr) char *full = path_join(s->dir, "full");
	struct stat st;
	assert_int_equal(symlink(s->path, link), 0);
	assert_int_equal(symlink("/dev/full", full), 0);
	assert_ok(file_write_output(link, "one", 3, &s->e), &s->e);
	expect_content(s->path, "one");
	assert_ok(file_write_output(s->path, "two!", 4, &s->e), &s->e);
	assert_ok(file_write_output(link, "two", 3, &s->e), &s->e);
	expect_content(s->path, "two");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(file_write_output(full, "x", 1, &s->e), -ERR_SYSTEM);
	assert_int_equal(s->e.sys, ENOSPC);
	err_clear(&s->e);
	assert_int_equal(file_write_output(s->dir, "x", 1, &s->e), -ERR_USAGE);
	err_clear(&s->e);
	assert_int_equal(entries(s->dir), 3);
}

static void temporary_names_are_known(void **state)
{
	(void)state;
	assert_true(file_is_temporary(".model.gguf.AbCdEf.tmp"));
	assert_true(file_is_temporary(".x.123456.tmp"));
	assert_false(file_is_temporary(".tmp"));
	assert_false(file_is_temporary("model.AbCdEf.tmp"));
	assert_false(file_is_temporary(".model.gguf.tmp"));
	assert_false(file_is_temporary(".AbCdEf.tmp"));
	assert_false(file_is_temporary(""));
}

static void copies_and_links_are_the_same_bytes(void **state)
{
	struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *copy = path_join(s->dir, "copy");
	CLEANUP(mem_free_ptr) char *link_ = path_join(s->dir, "link");
	scratch_write(s->dir, "x", "content", 7);
	assert_ok(file_copy(s->path, copy, 0444, NULL, &s->e), &s->e);
	expect_content(copy, "content");
	struct stat a, b;
	assert_ok(file_link_or_copy(s->path, link_, 0444, NULL, &s->e), &s->e);
	/* Again, over itself: nothing is left over. */
	assert_ok(file_link_or_copy(s->path, link_, 0444, NULL, &s->e), &s->e);
	stat(s->path, &a);
	stat(link_, &b);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(entries(s->dir), 3);
	assert_int_equal(file_copy("/nowhere", copy, 0444, NULL, &s->e), -ERR_NOT_FOUND);
	expect_content(copy, "content");
}

static void symbolic_links_are_replaced(void **state)
{
	struct scratch *s = *state;
	char target[64] = "";
	assert_ok(file_symlink_atomic("one", s->path, &s->e), &s->e);
	assert_ok(file_symlink_atomic("two", s->path, &s->e), &s->e);
	assert_int_equal(readlink(s->path, target, sizeof target - 1), 3);
	assert_string_equal(target, "two");
	assert_true(file_exists(s->path));
	assert_false(file_is_dir(s->path));
	assert_int_equal(entries(s->dir), 1);
}

static void folders_are_listed_in_order(void **state)
{
	struct scratch *s = *state;
	struct str_list names = { 0 };
	str_list_add(&names, "zz");
	scratch_write(s->dir, "b", "", 0);
	scratch_write(s->dir, ".a", "", 0);
	scratch_write(s->dir, "sub/c", "", 0);
	assert_ok(file_list_dir(s->dir, &names, &s->e), &s->e);
	assert_int_equal(names.count, 4);
	assert_string_equal(names.at[0], "zz");
	assert_string_equal(names.at[1], ".a");
	assert_string_equal(names.at[2], "b");
	assert_string_equal(names.at[3], "sub");
	assert_ok(file_list_dir("/nowhere", &names, &s->e), &s->e);
	assert_int_equal(names.count, 4);
	CLEANUP(mem_free_ptr) char *file = path_join(s->dir, "b");
	assert_true(file_list_dir(file, &names, &s->e) < 0);
	str_list_release(&names);
}

static void removing_what_is_not_there_is_fine(void **state)
{
	struct scratch *s = *state;
	assert_ok(file_remove(s->path, &s->e), &s->e);
	scratch_write(s->dir, "x", "", 0);
	file_remove_dir_if_empty(s->dir);
	assert_true(file_exists(s->path));
	assert_ok(file_remove(s->path, &s->e), &s->e);
	assert_false(file_exists(s->path));
	assert_int_equal(file_remove(s->dir, &s->e), -ERR_SYSTEM);
}

static void space_is_asked_where_the_file_will_be(void **state)
{
	struct scratch *s = *state;
	uint64_t here, there;
	CLEANUP(mem_free_ptr) char *later = path_join(s->dir, "a/b/c");
	assert_ok(file_space(s->dir, &here, &s->e), &s->e);
	assert_ok(file_space(later, &there, &s->e), &s->e);
	assert_true(here > 0 && there > 0);
	assert_ok(file_need_space(later, 1, &s->e), &s->e);
	assert_int_equal(file_need_space(later, UINT64_MAX, &s->e), -ERR_SYSTEM);
	assert_non_null(strstr(s->e.text, "not enough space: 16.0 EiB needed"));
}

/* File systems without blocks, as /proc here, and some in user space. */
static void a_file_system_that_does_not_count_is_not_called_full(void **state)
{
	struct scratch *s = *state;
	uint64_t bytes = 0;
	assert_ok(file_space("/proc", &bytes, &s->e), &s->e);
	assert_true(bytes == UINT64_MAX);
	assert_ok(file_need_space("/proc/a", UINT64_MAX, &s->e), &s->e);
}

static void lock_is_held_by_one(void **state)
{
	struct scratch *s = *state;
	int first = -1, second = -1;
	assert_ok(file_lock(s->path, 0, NULL, &first, &s->e), &s->e);
	assert_true(first >= 0);
	assert_int_equal(file_lock(s->path, 0, NULL, &second, &s->e), -ERR_CONFLICT);
	assert_int_equal(second, -1);
	err_clear(&s->e);
	file_close(&first);
	assert_ok(file_lock(s->path, 1000, NULL, &second, &s->e), &s->e);
	file_close(&second);
}

static void a_lock_is_waited_for_so_long_and_its_holder_is_named(void **state)
{
	struct scratch *s = *state;
	CLEANUP(file_close) int first = -1;
	int second = -1;
	char holder[40];
	snprintf(holder, sizeof holder, "locked by process %ld", (long)getpid());
	assert_ok(file_lock(s->path, 0, NULL, &first, &s->e), &s->e);
	assert_int_equal(file_lock(s->path, 60, NULL, &second, &s->e), -ERR_CONFLICT);
	assert_non_null(strstr(s->e.text, holder));
	assert_int_equal(second, -1);
	/* Somebody else's text is no name. */
	err_clear(&s->e);
	assert_int_equal(pwrite(first, "\x1b[2J\n", 5, 0), 5);
	assert_int_equal(file_lock(s->path, 0, NULL, &second, &s->e), -ERR_CONFLICT);
	assert_non_null(strstr(s->e.text, "locked by another process"));
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

/* Whoever can open a lock file can lock it, and block everybody. */
static void a_lock_file_is_for_its_owner_or_its_group(void **state)
{
	struct scratch *s = *state;
	int fd = -1;
	/* As an earlier version left it. */
	assert_ok(file_write_atomic(s->path, "", 0, 0644, &s->e), &s->e);
	assert_ok(file_lock(s->path, 0, NULL, &fd, &s->e), &s->e);
	file_close(&fd);
	assert_int_equal(mode_of(s->path), 0600);
	assert_int_equal(chmod(s->dir, 02775), 0);
	assert_ok(file_lock(s->path, 0, NULL, &fd, &s->e), &s->e);
	file_close(&fd);
	assert_int_equal(mode_of(s->path), 0660);
}

static void a_pipe_is_read_only_where_a_person_named_it(void **state)
{
	struct scratch *s = *state;
	CLEANUP(buf_release) struct buf text = BUF_INIT(100);
	assert_int_equal(mkfifo(s->path, 0600), 0);
	assert_int_equal(file_read_all(s->path, &text, &s->e), -ERR_INTEGRITY);
	assert_non_null(strstr(s->e.text, "is not a regular file"));
	err_clear(&s->e);
	pid_t child = fork();
	if (child == 0) {
		int fd = open(s->path, O_WRONLY);
		_exit(write(fd, "text", 4) == 4 ? 0 : 1);
	}
	int status;
	assert_ok(file_read_named(s->path, &text, &s->e), &s->e);
	assert_string_equal(buf_str(&text), "text");
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(whole_files_are_read_up_to_the_ceiling),
		FILE_TEST(empty_file_is_an_empty_string),
		FILE_TEST(a_small_file_takes_little_memory),
		FILE_TEST(only_regular_files_where_asked),
		FILE_TEST(a_pipe_without_a_writer_opens_at_once),
		FILE_TEST(a_pipe_is_read_only_where_a_person_named_it),
		FILE_TEST(a_lock_is_waited_for_so_long_and_its_holder_is_named),
		FILE_TEST(a_lock_file_is_for_its_owner_or_its_group),
		FILE_TEST(reading_and_writing_at_a_place),
		FILE_TEST(folders_are_made_to_the_last),
		FILE_TEST(nothing_has_its_name_before_the_commit),
		FILE_TEST(abort_leaves_the_old_file),
		FILE_TEST(exclusive_commit_never_replaces),
		FILE_TEST(missing_folder_is_an_error),
		FILE_TEST(failed_write_leaves_nothing),
		FILE_TEST(full_device_is_named_with_a_hint),
		FILE_TEST(a_file_takes_no_place_of_a_pipe_or_device),
		FILE_TEST(output_goes_into_what_is_no_plain_file),
		FILE_TEST(temporary_names_are_known),
		FILE_TEST(copies_and_links_are_the_same_bytes),
		FILE_TEST(symbolic_links_are_replaced),
		FILE_TEST(folders_are_listed_in_order),
		FILE_TEST(removing_what_is_not_there_is_fine),
		FILE_TEST(space_is_asked_where_the_file_will_be),
		FILE_TEST(a_file_system_that_does_not_count_is_not_called_full),
		FILE_TEST(lock_is_held_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
