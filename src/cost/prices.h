/*
 * prices: what a mirror charges, by ferry.conf or by what its vendor has published.
 */
#ifndef FERRY_COST_PRICES_H
#define FERRY_COST_PRICES_H

#include "cost/cost.h"
#include "settings/mirrors.h"

/* The currency of the prices that are built in. */
#define COST_PRICES_CURRENCY "USD"

/* A price that is built in, by its name; NULL: none. */
const struct settings_cost_price *cost_prices_builtin(const char *name);

/* The price of the mirror: [price.NAME] of its `price`, else the one that is built in with that
 * name; without `price`, by its kind: r2 (also a bucket of kind s3 at Cloudflare's endpoint),
 * github. *out is NULL if none is known. ERR_USAGE if `price` names none. */
WARN_UNUSED int cost_prices_find(const struct settings_cost *c, const struct settings_mirror *m,
				 const struct settings_cost_price **out, struct err *e);

#endif
