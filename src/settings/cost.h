/*
 * [cost] and [price.NAME]: what a month may cost, and what a place of storage charges.
 *
 * Money is counted in nano-units: a billionth of the currency's unit.
 */
#ifndef FERRY_SETTINGS_COST_H
#define FERRY_SETTINGS_COST_H

#include "settings/conf.h"

#define SETTINGS_COST_UNIT ((uint64_t)1000000000) /* nano-units */
#define SETTINGS_COST_MAX_STEPS 16
#define SETTINGS_COST_CURRENCY 4

/* The price of a unit, up to an amount in a month, and then the next step's. */
struct settings_cost_step {
	uint64_t nano;
	uint64_t until; /* bytes or requests; UINT64_MAX: without end */
};

/* One step at least; the last one is without end. count 0: there is no charge. */
struct settings_cost_scale {
	struct settings_cost_step at[SETTINGS_COST_MAX_STEPS];
	size_t count;
};

/* What a month costs. Each of these is free if it is not given. */
struct settings_cost_price {
	const char *name;   /* "r2"; borrowed */
	const char *source; /* where the figures are from; or NULL; borrowed */
	struct settings_cost_scale storage, egress; /* of a gigabyte */
	struct settings_cost_scale write, read;     /* of a million requests */
	uint64_t gigabyte;                          /* in bytes: 10^9 or 2^30 */
	bool round_up;                              /* every amount, to the next whole unit */
	uint64_t minimum_s; /* for which an object is charged, even if it is removed earlier */
};

struct settings_cost {
	char currency[SETTINGS_COST_CURRENCY]; /* "USD" */
	bool has_budget;
	uint64_t budget; /* of a month, all mirrors together */
	struct settings_cost_price *prices;
	size_t count, cap;
};
void settings_cost_release(struct settings_cost *c);

/* Borrows texts of the configuration. */
WARN_UNUSED int settings_cost_read(const struct conf *c, struct settings_cost *out, struct err *e);

/* The price of [price.NAME], or NULL. */
const struct settings_cost_price *settings_cost_price(const struct settings_cost *c,
						      const char *name);

/* "12", "0.015": at most nine digits behind the point, and less than 1,000,000,000. */
bool settings_cost_parse(const char *text, uint64_t *nano);

#endif
