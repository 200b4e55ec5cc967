/*
 * One run of `ferry node apply`: fetch and verify, lay out, remove what engines are not to find any
 * more, tell the engines, remove the models. Prefixes: node_apply, node_run_
 */
#ifndef FERRY_NODE_APPLY_H
#define FERRY_NODE_APPLY_H

#include "node/hooks.h"
#include "node/removal.h"

struct node_run {
	/* Set before node_apply(): */
	const struct settings_node *settings;
	const struct node_wanted_list *wanted;
	struct retrieval *retrieval; /* open, with yes; its dry_run is that of the run */

	struct node_item *items; /* of each section */
	size_t count;
	struct str_list gone; /* sections of earlier runs */
	struct node_hooks hooks;
	struct node_removal early; /* what went first because the disk was full */
	struct node_removal removal;
	struct err fault; /* of the removal; class 0: it worked */
	size_t faults;    /* sections, hooks and removals that failed */
};
void node_run_release(struct node_run *r); /* for CLEANUP */

/* Errors of sections, hooks and the removal are in *r. Negative when nothing could be done
 * (ERR_CONFLICT: another run is at work), the state could not be written, or it was cancelled. */
WARN_UNUSED int node_apply(struct node_run *r, struct err *e);

#endif
