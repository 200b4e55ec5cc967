/*
 * What the display shows: the running tasks, the mirrors that give their bytes, and the whole. It
 * follows the events of a report, and draws nothing.
 */
#ifndef FERRY_CLI_FRAME_BOARD_H
#define FERRY_CLI_FRAME_BOARD_H

#include "cli/frame/gauge.h"
#include "util/report.h"

#define BOARD_STATE_MAX 16

struct cli_task {
	char *name;
	bool files; /* what is counted, else bytes */
	struct cli_gauge gauge;
	uint64_t before; /* done before this run */
	int64_t began_ms, told_ms;
};

struct cli_source {
	char *id;
	struct cli_gauge gauge;
	char state[BOARD_STATE_MAX]; /* "": it is active */
	int64_t told_ms;
};

struct cli_board {
	struct cli_task *tasks; /* running, in the order in which they began */
	size_t count, cap;
	struct cli_source *sources;
	size_t source_count, source_cap;
	/* All tasks since the last moment without one, or those of a run that was announced with
	 * REPORT_WHOLE. */
	struct cli_gauge whole;
	bool whole_files; /* what is counted */
	size_t announced; /* files of the run; 0: it was not announced */
	size_t ended;     /* tasks of the whole that succeeded or failed */
	uint64_t before;  /* of the whole: done before this run */
	int64_t began_ms, told_ms;
	/* Of REPORT_WAIT: what is waited for, if nothing else goes on; since when; for how many. */
	char *wait;
	int64_t wait_ms, now_ms;
	size_t waits;
};
void cli_board_release(struct cli_board *b);

/* Is something waited for, for so long that it is to be said, and nothing else goes on? */
#define BOARD_WAIT_MS 1000
bool cli_board_waits(const struct cli_board *b, int64_t now_ms);
/* Does it have more than one task, so that the whole is worth a line? */
bool cli_board_has_whole(const struct cli_board *b);
/* Have all files of a run ended that was announced with several? */
bool cli_board_is_over(const struct cli_board *b);
/* NULL: it is not running. */
struct cli_task *cli_board_task(const struct cli_board *b, const char *name);
struct cli_source *cli_board_source(const struct cli_board *b, const char *id);
/* Every kind but END, and those with a text, which change nothing. */
void cli_board_apply(struct cli_board *b, const struct report_event *ev, int64_t now_ms);
/* END of this task, which is freed. */
void cli_board_end(struct cli_board *b, struct cli_task *t, bool ok);
/* Measures all rates. */
void cli_board_measure(struct cli_board *b, int64_t now_ms);
/* The part of all bytes of the mirrors, in percent. */
unsigned cli_board_share(const struct cli_board *b, const struct cli_source *s);

#endif
