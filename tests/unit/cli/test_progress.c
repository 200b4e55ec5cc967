#include "cli/frame/internal.h"

#include "screen.h"
#include "unit.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* A terminal, and what is drawn on it. */
struct terminal {
	int screen;
	FILE *own;
	struct report *report;
	struct screen shown;
};

static void terminal_resize(struct terminal *t, unsigned short columns, unsigned short rows)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	assert_int_equal(ioctl(fileno(t->own), TIOCSWINSZ, &size), 0);
	t->shown.columns = columns;
}

static void terminal_open(struct terminal *t, unsigned short columns)
{
	*t = (struct terminal){ 0 };
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	t->screen = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(t->screen >= 0 && grantpt(t->screen) == 0 && unlockpt(t->screen) == 0);
	t->own = fopen(ptsname(t->screen), "r+");
	assert_non_null(t->own);
	screen_init(&t->shown, columns);
	terminal_resize(t, columns, 24);
	t->report = cli_progress_new(t->own, PROGRESS_AUTO, false, 0, "ferry push");
}

/* Reads until `what` stands on the screen; returns all of it, which the caller frees. */
static char *terminal_shows(struct terminal *t, const char *what)
{
	char data[4096];
	char *text = screen_text(&t->shown);
	while (!strstr(text, what)) {
		ssize_t got = read(t->screen, data, sizeof data);
		assert_true(got > 0);
		screen_write(&t->shown, data, (size_t)got);
		free(text);
		text = screen_text(&t->shown);
	}
	return text;
}

/* What stands there after a note, which is followed by the display as it is then, and `last` is
 * its last line, or part of it. */
static void assert_shown_after_a_note(struct terminal *t, const char *note, const char *last,
				      const char *expected)
{
	report_note(t->report, "%s", note);
	free(terminal_shows(t, note));
	char *text = terminal_shows(t, last);
	assert_string_equal(strstr(text, note) + strlen(note) + 1, expected);
	free(text);
}

/* Nothing but the messages is left when all is done. */
static void assert_clean_at_the_end(struct terminal *t, const char *expected)
{
	cli_progress_free(t->report);
	fputs("the end\n", t->own);
	fflush(t->own);
	char *text = terminal_shows(t, "the end\n");
	assert_string_equal(text, expected);
	free(text);
	fclose(t->own);
	close(t->screen);
}

static void several_tasks_have_a_line_each_and_one_for_all(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	report_begin(t.report, "push models-in-europe-west", GIB, GIB / 2);
	report_begin(t.report, "push b", GIB, GIB / 2);
	report_begin(t.report, "push c", 2 * GIB, 0);
	assert_shown_after_a_note(&t, "now", "of 4.0 GiB",
				  "push models-in-europe-west   50 %  0.5 of 1.0 GiB\n"
				  "push b                       50 %  0.5 of 1.0 GiB\n"
				  "push c                        0 %  0.0 of 2.0 GiB\n"
				  "all                          25 %  1.0 of 4.0 GiB\n");
	assert_clean_at_the_end(&t, "ferry push: now\nthe end\n");
}

static void the_whole_does_not_go_back_when_one_of_several_tasks_ends(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	report_begin(t.report, "push a", GIB, 0);
	report_begin(t.report, "push b", 3 * GIB, 0);
	report_advance(t.report, "push a", GIB);
	report_advance(t.report, "push b", GIB);
	report_advance(t.report, "push b", -(int64_t)GIB / 2);
	report_end(t.report, "push a", true);
	assert_shown_after_a_note(&t, "now", "of 4.0 GiB",
				  "push b  [======              ]   33 %  1.0 of 3.0 GiB\n"
				  "all     [==========          ]   50 %  2.0 of 4.0 GiB\n");
	report_end(t.report, "push b", true);
	assert_clean_at_the_end(&t, "ferry push: now\nthe end\n");
}

static void a_mirror_is_shown_with_what_it_sent_and_its_state(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	report_whole(t.report, 2, 2 * GIB);
	report_begin(t.report, "a.gguf", GIB, 0);
	report_source(t.report, "eu", GIB / 2, "");
	report_source(t.report, "us", GIB / 2, "slow");
	report_source(t.report, "us", -(int64_t)GIB / 4, "banned");
	report_advance(t.report, "a.gguf", GIB / 2);
	assert_shown_after_a_note(&t, "now", "of 2.0 GiB",
				  "a.gguf        [=========         ]   50 %  0.5 of 1.0 GiB\n"
				  "  eu                                 67 %         512 MiB\n"
				  "  us                                 33 %         512 MiB       "
				  "      banned\n"
				  "0 of 2 files  [====              ]   25 %  0.5 of 2.0 GiB\n");
	report_end(t.report, "a.gguf", true);
	assert_shown_after_a_note(&t, "then", "of 2.0 GiB",
				  "  eu                                 67 %         512 MiB\n"
				  "  us                                 33 %         512 MiB       "
				  "      banned\n"
				  "1 of 2 files  [=========         ]   50 %  1.0 of 2.0 GiB\n");
	assert_clean_at_the_end(&t, "ferry push: now\nferry push: then\nthe end\n");
}

static void a_narrower_terminal_is_filled_anew(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	report_begin(t.report, "push a", GIB, 0);
	report_begin(t.report, "push b", GIB, GIB / 2);
	free(terminal_shows(&t, "of 2.0 GiB"));
	terminal_resize(&t, 79, 3);
	report_begin(t.report, "push c", 2 * GIB, 0);
	assert_shown_after_a_note(&t, "now", "of 4.0 GiB",
				  "and 3 more\n"
				  "all         [==                 ]   12 %  0.5 of 4.0 GiB\n");
	assert_clean_at_the_end(&t, "ferry push: now\nthe end\n");
}

static void an_error_takes_the_place_of_the_display(void **state)
{
	(void)state;
	struct terminal t;
	struct err e = ERR_INIT;
	terminal_open(&t, 80);
	report_begin(t.report, "push a", GIB, 0);
	report_begin(t.report, "push b", GIB, GIB / 2);
	free(terminal_shows(&t, "of 2.0 GiB"));
	err_set(&e, ERR_CANCELLED, "stopped");
	assert_false(cli_progress_tell(t.report, &e));
	report_note(t.report, "the result");
	assert_clean_at_the_end(&t, "ferry push: the result\nthe end\n");
}

/* While a result is printed, other threads may still work. */
static void nothing_is_drawn_while_something_else_is_printed(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	report_begin(t.report, "push a", GIB, 0);
	free(terminal_shows(&t, "of 1.0 GiB"));
	cli_progress_hold(t.report);
	fputs("a result ", t.own);
	fflush(t.own);
	report_advance(t.report, "push a", GIB / 2);
	report_begin(t.report, "push b", GIB, GIB / 2);
	fputs("in two parts\n", t.own);
	fflush(t.own);
	cli_progress_go_on(t.report);
	char *text = terminal_shows(&t, "of 2.0 GiB");
	assert_string_equal(text, "a result in two parts\n"
				  "push a  [==========          ]   50 %  0.5 of 1.0 GiB\n"
				  "push b  [==========          ]   50 %  0.5 of 1.0 GiB\n"
				  "all     [==========          ]   50 %  1.0 of 2.0 GiB\n");
	free(text);
	assert_clean_at_the_end(&t, "a result in two parts\nthe end\n");
}

/* Ctrl-Z, and fg. */
static void after_a_stop_it_is_drawn_below_what_others_wrote(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	(void)cli_signals();
	report_begin(t.report, "push a", GIB, 0);
	report_begin(t.report, "push b", GIB, GIB / 2);
	free(terminal_shows(&t, "of 2.0 GiB"));
	fputs("\n$ fg\n", t.own);
	fflush(t.own);
	raise(SIGCONT);
	report_advance(t.report, "push a", GIB / 2);
	char *text = terminal_shows(&t, "1.0 of 2.0 GiB");
	assert_non_null(strstr(text, "of 2.0 GiB\n$ fg\npush a  [==========          ]   50 %"));
	free(text);
	cli_progress_free(t.report);
	fclose(t.own);
	close(t.screen);
}

static void a_run_of_several_files_ends_with_one_line(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t, 80);
	cli_progress_free(t.report);
	t.report = cli_progress_new(t.own, PROGRESS_AUTO, false, 1, "ferry fetch");
	report_whole(t.report, 2, 4 * GIB);
	report_begin(t.report, "a", GIB, GIB / 2);
	report_advance(t.report, "a", GIB / 2);
	report_end(t.report, "a", true);
	report_begin(t.report, "b", 3 * GIB, 0);
	report_advance(t.report, "b", 3 * GIB);
	report_end(t.report, "b", true);
	free(terminal_shows(&t, "ferry fetch: 2 files: 3.5 GiB in 0s ("));
	report_begin(t.report, "./copy", GIB, 0);
	assert_shown_after_a_note(&t, "now", "of 1.0 GiB",
				  "./copy  [                    ]    0 %  0.0 of 1.0 GiB\n");
	cli_progress_free(t.report);
	fclose(t.own);
	close(t.screen);
}

static void waiting_is_shown_when_it_takes_long(void **state)
{
	struct terminal t;
	(void)state;
	terminal_open(&t, 80);
	report_wait(t.report, "the metadata of demo");
	free(terminal_shows(&t, "waiting for the metadata of demo"));
	report_waited(t.report, "the metadata of demo");
	report_note(t.report, "done");
	char *text = terminal_shows(&t, "done");
	assert_null(strstr(text, "waiting"));
	free(text);
	cli_progress_free(t.report);
	fclose(t.own);
	close(t.screen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waiting_is_shown_when_it_takes_long),
		cmocka_unit_test(several_tasks_have_a_line_each_and_one_for_all),
		cmocka_unit_test(the_whole_does_not_go_back_when_one_of_several_tasks_ends),
		cmocka_unit_test(a_mirror_is_shown_with_what_it_sent_and_its_state),
		cmocka_unit_test(a_narrower_terminal_is_filled_anew),
		cmocka_unit_test(an_error_takes_the_place_of_the_display),
		cmocka_unit_test(nothing_is_drawn_while_something_else_is_printed),
		cmocka_unit_test(after_a_stop_it_is_drawn_below_what_others_wrote),
		cmocka_unit_test(a_run_of_several_files_ends_with_one_line),
	};
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
