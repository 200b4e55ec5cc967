/*
 * pruning: ferry push --prune (publish/prune.h), also of what earlier sites left (pages_send.h).
 */
#ifndef FERRY_CLI_PRUNING_H
#define FERRY_CLI_PRUNING_H

#include "cli/publisher.h"
#include "publish/prune.h"
#include "publish/push.h"

struct pruning {
	struct prune_mirror *mirrors; /* all of the repository; NULL: nothing was pruned */
	size_t count;
	struct prune_options o;
};
void pruning_release(struct pruning *p);

/* Prunes those of the pushed mirrors that show the release now or, in a dry run, would show it. */
WARN_UNUSED int pruning_run(struct pruning *p, const struct publisher *publisher,
			    const struct tree *t, const struct push_mirror *pushed, size_t count,
			    const struct push_options *o, struct err *e);

json_t *pruning_json(const struct pruning *p); /* NULL: nothing was pruned */
void pruning_print(struct cli *cli, const json_t *pruning, bool dry_run);

#endif
