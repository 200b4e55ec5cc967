#include "github/pace.h"

#define MINUTE_MS (60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)

/* Until the one that was sent `back` requests ago is older than the span. */
static uint64_t left(const struct github_pace *p, size_t back, uint64_t span_ms, uint64_t now_ms)
{
	if (p->count < back)
		return 0;
	uint64_t end_ms = p->at_ms[(p->count - back) % GITHUB_PACE_HOUR] + span_ms;
	return end_ms > now_ms ? end_ms - now_ms : 0;
}

uint64_t github_pace_take(struct github_pace *p, uint64_t now_ms)
{
	uint64_t minute = left(p, GITHUB_PACE_MINUTE, MINUTE_MS, now_ms);
	uint64_t hour = left(p, GITHUB_PACE_HOUR, HOUR_MS, now_ms);
	if (minute || hour)
		return MAX(minute, hour);
	p->at_ms[p->count++ % GITHUB_PACE_HOUR] = now_ms;
	return 0;
}
