/*
 * A count with its speed, in bytes or files.
 *
 * The rate is an average over the last seconds, so that it and the time left change smoothly. What
 * was there before does not count as fast.
 */
#ifndef FERRY_CLI_FRAME_GAUGE_H
#define FERRY_CLI_FRAME_GAUGE_H

#include "cli/frame/count.h"

struct cli_gauge {
	struct cli_count count;
	uint64_t rate_from; /* done at rate_at_ms */
	int64_t rate_at_ms;
	double rate; /* a second */
};

void cli_gauge_begin(struct cli_gauge *g, uint64_t total, uint64_t done, int64_t now_ms);
/* Negative takes back. */
void cli_gauge_advance(struct cli_gauge *g, int64_t amount);
/* Done, but not by work of now. */
void cli_gauge_skip(struct cli_gauge *g, uint64_t amount);
/* Measures the rate; at most twice a second, however often it is called. */
void cli_gauge_measure(struct cli_gauge *g, int64_t now_ms);
/* Seconds that are left; 0: unknown, or none. */
uint64_t cli_gauge_left_s(const struct cli_gauge *g);

#endif
