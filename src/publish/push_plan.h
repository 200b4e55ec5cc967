/*
 * push_plan: decides what to do on a mirror, from its inventory. Nothing here accesses a mirror.
 */
#ifndef FERRY_PUBLISH_PUSH_PLAN_H
#define FERRY_PUBLISH_PUSH_PLAN_H

#include "publish/verified.h"
#include "publish/release.h"
#include "publish/inventory.h"

enum push_action {
	STEP_NONE,    /* the mirror does not hold this class of file */
	STEP_KEEP,    /* present and verified */
	STEP_CHECK,   /* present with the right size: must be read back first */
	STEP_PUT,     /* missing */
	STEP_REPLACE, /* present, but wrong or older */
};

struct push_step {
	const struct repository_file *file;
	enum push_action action;
	enum inventory_state found;
	struct mirror_stat stat; /* of the existing object */
	bool recorded;           /* KEEP: verified by the record */
	bool asked;              /* KEEP: by a stat of its own, which reported the digest */
	bool wrong;              /* verify found it wrong, and it was not verified since */
	bool changed;            /* replaced by another client since it was verified */
	bool done;               /* written */
	char *error;             /* of an object: why it could not be written; or NULL */
};

struct push_plan {
	struct push_step *steps; /* one for each file of the tree, in its order */
	size_t count;
	size_t puts, checks; /* number of steps; replacing counts as a put */
	uint64_t put_bytes, check_bytes;
	size_t left_out; /* steps; then the plan does not lead to the release */
};
void push_plan_release(struct push_plan *p);

/* wanted and items are those of inventory_mirror(). With recheck, objects in the record are read
 * back, too. */
void push_plan_make(const struct tree *t, const bool *wanted, const struct inventory_item *items,
		    const struct release *release, const struct verified *record, bool recheck,
		    struct push_plan *out);
/* After a check: the step becomes KEEP or REPLACE, and the sums are updated. */
void push_plan_checked(struct push_plan *p, struct push_step *step, bool ok);
/* The step is not taken. */
void push_plan_leave_out(struct push_plan *p, struct push_step *step);
/* What has not been done yet, in files; *bytes of them. */
size_t push_plan_left(const struct push_plan *p, uint64_t *bytes);
/* About how many requests the plan takes on a server: one for a file of one piece; for others, one
 * for each piece, one to look for an earlier upload, and two to begin and complete it; one to read
 * a file back. */
uint64_t push_plan_requests(const struct push_plan *p);
/* Those of a file of this size. */
uint64_t push_plan_requests_to_put(uint64_t size);
/* Is there nothing to do? */
bool push_plan_is_empty(const struct push_plan *p);

const char *push_action_name(enum push_action a);           /* "put" */
const char *push_step_reason(const struct push_step *step); /* "missing" */

#endif
