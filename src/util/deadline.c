#include "util/deadline.h"

#include <signal.h>

/* The signal with which the token ends. */
static int ends(void *ctx)
{
	const struct deadline *d = ctx;
	return clock_now_us(d->clock) >= d->end_us ? SIGALRM : 0;
}

void deadline_start(struct deadline *d, uint64_t ms, const struct clock *clock,
		    const struct cancel *also)
{
	uint64_t us, end_us = UINT64_MAX;
	if (ms && (!mul_u64(ms, 1000, &us) || !add_u64(clock_now_us(clock), us, &end_us)))
		end_us = UINT64_MAX;
	*d = (struct deadline){ .clock = clock, .end_us = end_us };
	d->cancel.also = also;
	d->cancel.asks = ends;
	d->cancel.ctx = d;
}

uint64_t deadline_left_ms(const struct deadline *d)
{
	if (!d || d->end_us == UINT64_MAX)
		return UINT64_MAX;
	uint64_t now_us = clock_now_us(d->clock);
	return now_us < d->end_us ? (d->end_us - now_us + 999) / 1000 : 0;
}

bool deadline_passed(const struct deadline *d)
{
	return deadline_left_ms(d) == 0 && !cancel_signal(d->cancel.also);
}
