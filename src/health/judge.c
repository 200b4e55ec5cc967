#include "health/judge.h"

#include "util/mem.h"

void health_seen_release(struct health_seen *s)
{
	free(s->reason);
	*s = (struct health_seen){ 0 };
}

static void count(struct health_seen *s, enum health_state found)
{
	const bool was[HEALTH_STATES] = {
		[HEALTH_WARNING] = found == HEALTH_WARNING || found == HEALTH_CRITICAL,
		[HEALTH_CRITICAL] = found == HEALTH_CRITICAL,
		[HEALTH_UNKNOWN] = found == HEALTH_UNKNOWN,
	};
	for (int i = 0; i < HEALTH_STATES; i++)
		s->runs[i] = was[i] ? s->runs[i] + 1 : 0;
}

/* What has lasted long enough, the worst first; else what counted before. */
static enum health_state counts(const struct health_seen *s, const unsigned after[HEALTH_STATES])
{
	static const enum health_state order[] = { HEALTH_CRITICAL, HEALTH_WARNING,
						   HEALTH_UNKNOWN };
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (s->runs[order[i]] && s->runs[order[i]] >= after[order[i]])
			return order[i];
	return s->state;
}

enum health_state health_judge(struct health_seen *s, enum health_state found, const char *reason,
			       const unsigned after[HEALTH_STATES], int64_t now_s)
{
	enum health_state before = s->state;
	count(s, found);
	s->state = found == HEALTH_OK ? HEALTH_OK : counts(s, after);
	if (found == HEALTH_OK)
		s->bad_s = 0;
	else if (!s->bad_s)
		s->bad_s = now_s;
	if (!s->known || s->state != before)
		s->since_s = s->state == HEALTH_OK || before != HEALTH_OK ? now_s : s->bad_s;
	s->known = true;
	s->found = found;
	free(s->reason);
	s->reason = mem_strdup(reason);
	return before;
}
