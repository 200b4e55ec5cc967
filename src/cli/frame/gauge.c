#include "cli/frame/gauge.h"

#define MEASURE_EVERY_MS 500
#define RATE_WINDOW_MS 4000
/* A time longer than this says only that nothing comes. */
#define LEFT_MOST_S (100.0 * 86400)

void cli_gauge_begin(struct cli_gauge *g, uint64_t total, uint64_t done, int64_t now_ms)
{
	*g = (struct cli_gauge){ .rate_at_ms = now_ms, .rate_from = done };
	cli_count_begin(&g->count, total, done);
}

void cli_gauge_advance(struct cli_gauge *g, int64_t amount)
{
	cli_count_advance(&g->count, amount);
	g->rate_from = MIN(g->rate_from, g->count.done);
}

void cli_gauge_skip(struct cli_gauge *g, uint64_t amount)
{
	uint64_t before = g->count.done;
	cli_count_advance(&g->count, (int64_t)MIN(amount, (uint64_t)INT64_MAX));
	g->rate_from += g->count.done - before;
}

void cli_gauge_measure(struct cli_gauge *g, int64_t now_ms)
{
	int64_t span = now_ms - g->rate_at_ms;
	if (span < MEASURE_EVERY_MS)
		return;
	double fresh = (double)(g->count.done - g->rate_from) * 1000 / (double)span;
	double weight = MIN(1.0, (double)span / RATE_WINDOW_MS);
	g->rate = g->rate > 0 ? g->rate + (fresh - g->rate) * weight : fresh;
	g->rate_at_ms = now_ms;
	g->rate_from = g->count.done;
}

uint64_t cli_gauge_left_s(const struct cli_gauge *g)
{
	const struct cli_count *c = &g->count;
	if (c->total <= c->done || g->rate < 1)
		return 0;
	double left = (double)(c->total - c->done) / g->rate;
	return left < LEFT_MOST_S ? (uint64_t)(left + 0.99) : 0;
}
