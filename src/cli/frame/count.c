#include "cli/frame/count.h"

void cli_count_begin(struct cli_count *c, uint64_t total, uint64_t done)
{
	*c = (struct cli_count){ .total = total };
	cli_count_advance(c, (int64_t)MIN(done, (uint64_t)INT64_MAX));
}

void cli_count_advance(struct cli_count *c, int64_t amount)
{
	if (amount < 0)
		c->done -= MIN(c->done, -(uint64_t)amount);
	else if (!add_u64(c->done, (uint64_t)amount, &c->done))
		c->done = UINT64_MAX;
	c->shown = MAX(c->shown, c->total ? MIN(c->done, c->total) : c->done);
}

unsigned cli_count_percent(const struct cli_count *c)
{
	return c->shown >= c->total ? 100 : (unsigned)((double)c->shown * 100 / (double)c->total);
}
