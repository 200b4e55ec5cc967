/*
 * What is counted of a task, in bytes or files.
 *
 * What is taken back (a piece that arrived damaged, a part that is sent again) is done once more.
 * What is shown meanwhile stays where it was: it never goes backward, and never beyond the total.
 */
#ifndef FERRY_CLI_FRAME_COUNT_H
#define FERRY_CLI_FRAME_COUNT_H

#include "util/base.h"

struct cli_count {
	uint64_t total; /* 0: unknown */
	uint64_t done;
	uint64_t shown; /* the most that was done so far, at most total if that is known */
};

void cli_count_begin(struct cli_count *c, uint64_t total, uint64_t done);
/* Negative takes back. */
void cli_count_advance(struct cli_count *c, int64_t amount);
/* Of `shown`; 100 if the total is unknown. */
unsigned cli_count_percent(const struct cli_count *c);

#endif
