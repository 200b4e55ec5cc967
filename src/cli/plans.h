/*
 * plans: ferry push --plan and --apply (publish/plan_file.h).
 */
#ifndef FERRY_CLI_PLANS_H
#define FERRY_CLI_PLANS_H

#include "cli/publisher.h"
#include "publish/plan_file.h"

struct plans {
	const char *write, *apply; /* files, or NULL */
	struct plan_file plan;     /* that is applied */
	struct plan_file_run run;
	struct plan_file_moves moves;
};
void plans_release(struct plans *p);

/* Reads the plan that is to be applied, and sets the options that are in it. ERR_USAGE for
 * options that contradict a plan. */
WARN_UNUSED int plans_open(struct plans *p, struct publisher_opts *who, struct push_options *push,
			   bool prune, struct err *e);
/* For push_options.approve; ctx is the struct plans, with its run. */
int plans_approve(void *ctx, const struct push_mirror *mirrors, size_t count, struct err *e);
/* After a run that made a plan. */
WARN_UNUSED int plans_save(const struct plans *p, struct err *e);

/* What has changed since the plan was made, as an array; NULL: nothing. */
json_t *plans_moved_json(const struct plans *p);
void plans_moved_print(struct cli *cli, const json_t *moved);

#endif
