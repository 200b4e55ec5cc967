#include "util/os.h"

#include "unit.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *own_argv0;

struct state {
	char *dir;
	int fd; /* the folder */
};

static int setup(void **out)
{
	struct state *s = NEW(struct state);
	s->dir = scratch_new();
	s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*out = s;
	return s->fd < 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	file_close(&s->fd);
	scratch_free(s->dir);
	free(s);
	return 0;
}

static size_t names_in(const char *dir)
{
	struct err e = ERR_INIT;
	CLEANUP(str_list_release) struct str_list names = { 0 };
	assert_ok(file_list_dir(dir, &names, &e), &e);
	return names.count;
}

static bool is_there(const struct state *s, const char *name)
{
	struct stat st;
	return fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool closes_on_exec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void holds_what_is_written(int fd)
{
	char back[5];
	assert_int_equal(write(fd, "words", 5), 5);
	assert_int_equal(pread(fd, back, 5, 0), 5);
	assert_memory_equal(back, "words", 5);
}

static void a_nameless_file_is_in_no_folder(void **state)
{
	struct state *s = *state;
	struct stat st;
	CLEANUP(file_close) int fd = os_nameless_file(s->dir);
	assert_true(fd >= 0 && closes_on_exec(fd));
	assert_int_equal(names_in(s->dir), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
	holds_what_is_written(fd);
	CLEANUP(mem_free_ptr) char *missing = path_join(s->dir, "missing");
	assert_int_equal(os_nameless_file(missing), -1);
	assert_int_equal(errno, ENOENT);
}

static void a_memory_file_holds_bytes(void **state)
{
	struct state *s = *state;
	CLEANUP(file_close) int fd = os_memory_file();
	assert_true(fd >= 0 && closes_on_exec(fd));
	assert_int_equal(names_in(s->dir), 0);
	holds_what_is_written(fd);
}

static void reserved_space_is_there_and_zero(void **state)
{
	struct state *s = *state;
	struct stat st;
	char tail[3], zeros[3] = { 0 };
	CLEANUP(file_close) int fd = os_nameless_file(s->dir);
	uint64_t size = 200 * KIB + 3;
	assert_int_equal(os_reserve(fd, size), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_true((uint64_t)st.st_blocks * 512 >= size);
	assert_int_equal(pread(fd, tail, 3, 200 * KIB), 3);
	assert_memory_equal(tail, zeros, 3);
	assert_int_equal(os_reserve(s->fd, 1), EBADF);
}

static void a_clone_is_whole_or_nothing(void **state)
{
	struct state *s = *state;
	char back[9];
	CLEANUP(file_close) int from = os_nameless_file(s->dir);
	CLEANUP(file_close) int to = os_nameless_file(s->dir);
	holds_what_is_written(from);
	bool done = os_clone(to, from);
	assert_int_equal(pread(to, back, sizeof back, 0), done ? 5 : 0);
	assert_true(NATIVE || !done);
}

static void a_copied_range_is_the_same_or_shorter(void **state)
{
	struct state *s = *state;
	struct err e = ERR_INIT;
	char back[8] = "";
	scratch_write(s->dir, "from", "0123456789", 10);
	CLEANUP(file_close) int from = openat(s->fd, "from", O_RDONLY | O_CLOEXEC);
	CLEANUP(file_close) int to = openat(s->fd, "to", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_ok(file_pwrite(to, "abcdef", 6, 0, "to", &e), &e);
	uint64_t n = os_copy_range(to, 1, from, 7, 2);
	assert_true(n <= 2);
	assert_int_equal(pread(to, back, sizeof back, 0), 6);
	assert_memory_equal(back + 1, n == 2 ? "78" : n == 1 ? "7c" : "bc", 2);
	assert_true(back[0] == 'a' && memcmp(back + 3, "def", 3) == 0);
	assert_true(os_copy_range(to, 6, from, 9, 5) <= 1);
	assert_int_equal(os_copy_range(to, 0, from, 10, 5), 0);
	assert_true(NATIVE || !n);
}

static void an_exclusive_rename_never_replaces(void **state)
{
	struct state *s = *state;
	struct err e = ERR_INIT;
	CLEANUP(buf_release) struct buf b = BUF_INIT(10);
	CLEANUP(mem_free_ptr) char *second = path_join(s->dir, "second");
	scratch_write(s->dir, "first", "1", 1);
	scratch_write(s->dir, "second", "2", 1);
	assert_int_equal(os_rename_exclusive(s->fd, "first", s->fd, "second"), EEXIST);
	assert_ok(file_read_all(second, &b, &e), &e);
	assert_string_equal(buf_str(&b), "2");
	assert_true(is_there(s, "first"));
	assert_int_equal(os_rename_exclusive(s->fd, "first", s->fd, "third"), 0);
	assert_true(is_there(s, "third"));
	assert_false(is_there(s, "first"));
	assert_int_equal(os_rename_exclusive(s->fd, "first", s->fd, "fourth"), ENOENT);
	assert_false(is_there(s, "fourth"));
}

static void an_open_file_gets_one_more_name(void **state)
{
	struct state *s = *state;
	struct stat st;
	CLEANUP(mem_free_ptr) char *name = path_join(s->dir, "name");
	scratch_write(s->dir, "old", "1", 1);
	CLEANUP(file_close) int fd = openat(s->fd, "old", O_RDONLY | O_CLOEXEC);
	assert_int_equal(os_link_open_file(fd, name), NATIVE ? 0 : ENOSYS);
	assert_int_equal(os_link_open_file(fd, name), NATIVE ? EEXIST : ENOSYS);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, NATIVE ? 2 : 1);
	assert_int_equal(is_there(s, "name"), NATIVE);
}

static void a_file_without_a_name_can_get_one(void **state)
{
	struct state *s = *state;
	struct stat st;
	CLEANUP(mem_free_ptr) char *name = path_join(s->dir, "name");
	CLEANUP(file_close) int fd = os_linkable_file(s->dir, 0640);
	assert_int_equal(fd >= 0, NATIVE);
	assert_int_equal(names_in(s->dir), 0);
	if (!NATIVE)
		return;
	holds_what_is_written(fd);
	assert_int_equal(os_link_open_file(fd, name), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
}

static void names_of_open_files_are_known(void **state)
{
	struct state *s = *state;
	CLEANUP(mem_free_ptr) char *out = path_join(s->dir, "out");
	CLEANUP(mem_free_ptr) char *other = path_join(s->dir, "other");
	assert_int_equal(symlink("/dev/fd/1", out), 0);
	assert_int_equal(symlink("/dev/null", other), 0);
	assert_true(os_is_open_file("/dev/stdout"));
	assert_true(os_is_open_file("/dev/fd/1"));
	assert_true(os_is_open_file("/proc/self/fd/1"));
	assert_true(os_is_open_file(out));
	assert_false(os_is_open_file(other));
	assert_false(os_is_open_file(s->dir));
	assert_false(os_is_open_file("/dev/memory/fd/1"));
}

/* The file system of the test's folder may have no such writes. */
static void what_is_written_around_the_cache_is_in_the_file(void **state)
{
	struct err e = ERR_INIT;
	CLEANUP(mem_free_ptr) char *path = path_join(((struct state *)*state)->dir, "direct");
	CLEANUP(file_close) int fd = open(path, O_RDWR | O_CREAT, 0600),
				direct = os_open_direct(fd);
	static _Alignas(OS_DIRECT_UNIT) char block[OS_DIRECT_UNIT];
	char got[2 * OS_DIRECT_UNIT];
	memset(block, 'x', sizeof block);
	assert_int_equal(unlink(path), 0);
	for (uint64_t at = 0; at < sizeof got; at += sizeof block)
		if (!os_write_direct(direct, block, sizeof block, at))
			assert_ok(file_pwrite(fd, block, sizeof block, at, "block", &e), &e);
	assert_ok(file_pread(fd, got, sizeof got, 0, "block", &e), &e);
	assert_memory_equal(got, block, sizeof block);
	assert_memory_equal(got + sizeof block, block, sizeof block);
}

static void only_whole_blocks_are_written_around_the_cache(void **state)
{
	CLEANUP(mem_free_ptr) char *path = path_join(((struct state *)*state)->dir, "direct");
	CLEANUP(file_close) int fd = open(path, O_RDWR | O_CREAT, 0600),
				direct = os_open_direct(fd);
	static _Alignas(OS_DIRECT_UNIT) char block[2 * OS_DIRECT_UNIT];
	struct stat st;
	assert_false(os_write_direct(direct, block, OS_DIRECT_UNIT - 1, 0));
	assert_false(os_write_direct(direct, block + 1, OS_DIRECT_UNIT, 0));
	assert_false(os_write_direct(direct, block, OS_DIRECT_UNIT, 512));
	assert_false(os_write_direct(-1, block, OS_DIRECT_UNIT, 0));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
}

static void the_time_of_change_has_nanoseconds(void **state)
{
	struct state *s = *state;
	struct stat st;
	const struct timespec times[2] = { { .tv_sec = 5 },
					   { .tv_sec = 1700000000, .tv_nsec = 12000 } };
	scratch_write(s->dir, "file", "1", 1);
	assert_int_equal(utimensat(s->fd, "file", times, 0), 0);
	assert_int_equal(fstatat(s->fd, "file", &st, 0), 0);
	assert_int_equal(os_modified(&st).tv_sec, 1700000000);
	assert_int_equal(os_modified(&st).tv_nsec, 12000);
	assert_int_equal(os_modified_ns(&st), 1700000000000012000u);
}

static void the_own_path_is_this_program(void **state)
{
	(void)state;
	CLEANUP(mem_free_ptr) char *own = os_own_path();
	CLEANUP(mem_free_ptr) char *said = realpath(own_argv0, NULL);
	assert_non_null(said);
	if (NATIVE)
		assert_string_equal(own, said);
	else
		assert_null(own);
}

static void pipes_and_sockets_are_closed_by_exec(void **state)
{
	(void)state;
	int ends[2];
	char c;
	assert_int_equal(os_sockets(ends), 0);
	assert_true(closes_on_exec(ends[0]) && closes_on_exec(ends[1]));
	file_close(&ends[0]);
	file_close(&ends[1]);
	assert_int_equal(os_pipe(ends), 0);
	assert_true(closes_on_exec(ends[0]) && closes_on_exec(ends[1]));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(read(ends[0], &c, 1), 1);
	file_close(&ends[0]);
	file_close(&ends[1]);
}

static void an_accepted_connection_is_closed_by_exec_and_does_not_block(void **state)
{
	(void)state;
	struct sockaddr_storage address = { .ss_family = AF_INET }, from;
	socklen_t size = sizeof(struct sockaddr_in);
	unsigned len;
	char c;
	CLEANUP(file_close) int listener = socket(AF_INET, SOCK_STREAM, 0);
	CLEANUP(file_close) int client = socket(AF_INET, SOCK_STREAM, 0);
	((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
	CLEANUP(file_close) int fd = os_accept(listener, &from, &len);
	assert_true(closes_on_exec(fd));
	assert_int_equal(from.ss_family, AF_INET);
	assert_int_equal(len, sizeof(struct sockaddr_in));
	assert_int_equal(read(fd, &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Starts a child that lives until its parent dies, says so through the pipe, and is the parent. */
static NORETURN void become_parent(int out)
{
	if (fork() == 0) {
		os_die_with_parent();
		(void)!write(out, "1", 1);
		sleep(60);
		(void)!write(out, "2", 1);
		_exit(0);
	}
	for (;;)
		pause();
}

static void a_child_dies_with_its_parent(void **state)
{
	(void)state;
	int ends[2];
	char c;
	if (!NATIVE)
		return;
	assert_int_equal(os_pipe(ends), 0);
	pid_t parent = fork();
	if (parent == 0)
		become_parent(ends[1]);
	file_close(&ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_int_equal(kill(parent, SIGKILL), 0);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	assert_int_equal(read(ends[0], &c, 1), 0);
	file_close(&ends[0]);
}

static void the_machine_is_described(void **state)
{
	(void)state;
	char id[OS_BOOT_ID];
	assert_true(os_processors() >= 1);
	os_boot_id(id);
	assert_null(strchr(id, '\n'));
	assert_true(os_is_this_boot(id));
	assert_false(os_is_this_boot(""));
	assert_false(os_is_this_boot("started 1700000000"));
	assert_false(os_is_this_boot("89a66f60-6ee2-4e0b-8a1b-0d5f0c1c8a5e"));
}

static void a_process_is_told_from_a_later_one_with_its_number(void **state)
{
	(void)state;
	char here[OS_PLACE], again[OS_PLACE];
	siginfo_t ended;
	uint64_t started = os_process_started((long)getpid());
	assert_int_equal(started != 0, NATIVE);
	assert_true(os_process_runs((long)getpid(), started));
	assert_true(os_process_runs((long)getpid(), 0));
	assert_int_equal(os_process_runs((long)getpid(), started + 1), !NATIVE);
	assert_false(os_process_runs(0, 0));
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	/* It has ended, and still has its number. */
	assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	assert_int_equal(os_process_runs(child, 0), !NATIVE);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_false(os_process_runs(child, 0));
	os_process_place(here);
	os_process_place(again);
	assert_string_equal(here, again);
	assert_int_equal(strcspn(here, " \n\t"), strlen(here));
}

static void parts_that_were_never_written_have_no_data(void **state)
{
	struct state *s = *state;
	CLEANUP(mem_free_ptr) char *path = path_join(s->dir, "holes");
	CLEANUP(file_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, MIB) == 0);
	assert_int_equal(pwrite(fd, "x", 1, 512 * 1024), 1);
	assert_true(os_has_data(fd, 512 * 1024, 512 * 1024 + 1));
	assert_true(os_has_data(fd, 0, MIB));
	assert_false(os_has_data(fd, 0, 256 * 1024));
	assert_false(os_has_data(fd, 768 * 1024, MIB));
	assert_false(os_has_data(fd, MIB, 2 * MIB));
	os_forget_cached(fd);
}

static void random_bytes_fill_all(void **state)
{
	(void)state;
	char a[600] = { 0 }, b[600] = { 0 };
	assert_true(os_random(a, sizeof a));
	assert_true(os_random(b, sizeof b));
	for (size_t i = 0; i < sizeof a; i += 100)
		assert_memory_not_equal(a + i, b + i, 100);
}

static int by_distance(const void *a, const void *b, void *ctx)
{
	int x = abs(*(const int *)a - *(int *)ctx), y = abs(*(const int *)b - *(int *)ctx);
	return (x > y) - (x < y);
}

static void sorting_has_a_context(void **state)
{
	(void)state;
	int numbers[] = { 1, 9, 4, 6, 12 }, middle = 5;
	os_sort(numbers, 1, sizeof *numbers, by_distance, &middle);
	middle = 7;
	os_sort(numbers, ARRAY_LEN(numbers), sizeof *numbers, by_distance, &middle);
	const int want[] = { 6, 9, 4, 12, 1 };
	assert_memory_equal(numbers, want, sizeof want);
}

#define OS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	(void)argc;
	own_argv0 = argv[0];
	const struct CMUnitTest tests[] = {
		OS_TEST(a_nameless_file_is_in_no_folder),
		OS_TEST(a_memory_file_holds_bytes),
		OS_TEST(reserved_space_is_there_and_zero),
		OS_TEST(a_clone_is_whole_or_nothing),
		OS_TEST(an_exclusive_rename_never_replaces),
		OS_TEST(a_copied_range_is_the_same_or_shorter),
		OS_TEST(an_open_file_gets_one_more_name),
		OS_TEST(a_file_without_a_name_can_get_one),
		OS_TEST(names_of_open_files_are_known),
		OS_TEST(what_is_written_around_the_cache_is_in_the_file),
		OS_TEST(only_whole_blocks_are_written_around_the_cache),
		OS_TEST(the_time_of_change_has_nanoseconds),
		cmocka_unit_test(the_own_path_is_this_program),
		cmocka_unit_test(pipes_and_sockets_are_closed_by_exec),
		cmocka_unit_test(an_accepted_connection_is_closed_by_exec_and_does_not_block),
		cmocka_unit_test(a_child_dies_with_its_parent),
		cmocka_unit_test(the_machine_is_described),
		cmocka_unit_test(a_process_is_told_from_a_later_one_with_its_number),
		cmocka_unit_test_setup_teardown(parts_that_were_never_written_have_no_data, setup,
						teardown),
		cmocka_unit_test(random_bytes_fill_all),
		cmocka_unit_test(sorting_has_a_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
