/*
 * pushcost: what a push that is planned changes about the costs of a mirror, for push --dry-run.
 */
#ifndef FERRY_CLI_PUSHCOST_H
#define FERRY_CLI_PUSHCOST_H

#include "cli/frame/cli.h"
#include "cost/prices.h"
#include "publish/push.h"

struct pushcost {
	const struct settings_cost_price *price; /* NULL: none is known */
	uint64_t before, after;                  /* storage of the release's files, in a month */
	uint64_t upload;                         /* requests, and reading back */
};

/* ERR_USAGE if the mirror's `price` names none. */
WARN_UNUSED int pushcost_find(const struct settings_cost *c, const struct push_mirror *m,
			      struct pushcost *out, struct err *e);
/* {"price", "currency", "storage_before", "storage", "upload"}; the caller owns it. NULL: there is
 * no price. */
json_t *pushcost_json(const struct settings_cost *c, const struct pushcost *p);
/* A table of the mirrors with a price; nothing if there are none. */
void pushcost_print(struct cli *cli, const struct settings_cost *c,
		    const struct push_mirror *mirrors, size_t count);

#endif
