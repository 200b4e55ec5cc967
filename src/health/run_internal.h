/* Shared by the files of a run. */
#ifndef FERRY_HEALTH_RUN_INTERNAL_H
#define FERRY_HEALTH_RUN_INTERNAL_H

#include "health/run.h"

#define HEALTH_MAX_MIRRORS 256

struct health_run {
	const struct health_run_options *o;
	struct health_history *history;
	struct health_report *r;
	struct mirror_env env;
	uint64_t end_ms; /* of the checks */
	uint64_t shown;  /* the newest release that a mirror for readers shows; 0: none */
};

/* run_open.c: the mirrors that the settings name; then those of the subject's catalog. */
WARN_UNUSED int health_run_open(struct health_run *run, struct err *e);
void health_run_open_catalog(struct health_run *run);
/* Leaves only the chosen ones. */
void health_run_choose(struct health_run *run);

/* run_check.c: makes the subject ready for all mirrors; looks at one; audits one. */
void health_run_prepare(struct health_run *run);
void health_run_check(struct health_run *run, struct health_mirror *m);
void health_run_audit(struct health_run *run, struct health_mirror *m);

/* run_judge.c: findings on the repository and on releases that need all mirrors; then what counts,
 * and what has changed. */
void health_run_compare(struct health_run *run);
void health_run_judge(struct health_run *run);

#endif
