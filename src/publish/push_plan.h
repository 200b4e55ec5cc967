/*
 * agenda: what has to be done on one mirror, decided from what is there. Nothing here
 * touches a mirror.
 */
#ifndef FERRY_PUBLISH_PUSH_PLAN_H
#define FERRY_PUBLISH_PUSH_PLAN_H

#include "publish/verified.h"
#include "publish/release.h"
#include "publish/inventory.h"

enum agenda_action {
	AGENDA_NONE,              /* the mirror does not hold this class of file */
	AGENDA_KEEP,              /* there, and verified */
	AGENDA_CHECK,             /* there with the right size: to be read back first */
	AGENDA_PUT,               /* missing */
	AGENDA_REPLACE,           /* there, and wrong or older */
};

struct agenda_step {
	const struct repository_file *file;
	enum agenda_action action;
	enum survey_state found;
	struct mirror_stat stat;        /* of what is there */
	bool recorded;                  /* KEEP: vouched for by the record */
	bool done;                      /* written */
};

struct agenda {
	struct agenda_step *steps;        /* one for each file of the tree, in its order */
	size_t count;
	size_t puts, checks;            /* steps of each kind; replacing counts as a put */
	uint64_t put_bytes, check_bytes;
};
void agenda_release(struct agenda *p);

/* wanted and items are of the tree's files (survey_mirror). With recheck, what the
 * record vouches for is read back all the same. */
void agenda_make(const struct original *t, const bool *wanted, const struct survey_item *items,
	       const struct release *release, const struct record *record, bool recheck,
	       struct agenda *out);
/* After a check: the step becomes KEEP or REPLACE, and the sums follow. */
void agenda_checked(struct agenda *p, struct agenda_step *step, bool ok);
/* Is there nothing to do? */
bool agenda_is_empty(const struct agenda *p);

const char *agenda_action_name(enum agenda_action a);               /* "put" */
const char *agenda_reason(const struct agenda_step *step);          /* "missing" */

#endif
