#include "util/child_pipe.h"

#include "unit.h"
#include "util/buf.h"
#include "util/mem.h"

#include <signal.h>

static struct child_pipe *shell(const char *script, uint64_t stall_s, const struct cancel *cancel)
{
	static const char *const set[] = { "MORE=given", NULL };
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct child_pipe_options o = {
		.argv = argv,
		.hide = "HIDDEN_",
		.set = set,
		.stall_s = stall_s,
		.cancel = cancel,
	};
	struct child_pipe *p = NULL;
	struct err e = ERR_INIT;
	assert_ok(child_pipe_open(&o, &p, &e), &e);
	return p;
}

/* Until the program closes its output. */
static char *read_all(struct child_pipe *p)
{
	struct buf b = BUF_INIT(MIB);
	struct err e = ERR_INIT;
	char data[100];
	size_t len;
	do {
		assert_ok(child_pipe_read(p, data, sizeof data, &len, &e), &e);
		buf_add(&b, data, len);
	} while (len);
	char *out = mem_strdup(buf_str(&b));
	buf_release(&b);
	return out;
}

static void what_is_written_is_answered(void **state)
{
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p = shell("read a; echo \"<$a>\"; "
								   "read b; echo \"<$b>\"; "
								   "echo oops >&2",
								   0, NULL);
	struct err e = ERR_INIT;
	char data[100];
	size_t len;
	(void)state;
	assert_ok(child_pipe_write(p, "one\n", 4, &e), &e);
	assert_ok(child_pipe_read(p, data, sizeof data, &len, &e), &e);
	assert_int_equal(len, 6);
	assert_memory_equal(data, "<one>\n", 6);
	assert_ok(child_pipe_write(p, "two\n", 4, &e), &e);
	CLEANUP(mem_free_ptr) char *rest = read_all(p);
	assert_string_equal(rest, "<two>\n");
	CLEANUP(mem_free_ptr) char *errors = child_pipe_errors(p);
	assert_string_equal(errors, "oops\n");
}

/* More than fits into the pipe, to a program that reads late. */
static void a_long_input_arrives_whole(void **state)
{
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p = shell("head -c 3000000 | wc -c", 0,
								   NULL);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(3000000);
	struct err e = ERR_INIT;
	(void)state;
	assert_ok(child_pipe_write(p, data, 3000000, &e), &e);
	CLEANUP(mem_free_ptr) char *text = read_all(p);
	assert_string_equal(text, "3000000\n");
}

static void the_environment_has_no_secrets(void **state)
{
	(void)state;
	setenv("GITHUB_TOKEN", "hush", 1);
	setenv("HIDDEN_DIR", "hush", 1);
	setenv("FERRY_PLAIN", "seen", 1);
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p = shell("env", 0, NULL);
	CLEANUP(mem_free_ptr) char *env = read_all(p);
	assert_null(strstr(env, "hush"));
	assert_non_null(strstr(env, "FERRY_PLAIN=seen"));
	assert_non_null(strstr(env, "MORE=given"));
}

static void writing_to_a_program_that_has_ended_is_no_signal(void **state)
{
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p = shell("exit 0", 0, NULL);
	CLEANUP(mem_free_ptr) char *rest = read_all(p);
	CLEANUP(mem_free_ptr) char *data = mem_alloc(MIB);
	struct err e = ERR_INIT;
	(void)state;
	assert_int_equal(child_pipe_write(p, data, MIB, &e), -ERR_NETWORK);
	assert_int_equal(e.cause, CAUSE_DROPPED);
}

static void a_program_that_is_silent_has_stalled(void **state)
{
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p = shell("read forever", 1, NULL);
	struct err e = ERR_INIT;
	char data[10];
	size_t len;
	(void)state;
	assert_int_equal(child_pipe_read(p, data, sizeof data, &len, &e), -ERR_NETWORK);
	assert_int_equal(e.cause, CAUSE_STALLED);
}

static void a_cancelled_program_is_killed(void **state)
{
	struct cancel cancel = CANCEL_INIT;
	struct child_pipe *p = shell("trap '' TERM; while :; do sleep 1000; done", 0, &cancel);
	struct err e = ERR_INIT;
	char data[10];
	size_t len;
	(void)state;
	cancel_ask(&cancel, SIGINT);
	assert_int_equal(child_pipe_read(p, data, sizeof data, &len, &e), -ERR_CANCELLED);
	child_pipe_close(p);
}

static void endless_messages_end_the_program(void **state)
{
	CLEANUP_PTR(child_pipe_close) struct child_pipe *p =
		shell("head -c 2000000 /dev/zero >&2; read forever", 0, NULL);
	struct err e = ERR_INIT;
	char data[10];
	size_t len;
	(void)state;
	assert_int_equal(child_pipe_read(p, data, sizeof data, &len, &e), -ERR_NETWORK);
	assert_non_null(strstr(e.text, "more than a megabyte"));
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	const char *argv[] = { "/bin/there-is-no-such-program", NULL };
	struct child_pipe_options o = { .argv = argv };
	struct child_pipe *p = NULL;
	struct err e = ERR_INIT;
	(void)state;
	assert_int_equal(child_pipe_open(&o, &p, &e), -ERR_NOT_FOUND);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_answered),
		cmocka_unit_test(a_long_input_arrives_whole),
		cmocka_unit_test(the_environment_has_no_secrets),
		cmocka_unit_test(writing_to_a_program_that_has_ended_is_no_signal),
		cmocka_unit_test(a_program_that_is_silent_has_stalled),
		cmocka_unit_test(a_cancelled_program_is_killed),
		cmocka_unit_test(endless_messages_end_the_program),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
