#include "limit/gcra.h"

#define US_S 1e6
/* A unit counts as free if only this much of it is missing, which is rounding. */
#define ROUNDING 1e-6

static double start(double tat_us, double now_us)
{
	return tat_us > now_us ? tat_us : now_us;
}

uint64_t gcra_free(const struct gcra *g, double tat_us, double now_us)
{
	double ahead = (start(tat_us, now_us) - now_us) * g->rate_s / US_S;
	double units = g->burst - ahead + ROUNDING;
	return units >= 1 ? (uint64_t)units : 0;
}

void gcra_take(const struct gcra *g, double *tat_us, double now_us, uint64_t units)
{
	*tat_us = start(*tat_us, now_us) + (double)units * US_S / g->rate_s;
}

double gcra_wait_us(const struct gcra *g, double tat_us, double now_us, uint64_t units)
{
	double wanted = (double)units < g->burst ? (double)units : g->burst;
	double wait = start(tat_us, now_us) - now_us - (g->burst - wanted) * US_S / g->rate_s;
	return wait > 0 ? wait : 0;
}
