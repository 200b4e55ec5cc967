/*
 * The display as lines of text: one for each running task and each mirror that is used, and one for
 * the whole at the end.
 *
 *   phi-2-00001-of-00003.gguf  [===       ]   45 %  1.2 of 2.6 GiB  210 MiB/s  ETA 7s
 *   phi-2-00002-of-00003.gguf  [=         ]   12 %  0.3 of 2.6 GiB  100 MiB/s  ETA 24s
 *     eu-west                                 66 %         1.0 GiB  210 MiB/s
 *     us-east                                 34 %         0.5 GiB  100 MiB/s  slow
 *   1 of 3 files               [==        ]   20 %  1.5 of 7.8 GiB  310 MiB/s  ETA 21s
 *
 * Percent come first when the room is short, then some of the name, then the other columns from
 * right to left, then the whole name, then a bar.
 */
#ifndef FERRY_CLI_FRAME_LINES_H
#define FERRY_CLI_FRAME_LINES_H

#include "cli/frame/board.h"
#include "util/buf.h"
#include "util/text.h"

struct cli_screen {
	size_t columns, rows;
	bool colour;
};

/* Appends at most rows - 1 lines (but one at least), each of at most columns - 3 columns, so that
 * the terminal wraps none of them, even if it echoes ^C behind the last. widths: of each line, in
 * columns, for lines->count of them at most; at least LINES_MOST. */
#define LINES_MOST 24
void cli_lines(const struct cli_board *b, const struct cli_screen *screen, struct str_list *lines,
	       size_t widths[LINES_MOST]);

/* " 45 %  1.2 of 2.6 GiB  310 MiB/s  ETA 5s", for a line of its own. */
void cli_lines_describe(struct buf *out, const struct cli_gauge *g, bool files);
/* "2 of 3 files", or "all" of a run that was not announced. */
void cli_lines_whole_name(struct buf *out, const struct cli_board *b);

#endif
