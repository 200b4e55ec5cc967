/*
 * The Generic Cell Rate Algorithm: of a client, one number is kept: the time at which it has used
 * up what it may have (theoretical arrival time). Pure functions.
 *
 * Prefixes: gcra_.
 */
#ifndef FERRY_LIMIT_GCRA_H
#define FERRY_LIMIT_GCRA_H

#include "util/base.h"

struct gcra {
	double rate_s; /* units a second; more than 0 */
	double burst;  /* units that may come at once; at least 1 */
};

/* Units that are free now. */
uint64_t gcra_free(const struct gcra *g, double tat_us, double now_us);
/* Takes so many, whether they are free or not. */
void gcra_take(const struct gcra *g, double *tat_us, double now_us, uint64_t units);
/* Microseconds until so many are free; 0: they are. More than the burst: until the burst is. */
double gcra_wait_us(const struct gcra *g, double tat_us, double now_us, uint64_t units);

#endif
