/* What `ferry pin` and `ferry unpin` share. */
#ifndef FERRY_CLI_STORE_PINS_H
#define FERRY_CLI_STORE_PINS_H

#include "cli/several.h"
#include "cli/store/stock.h"

/* Calls fn for each variant that the operand means: without a variant, all of the model; without a
 * version, those under their plain name. */
typedef int pins_fn(void *ctx, const struct store_variant *v, struct err *e);
WARN_UNUSED int pins_each(struct stock *s, const char *operand, pins_fn *fn, void *ctx,
			  struct err *e);

/* "{repository, model, variant, version}", the variant without a number; the caller owns it. */
json_t *pins_json(const struct store_variant *v, uint64_t version);

#endif
