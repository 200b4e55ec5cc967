/*
 * push_plan: what has to be done on one mirror, decided from what is there. Nothing here
 * touches a mirror.
 */
#ifndef FERRY_PUBLISH_PUSH_PLAN_H
#define FERRY_PUBLISH_PUSH_PLAN_H

#include "publish/verified.h"
#include "publish/release.h"
#include "publish/inventory.h"

enum push_action {
	STEP_NONE,              /* the mirror does not hold this class of file */
	STEP_KEEP,              /* there, and verified */
	STEP_CHECK,             /* there with the right size: to be read back first */
	STEP_PUT,               /* missing */
	STEP_REPLACE,           /* there, and wrong or older */
};

struct push_step {
	const struct repository_file *file;
	enum push_action action;
	enum inventory_state found;
	struct mirror_stat stat;        /* of what is there */
	bool recorded;                  /* KEEP: vouched for by the record */
	bool done;                      /* written */
};

struct push_plan {
	struct push_step *steps;        /* one for each file of the tree, in its order */
	size_t count;
	size_t puts, checks;            /* steps of each kind; replacing counts as a put */
	uint64_t put_bytes, check_bytes;
};
void push_plan_release(struct push_plan *p);

/* wanted and items are of the tree's files (inventory_mirror). With recheck, what the
 * record vouches for is read back all the same. */
void push_plan_make(const struct tree *t, const bool *wanted, const struct inventory_item *items,
	       const struct release *release, const struct verified *record, bool recheck,
	       struct push_plan *out);
/* After a check: the step becomes KEEP or REPLACE, and the sums follow. */
void push_plan_checked(struct push_plan *p, struct push_step *step, bool ok);
/* Is there nothing to do? */
bool push_plan_is_empty(const struct push_plan *p);

const char *push_action_name(enum push_action a);               /* "put" */
const char *push_step_reason(const struct push_step *step);          /* "missing" */

#endif
