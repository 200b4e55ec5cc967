/*
 * cost: what storage, requests and traffic cost in a month, from sizes, counts and prices.
 *
 * What always holds here:
 *  - money is a whole number of nano-units (settings/cost.h). What an amount costs is rounded once,
 *    half up; sums are exact;
 *  - nothing wraps around: what does not fit is COST_MAX, "more than can be counted";
 *  - nothing is opened or asked, and no price is known that has no source.
 */
#ifndef FERRY_COST_COST_H
#define FERRY_COST_COST_H

#include "settings/cost.h"

#define COST_MAX UINT64_MAX

/* Of a mirror in a month. */
struct cost_usage {
	uint64_t stored;        /* bytes, all month */
	uint64_t writes, reads; /* requests */
	uint64_t egress;        /* bytes, to readers */
};

struct cost_bill {
	uint64_t storage, writes, reads, egress, total;
};

/* What `amount` bytes or requests cost, if the prices of the scale are for `unit` of them. */
uint64_t cost_of(const struct settings_cost_scale *s, uint64_t amount, uint64_t unit,
		 bool round_up);
void cost_bill(const struct settings_cost_price *p, const struct cost_usage *u,
	       struct cost_bill *out);
/* Adds the bill to the sum. */
void cost_bill_add(struct cost_bill *sum, const struct cost_bill *b);

uint64_t cost_add(uint64_t a, uint64_t b);
/* a - b, not below 0. */
uint64_t cost_less(uint64_t a, uint64_t b);
/* a * b / c, rounded half up; COST_MAX if it does not fit. c is not 0. */
uint64_t cost_share(uint64_t a, uint64_t b, uint64_t c);

/*
 * What readers take, if the mirrors are tried in another order: what the i-th of the old order was
 * asked for, the i-th of the new one is. after[k] belongs to the same mirror as before[k], and
 * neither what is stored nor what is written changes. from, to: `count` indices each.
 */
void cost_reorder(const struct cost_usage *before, const size_t *from, const size_t *to,
		  size_t count, struct cost_usage *after);

#define COST_TEXT 32
/* Exact, with at least two digits behind the point: "12.50", "0.000000001". */
const char *cost_exact(char out[COST_TEXT], uint64_t nano);
/* For people: "12.50", "<0.01", ">18446744073". */
const char *cost_rounded(char out[COST_TEXT], uint64_t nano);

#endif
