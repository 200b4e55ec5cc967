/*
 * plan: what has to be done on one mirror, decided from what is there. Nothing here
 * touches a mirror.
 */
#ifndef FERRY_PUBLISH_PLAN_H
#define FERRY_PUBLISH_PLAN_H

#include "publish/record.h"
#include "publish/release.h"
#include "publish/survey.h"

enum plan_action {
	PLAN_NONE,              /* the mirror does not hold this class of file */
	PLAN_KEEP,              /* there, and verified */
	PLAN_CHECK,             /* there with the right size: to be read back first */
	PLAN_PUT,               /* missing */
	PLAN_REPLACE,           /* there, and wrong or older */
};

struct plan_step {
	const struct repository_file *file;
	enum plan_action action;
	enum survey_state found;
	struct mirror_stat stat;        /* of what is there */
	bool recorded;                  /* KEEP: vouched for by the record */
	bool done;                      /* written */
};

struct plan {
	struct plan_step *steps;        /* one for each file of the tree, in its order */
	size_t count;
	size_t puts, checks;            /* steps of each kind; replacing counts as a put */
	uint64_t put_bytes, check_bytes;
};
void plan_release(struct plan *p);

/* wanted and items are of the tree's files (survey_mirror). With recheck, what the
 * record vouches for is read back all the same. */
void plan_make(const struct original *t, const bool *wanted, const struct survey_item *items,
	       const struct release *release, const struct record *record, bool recheck,
	       struct plan *out);
/* After a check: the step becomes KEEP or REPLACE, and the sums follow. */
void plan_checked(struct plan *p, struct plan_step *step, bool ok);
/* Is there nothing to do? */
bool plan_is_empty(const struct plan *p);

const char *plan_action_name(enum plan_action a);               /* "put" */
const char *plan_reason(const struct plan_step *step);          /* "missing" */

#endif
