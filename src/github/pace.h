/*
 * Pace: github.com accepts 80 requests in a minute that create content, and 500 in an hour.
 * https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
#ifndef FERRY_GITHUB_PACE_H
#define FERRY_GITHUB_PACE_H

#include "util/base.h"

#define GITHUB_PACE_MINUTE 80
#define GITHUB_PACE_HOUR 500

struct github_pace {
	uint64_t at_ms[GITHUB_PACE_HOUR]; /* when the last ones were sent: a ring */
	size_t count;                     /* of all that were sent */
};

/* May one be sent now? 0: yes, and it counts. Else so many milliseconds must pass first. now_ms: of
 * a monotonic clock. */
uint64_t github_pace_take(struct github_pace *p, uint64_t now_ms);

#endif
