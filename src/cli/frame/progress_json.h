/* Events as lines of JSON (--progress=json): see PROGRESS in ferry(1). */
#ifndef FERRY_CLI_FRAME_PROGRESS_JSON_H
#define FERRY_CLI_FRAME_PROGRESS_JSON_H

#include "cli/frame/board.h"
#include "util/err.h"

#include <stdio.h>

/* An event that the board has followed already, unless it is END. Of what advances, a few lines a
 * second are written for each task and mirror. */
void cli_progress_json(FILE *out, struct cli_board *b, const struct report_event *ev,
		       int64_t now_ms);
/* {"event": "error", …} */
void cli_progress_json_error(FILE *out, const struct err *e);

#endif
