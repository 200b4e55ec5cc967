/*
 * judge: from what a run has found to the state that counts. A fault counts when it has lasted for
 * some runs in a row, so that one lost packet wakes nobody; that something is right again counts at
 * once.
 *
 * What was found is worse than the rows before it, or as bad: a critical run is also a run with (at
 * least) a warning. If a fault is found that has not lasted long enough, an older fault of the same
 * check goes on to count: "less bad" has to last as "worse" has.
 */
#ifndef FERRY_HEALTH_JUDGE_H
#define FERRY_HEALTH_JUDGE_H

#include "health/health.h"

#define HEALTH_STATES 4

/* What is remembered of a check of a mirror. */
struct health_seen {
	bool known;              /* there was a finding; else all of this is 0 */
	enum health_state state; /* that counts */
	enum health_state found; /* by the last run */
	int64_t since_s;         /* since when `state` is what it is */
	int64_t bad_s; /* when the first run found the fault that goes on; 0: there is none */
	unsigned runs[HEALTH_STATES]; /* in a row, that found at least this, by state; of
					 HEALTH_OK: 0 */
	char *reason;                 /* owned; of the last run; or NULL */
};
void health_seen_release(struct health_seen *s);

/* Takes what a run at now_s has found. after: how many runs in a row a state must have been found
 * before it counts, by state; that of HEALTH_OK is ignored. Returns what counted before. */
enum health_state health_judge(struct health_seen *s, enum health_state found, const char *reason,
			       const unsigned after[HEALTH_STATES], int64_t now_s);

#endif
