#include "util/child.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int run_shell(const char *script, uint64_t timeout_s, struct child_result *r, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct child c = { .argv = argv, .timeout_s = timeout_s };
	return child_run(&c, r, e);
}

static void both_outputs_and_the_status_are_kept(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	assert_ok(run_shell("echo one; echo two >&2; exit 3", 0, &r, &e), &e);
	assert_string_equal(buf_str(&r.output), "one\ntwo\n");
	assert_false(child_ok(&r));
	char text[100];
	assert_string_equal(child_describe(&r, text, sizeof text), "ended with status 3");
}

static void of_long_output_the_head_and_the_end_are_kept(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	assert_ok(run_shell("echo first; i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo line $i "
			    "0123456789012345678901234567890123456789012345678901234567890123456789"
			    "; "
			    "done; echo last",
			    0, &r, &e),
		  &e);
	assert_true(child_ok(&r));
	assert_int_equal(strncmp(buf_str(&r.head), "first\nline 1 ", 13), 0);
	assert_true(r.output.len >= CHILD_OUTPUT && r.output.len <= 2 * CHILD_OUTPUT);
	assert_string_equal(buf_str(&r.output) + r.output.len - 5, "last\n");
}

static void credentials_are_not_handed_down(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	setenv("GITHUB_TOKEN", "hush", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "hush", 1);
	setenv("AWS_SESSION", "hush", 1);
	setenv("FERRY_PASSPHRASE", "hush", 1);
	setenv("FERRY_PLAIN", "seen", 1);
	assert_ok(run_shell("env", 0, &r, &e), &e);
	assert_null(strstr(buf_str(&r.output), "hush"));
	assert_non_null(strstr(buf_str(&r.output), "FERRY_PLAIN=seen"));
}

static void signals_are_explained(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	char text[200];
	assert_ok(run_shell("kill -ABRT $$", 0, &r, &e), &e);
	assert_non_null(strstr(child_describe(&r, text, sizeof text), "SIGABRT"));
}

static void a_missing_program_is_an_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct child_result r = { 0 };
	char *dir = scratch_new();
	CLEANUP(mem_free_ptr) char *tool = path_join(dir, "tool");
	CLEANUP(mem_free_ptr) char *message = mem_printf("cannot run %s", tool);
	const char *argv[] = { tool, NULL };
	struct child c = { .argv = argv };
	assert_int_equal(child_run(&c, &r, &e), -ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, message));
	scratch_free(dir);
}

static void what_takes_too_long_is_ended(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	assert_ok(run_shell("sleep 100", 1, &r, &e), &e);
	assert_true(r.timed_out);
	assert_false(child_ok(&r));
}

/* A grandchild that outlives the program must not hold this one up, nor live on. */
static void what_the_program_leaves_running_is_ended(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	CLEANUP(child_result_release) struct child_result r = { 0 };
	assert_ok(run_shell("sleep 1000 & echo $!", 0, &r, &e), &e);
	pid_t left = (pid_t)atoi(buf_str(&r.output));
	assert_true(left > 1);
	for (int i = 0; i < 90000 && kill(left, 0) == 0; i++) {
		/* As a zombie it still has a number until init takes it. */
		char path[64], stat[256] = "";
		snprintf(path, sizeof path, "/proc/%d/stat", (int)left);
		FILE *f = fopen(path, "r");
		if (!f)
			return;
		size_t n = fread(stat, 1, sizeof stat - 1, f);
		fclose(f);
		if (n && strstr(stat, ") Z "))
			return;
		usleep(10000);
	}
	assert_int_equal(kill(left, 0), -1);
}

static void cancelling_ends_the_whole_group(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct child_result r = { 0 };
	struct cancel stop = CANCEL_INIT;
	const char *argv[] = { "/bin/sh", "-c", "sleep 100 & sleep 100", NULL };
	struct child c = { .argv = argv, .cancel = &stop };
	cancel_ask(&stop, SIGTERM);
	assert_int_equal(child_run(&c, &r, &e), -ERR_CANCELLED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_outputs_and_the_status_are_kept),
		cmocka_unit_test(of_long_output_the_head_and_the_end_are_kept),
		cmocka_unit_test(credentials_are_not_handed_down),
		cmocka_unit_test(signals_are_explained),
		cmocka_unit_test(a_missing_program_is_an_error),
		cmocka_unit_test(what_takes_too_long_is_ended),
		cmocka_unit_test(what_the_program_leaves_running_is_ended),
		cmocka_unit_test(cancelling_ends_the_whole_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
