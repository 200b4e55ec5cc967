#include "util/file.h"

#include "unit.h"
#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct scratch {
	char *dir;
	mode_t umask;
};

static int setup(void **state)
{
	struct scratch *s = NEW(struct scratch);
	s->dir = scratch_new();
	s->umask = umask(0);
	umask(s->umask);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scratch *s = *state;
	umask(s->umask);
	scratch_free(s->dir);
	free(s);
	return 0;
}

static mode_t mode_of(const struct scratch *s, const char *name)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, name);
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static mode_t file_made(const struct scratch *s, mode_t mask, mode_t mode)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "x");
	struct err e = ERR_INIT;
	umask(mask);
	assert_ok(file_write_atomic(path, "x", 1, mode, &e), &e);
	return mode_of(s, "x");
}

static mode_t folder_made(const struct scratch *s, mode_t mask, mode_t mode)
{
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "a/b");
	CLEANUP(mem_free_ptr) char *top = path_join(s->dir, "a");
	struct err e = ERR_INIT;
	umask(mask);
	file_remove_tree(top);
	assert_ok(file_mkdirs(path, mode, &e), &e);
	assert_int_equal(mode_of(s, "a"), mode_of(s, "a/b"));
	return mode_of(s, "a");
}

static void the_umask_takes_from_the_mode_and_others_never_write(void **state)
{
	const struct scratch *s = *state;
	assert_int_equal(file_made(s, 0, FILE_MODE), 0664);
	assert_int_equal(file_made(s, 002, FILE_MODE), 0664);
	assert_int_equal(file_made(s, 022, FILE_MODE), 0644);
	assert_int_equal(file_made(s, 077, FILE_MODE), 0600);
	assert_int_equal(file_made(s, 022, FILE_READ_ONLY), 0444);
	assert_int_equal(file_made(s, 027, FILE_READ_ONLY), 0440);
	assert_int_equal(file_made(s, 0, 0600), 0600);
	assert_int_equal(folder_made(s, 0, FILE_DIR_MODE), 0775);
	assert_int_equal(folder_made(s, 027, FILE_DIR_MODE), 0750);
}

static void what_is_for_all_can_be_read_whatever_the_umask(void **state)
{
	const struct scratch *s = *state;
	assert_int_equal(file_made(s, 077, FILE_PUBLIC_MODE), 0644);
	assert_int_equal(file_made(s, 002, FILE_PUBLIC_MODE), 0664);
	assert_int_equal(file_made(s, 077, FILE_FOR_ALL | FILE_READ_ONLY), 0444);
	assert_int_equal(folder_made(s, 077, FILE_PUBLIC_DIR_MODE), 0755);
	assert_int_equal(folder_made(s, 002, FILE_PUBLIC_DIR_MODE), 0775);
}

static void a_folder_that_exists_keeps_its_mode(void **state)
{
	const struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "own");
	CLEANUP(mem_free_ptr) char *below = path_join(s->dir, "own/below");
	struct err e = ERR_INIT;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_ok(file_mkdirs(below, FILE_PUBLIC_DIR_MODE, &e), &e);
	assert_int_equal(mode_of(s, "own"), 0700);
	assert_int_equal(mode_of(s, "own/below"), 0755);
}

static void an_open_file_is_made_private_or_closed_to_others(void **state)
{
	const struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "key");
	CLEANUP(file_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err e = ERR_INIT;
	assert_int_equal(fchmod(fd, 0666), 0);
	file_close_to_others(fd);
	assert_int_equal(mode_of(s, "key"), 0660);
	assert_ok(file_make_private(fd, path, &e), &e);
	assert_int_equal(mode_of(s, "key"), 0600);
	file_make_read_only(fd);
	assert_int_equal(mode_of(s, "key"), 0400);
	file_make_public(fd);
	assert_int_equal(mode_of(s, "key"), 0444);
}

static void temporary_names_are_known_and_new_each_time(void **state)
{
	const struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "x");
	CLEANUP(file_new_abort) struct file_new a = FILE_NEW_INIT;
	CLEANUP(file_new_abort) struct file_new b = FILE_NEW_INIT;
	struct err e = ERR_INIT;
	assert_ok(file_new_open(&a, path, FILE_MODE, &e), &e);
	assert_ok(file_new_open(&b, path, FILE_MODE, &e), &e);
	assert_string_not_equal(a.temporary, b.temporary);
	assert_true(file_is_temporary(path_base(a.temporary)));
}

static void a_file_beyond_the_limit_is_refused_with_what_helps(void **state)
{
	const struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "not/yet/there");
	const char *whose;
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit = { 1000, 1000 };
		struct err e = ERR_INIT;
		setrlimit(RLIMIT_FSIZE, &limit);
		bool right = file_max_size(path, &whose) == 1000 &&
			     file_need_size(path, 1000, &e) == 0 &&
			     file_need_size(path, 1001, &e) == -ERR_SYSTEM &&
			     strstr(e.text, "ulimit -f") && strstr(e.hint, "llama-gguf-split");
		_exit(right ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void the_nearest_folder_says_whether_files_can_be_made(void **state)
{
	const struct scratch *s = *state;
	CLEANUP(mem_free_ptr) char *below = path_join(s->dir, "not/yet/there");
	CLEANUP(mem_free_ptr) char *nearest = file_nearest(below);
	assert_string_equal(nearest, s->dir);
	assert_true(file_can_write_in(below));
	assert_int_equal(file_made(s, 022, FILE_MODE), 0644);
	CLEANUP(mem_free_ptr) char *in_file = path_join(s->dir, "x/below");
	assert_false(file_can_write_in(in_file));
}

static void what_a_file_system_lacks_is_told_by_errno(void **state)
{
	(void)state;
	static const int lacks[] = { EPERM, EACCES, EINVAL, ENOSYS, EOPNOTSUPP, ENOTSUP };
	static const int faults[] = { 0, EIO, ENOSPC, ENOENT, EEXIST, EWOULDBLOCK, EINTR, EROFS };
	for (size_t i = 0; i < ARRAY_LEN(lacks); i++)
		assert_true(os_lacks(lacks[i]));
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		assert_false(os_lacks(faults[i]));
}

#define MODE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODE_TEST(the_umask_takes_from_the_mode_and_others_never_write),
		MODE_TEST(what_is_for_all_can_be_read_whatever_the_umask),
		MODE_TEST(a_folder_that_exists_keeps_its_mode),
		MODE_TEST(an_open_file_is_made_private_or_closed_to_others),
		MODE_TEST(temporary_names_are_known_and_new_each_time),
		MODE_TEST(a_file_beyond_the_limit_is_refused_with_what_helps),
		MODE_TEST(the_nearest_folder_says_whether_files_can_be_made),
		MODE_TEST(what_a_file_system_lacks_is_told_by_errno),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
