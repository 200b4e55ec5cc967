#include "cli/frame/internal.h"

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A terminal of 80 columns, and what is drawn on it. */
struct terminal {
	int screen;
	FILE *own;
	struct report *report;
	char text[4096];
};

static void terminal_open(struct terminal *t)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	setenv("TERM", "xterm", 1);
	t->screen = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(t->screen >= 0 && grantpt(t->screen) == 0 && unlockpt(t->screen) == 0);
	t->own = fopen(ptsname(t->screen), "r+");
	assert_non_null(t->own);
	assert_int_equal(ioctl(fileno(t->own), TIOCSWINSZ, &size), 0);
	t->report = cli_progress_new(t->own, PROGRESS_AUTO, false, 0, "ferry push");
}

/* A note is followed by the line as it is then. */
static const char *line_after_a_note(struct terminal *t)
{
	size_t len = 0;
	const char *note, *line = NULL;
	report_note(t->report, "now");
	while (len + 1 < sizeof t->text && (!line || !strstr(line, "GiB"))) {
		ssize_t got = read(t->screen, t->text + len, sizeof t->text - 1 - len);
		assert_true(got > 0);
		len += (size_t)got;
		t->text[len] = '\0';
		note = strstr(t->text, "now\r\n");
		line = note ? strrchr(note, '\r') : NULL;
	}
	return line + 1;
}

static void terminal_close(struct terminal *t)
{
	cli_progress_free(t->report);
	fclose(t->own);
	close(t->screen);
}

/* The name of the first of several tasks, which is long, has more need of the room than the bar. */
static void several_tasks_share_a_line_and_are_named(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t);
	report_begin(t.report, "push models-in-europe-west", GIB, GIB / 2);
	report_begin(t.report, "push b", GIB, GIB / 2);
	report_begin(t.report, "push c", 2 * GIB, 0);
	const char *line = line_after_a_note(&t);
	assert_non_null(strstr(line, "push models-in-europe-west and 2 more  [=="));
	assert_non_null(strstr(line, " 25 %  1.0 of 4.0 GiB"));
	assert_in_range(strlen(line), 60, 80);
	report_end(t.report, "push b", true);
	terminal_close(&t);
}

static void the_line_does_not_go_back_when_one_of_several_tasks_ends(void **state)
{
	(void)state;
	struct terminal t;
	terminal_open(&t);
	report_begin(t.report, "push a", GIB, 0);
	report_begin(t.report, "push b", 3 * GIB, 0);
	report_advance(t.report, "push a", GIB);
	report_advance(t.report, "push b", GIB);
	report_advance(t.report, "push b", -(int64_t)GIB / 2);
	report_end(t.report, "push a", true);
	const char *line = line_after_a_note(&t);
	assert_non_null(strstr(line, "push b  [=="));
	assert_non_null(strstr(line, " 50 %  2.0 of 4.0 GiB"));
	report_end(t.report, "push b", true);
	terminal_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_tasks_share_a_line_and_are_named),
		cmocka_unit_test(the_line_does_not_go_back_when_one_of_several_tasks_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
