#include "util/rate.h"

#include <stdatomic.h>

/* Shorter waits cost more than they help. */
#define SHORTEST_MS 20

int rate_take(struct rate *r, uint64_t bytes, const struct cancel *cancel, struct err *e)
{
	if (rate_limit(r) == 0)
		return 0;
	uint64_t now = clock_now_us(r->clock), due = atomic_load(&r->due_us), mine;
	do
		mine = MAX(due, now) + bytes * 1000000 / r->bytes_per_s;
	while (!atomic_compare_exchange_weak(&r->due_us, &due, mine));
	uint64_t ahead_ms = (mine - now) / 1000;
	return ahead_ms < SHORTEST_MS ? 0 : clock_sleep_ms(r->clock, ahead_ms, cancel, e);
}
