#include "fetch/endpoint.h"

#include "util/threads.h"

static const char *const state_names[ENDPOINT_STATES] = {
	[ENDPOINT_UNKNOWN] = "unknown",
	[ENDPOINT_OK] = "ok",
	[ENDPOINT_STALE] = "stale",
	[ENDPOINT_INCOMPLETE] = "incomplete",
	[ENDPOINT_SLOW] = "slow",
	[ENDPOINT_DOWN] = "down",
	[ENDPOINT_REJECTED] = "rejected",
};

const char *endpoint_state_name(enum endpoint_state s)
{
	return state_names[s];
}

void endpoint_answer_release(struct endpoint_answer *a)
{
	buf_release(&a->bytes);
}

/* Nobody else touches an answer and its source's mirror meanwhile. */
struct question {
	struct source_list *sources;
	struct endpoint_answer *answers;
	const char *key;
	uint64_t deadline_ms;
};

static void ask(void *ctx, size_t i)
{
	const struct question *q = ctx;
	struct endpoint_answer *a = &q->answers[i];
	struct mirror *m;
	a->rc = source_open(q->sources, a->from->source, &m, &a->why);
	if (a->rc < 0)
		return;
	a->rc = mirror_get_small(m, q->key, q->deadline_ms, &a->bytes, &a->why);
}

void endpoint_ask_all(struct source_list *sources, struct endpoint_answer *answers, size_t count,
		      const char *key, size_t max_bytes, uint64_t deadline_ms)
{
	struct question q = { sources, answers, key, deadline_ms };
	for (size_t i = 0; i < count; i++)
		buf_init(&answers[i].bytes, max_bytes);
	threads_run(THREADS_MAX, count, ask, &q);
}
