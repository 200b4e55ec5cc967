/*
 * The lines of a board, drawn in place on a terminal. A frame is one write over the last one, so
 * that nothing flickers; the cursor waits at the end of its last line.
 */
#ifndef FERRY_CLI_FRAME_CANVAS_H
#define FERRY_CLI_FRAME_CANVAS_H

#include "cli/frame/lines.h"

#include <stdio.h>

struct cli_canvas {
	FILE *out; /* a terminal; borrowed */
	bool colour;
	struct buf text; /* what stands there; the rest is of no use without lines */
	size_t widths[LINES_MOST];
	size_t count;       /* of lines; 0: nothing stands there */
	unsigned continued; /* cli_continued() then */
};
void cli_canvas_release(struct cli_canvas *c);

/* Nothing in a process of the background, which leaves the terminal to others. */
void cli_canvas_draw(struct cli_canvas *c, const struct cli_board *b);
/* Leaves the cursor where the first line began. */
void cli_canvas_erase(struct cli_canvas *c);

#endif
