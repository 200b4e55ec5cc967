/* The display as text, as a person sees it. */
#include "cli/frame/lines.h"
#include "cli/frame/output.h"

#include "unit.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct cli_board *b, const char *task, uint64_t total, uint64_t done)
{
	cli_board_apply(b,
			&(struct report_event){ .kind = REPORT_BEGIN,
						.task = task,
						.total = total,
						.bytes = (int64_t)done },
			0);
}

static void advance(struct cli_board *b, const char *task, uint64_t bytes)
{
	cli_board_apply(b,
			&(struct report_event){
				.kind = REPORT_ADVANCE, .task = task, .bytes = (int64_t)bytes },
			0);
}

static void source(struct cli_board *b, const char *id, uint64_t bytes, const char *state)
{
	cli_board_apply(b,
			&(struct report_event){ .kind = REPORT_SOURCE,
						.source = id,
						.bytes = (int64_t)bytes,
						.state = state },
			0);
}

static void whole(struct cli_board *b, size_t files, uint64_t bytes)
{
	cli_board_apply(b,
			&(struct report_event){
				.kind = REPORT_WHOLE, .count = files, .total = bytes },
			0);
}

/* The lines; each is as wide as it was said to be, and leaves three columns free. */
static char *drawn(const struct cli_board *b, size_t columns, size_t rows)
{
	const struct cli_screen screen = { .columns = columns, .rows = rows };
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	struct buf out = BUF_INIT(MIB);
	size_t widths[LINES_MOST];
	cli_lines(b, &screen, &lines, widths);
	assert_in_range(lines.count, 1, MIN(LINES_MOST, rows > 2 ? rows - 1 : 1));
	for (size_t i = 0; i < lines.count; i++) {
		assert_int_equal(widths[i], cli_width(lines.at[i]));
		assert_true(widths[i] + 3 <= MAX(columns, 8u));
		buf_addf(&out, "%s\n", lines.at[i]);
	}
	return buf_steal(&out);
}

static void assert_drawn(const struct cli_board *b, size_t columns, size_t rows, const char *text)
{
	char *got = drawn(b, columns, rows);
	assert_string_equal(got, text);
	free(got);
}

static void three_shards(struct cli_board *b)
{
	whole(b, 3, 6 * GIB);
	begin(b, "phi-2-00001-of-00003.gguf", 2 * GIB, 0);
	begin(b, "phi-2-00002-of-00003.gguf", 2 * GIB, GIB / 2);
	advance(b, "phi-2-00001-of-00003.gguf", GIB);
	advance(b, "phi-2-00002-of-00003.gguf", GIB / 4);
	source(b, "eu-west", GIB, NULL);
	source(b, "us-east", GIB / 4, "slow");
	source(b, "cdn", 0, "banned");
	source(b, "cdn", 0, "");
	cli_board_measure(b, 5000);
}

static void files_and_mirrors_have_a_line_each_on_80_columns(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	three_shards(&b);
	assert_drawn(&b, 80, 24,
		     "phi-2-00001-of-00003.gguf   50 %  1.0 of 2.0 GiB   205 MiB/s  ETA 5s\n"
		     "phi-2-00002-of-00003.gguf   37 %  0.8 of 2.0 GiB  51.2 MiB/s  ETA 25s\n"
		     "  eu-west                   80 %         1.0 GiB   205 MiB/s\n"
		     "  us-east                   20 %         256 MiB  51.2 MiB/s  slow\n"
		     "  cdn                        0 %             0 B              banned\n"
		     "0 of 3 files                29 %  1.8 of 6.0 GiB   256 MiB/s  ETA 17s\n");
}

static void there_are_bars_where_the_room_is(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	three_shards(&b);
	assert_drawn(&b, 100, 24,
		     "phi-2-00001-of-00003.gguf  [==========          ]   50 %  1.0 of 2.0 GiB   "
		     "205 MiB/s  ETA 5s\n"
		     "phi-2-00002-of-00003.gguf  [=======             ]   37 %  0.8 of 2.0 GiB  "
		     "51.2 MiB/s  ETA 25s\n"
		     "  eu-west                                           80 %         1.0 GiB   "
		     "205 MiB/s\n"
		     "  us-east                                           20 %         256 MiB  "
		     "51.2 MiB/s  slow\n"
		     "  cdn                                                0 %             0 B     "
		     " "
		     "        banned\n"
		     "0 of 3 files               [=====               ]   29 %  1.8 of 6.0 GiB   "
		     "256 MiB/s  ETA 17s\n");
}

static void forty_columns_show_the_essential(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	three_shards(&b);
	assert_drawn(&b, 40, 24,
		     "phi-2-00…f-00003.gguf   50 %  ETA 5s\n"
		     "phi-2-00…f-00003.gguf   37 %  ETA 25s\n"
		     "  eu-west               80 %\n"
		     "  us-east               20 %  slow\n"
		     "  cdn                    0 %  banned\n"
		     "0 of 3 files            29 %  ETA 17s\n");
}

static void a_low_terminal_keeps_the_whole_and_says_how_many_more(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	three_shards(&b);
	begin(&b, "phi-2-00003-of-00003.gguf", 2 * GIB, 0);
	assert_drawn(&b, 80, 6,
		     "phi-2-00001-of-00003.gguf   50 %  1.0 of 2.0 GiB  205 MiB/s  ETA 5s\n"
		     "and 2 more\n"
		     "  eu-west                   80 %         1.0 GiB  205 MiB/s\n"
		     "  and 2 more\n"
		     "0 of 3 files                29 %  1.8 of 6.0 GiB  256 MiB/s  ETA 17s\n");
	assert_drawn(&b, 80, 2,
		     "0 of 3 files  [=====             ]   29 %  1.8 of 6.0 GiB  256 MiB/s  "
		     "ETA 17s\n");
}

static void one_file_from_one_mirror_takes_two_lines(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	whole(&b, 1, 2 * GIB);
	begin(&b, "phi-2.gguf", 2 * GIB, 0);
	advance(&b, "phi-2.gguf", GIB);
	source(&b, "main", GIB, NULL);
	assert_drawn(&b, 80, 24,
		     "phi-2.gguf  [==========          ]   50 %  1.0 of 2.0 GiB\n"
		     "  main                              100 %         1.0 GiB\n");
}

static void no_size_of_a_terminal_wraps_a_line(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	three_shards(&b);
	begin(&b, "模型-大きい-q4_k_m-00003-of-00003.gguf", 2 * GIB, 0);
	for (size_t columns = 1; columns < 130; columns++)
		for (size_t rows = 1; rows < 12; rows++)
			free(drawn(&b, columns, rows));
}

static void wide_and_combining_characters_take_the_columns_that_they_have(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	whole(&b, 2, 2 * GIB);
	begin(&b, "模型.gguf", GIB, GIB / 2);
	begin(&b, "me\xcc\x81lange.gguf", GIB, GIB / 2);
	assert_drawn(&b, 80, 24,
		     "模型.gguf     [=========         ]   50 %  0.5 of 1.0 GiB\n"
		     "me\xcc\x81lange.gguf  [=========         ]   50 %  0.5 of 1.0 GiB\n"
		     "0 of 2 files  [=========         ]   50 %  1.0 of 2.0 GiB\n");
}

static void a_name_that_is_cut_keeps_characters_whole(void **state)
{
	(void)state;
	static const struct {
		const char *text, *cut;
		size_t width;
	} cases[] = {
		{ "model-00001-of-00003.gguf", "mod…3.gguf", 10 },
		{ "short", "short", 5 },
		{ "模型模型模型", "模…模型", 8 },
		{ "ae\xcc\x81"
		  "bcdefghij",
		  "ae\xcc\x81…hij", 6 },
		{ "abcde\xcc\x81"
		  "fgh",
		  "a…fgh", 5 },
		{ "abc", "", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *cut = cli_cut(cases[i].text, cases[i].width);
		assert_string_equal(cut, cases[i].cut);
		free(cut);
	}
}

static void nothing_exceeds_its_total(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	whole(&b, 2, 2 * GIB);
	begin(&b, "a", GIB, GIB / 2);
	advance(&b, "a", 3 * GIB);
	assert_drawn(&b, 80, 24,
		     "a             [==================]  100 %  1.0 of 1.0 GiB\n"
		     "0 of 2 files  [==================]  100 %  2.0 of 2.0 GiB\n");
}

static void control_characters_of_names_are_escaped(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	begin(&b, "a\033[2J", 0, 0);
	source(&b, "eu\n", 5, "slow");
	char *text = drawn(&b, 80, 24);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "a\\x1b[2J"));
	free(text);
}

static void states_are_coloured_only_where_there_is_colour(void **state)
{
	(void)state;
	CLEANUP(cli_board_release) struct cli_board b = { 0 };
	const struct cli_screen screen = { .columns = 80, .rows = 24, .colour = true };
	CLEANUP(str_list_release) struct str_list lines = { 0 };
	size_t widths[LINES_MOST];
	three_shards(&b);
	cli_lines(&b, &screen, &lines, widths);
	assert_null(strstr(lines.at[2], "\033["));
	assert_non_null(strstr(lines.at[3], "\033[33mslow\033[m"));
	assert_non_null(strstr(lines.at[4], "\033[1;31mbanned\033[m"));
	char *plain = drawn(&b, 80, 24);
	assert_null(strchr(plain, '\033'));
	free(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_mirrors_have_a_line_each_on_80_columns),
		cmocka_unit_test(there_are_bars_where_the_room_is),
		cmocka_unit_test(forty_columns_show_the_essential),
		cmocka_unit_test(a_low_terminal_keeps_the_whole_and_says_how_many_more),
		cmocka_unit_test(one_file_from_one_mirror_takes_two_lines),
		cmocka_unit_test(no_size_of_a_terminal_wraps_a_line),
		cmocka_unit_test(wide_and_combining_characters_take_the_columns_that_they_have),
		cmocka_unit_test(a_name_that_is_cut_keeps_characters_whole),
		cmocka_unit_test(nothing_exceeds_its_total),
		cmocka_unit_test(control_characters_of_names_are_escaped),
		cmocka_unit_test(states_are_coloured_only_where_there_is_colour),
	};
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
