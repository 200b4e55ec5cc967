#include "fetch/endpoint.h"

#include "util/mem.h"

#include <pthread.h>

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

/* What a thread works on: nobody else touches its answer and its source's mirror. */
struct question {
	struct source_list *sources;
	struct endpoint_answer *answer;
	const char *key;
	uint64_t deadline_ms;
	pthread_t thread;
	bool started;
};

static void *ask(void *arg)
{
	struct question *q = arg;
	struct endpoint_answer *a = q->answer;
	struct mirror *m;
	a->rc = source_open(q->sources, a->from->source, &m, &a->why);
	if (a->rc < 0)
		return NULL;
	a->rc = mirror_get_small(m, q->key, q->deadline_ms, &a->bytes, &a->why);
	return NULL;
}

void endpoint_ask_all(struct source_list *sources, struct endpoint_answer *answers, size_t count,
		      const char *key, size_t max_bytes, uint64_t deadline_ms)
{
	CLEANUP(mem_free_ptr) struct question *questions = mem_alloc((count + 1) *
								     sizeof *questions);
	for (size_t i = 0; i < count; i++) {
		struct question *q = &questions[i];
		buf_init(&answers[i].bytes, max_bytes);
		*q = (struct question){ .sources = sources, .answer = &answers[i], .key = key,
					.deadline_ms = deadline_ms };
		/* The last one keeps this thread busy. */
		q->started = i + 1 < count && pthread_create(&q->thread, NULL, ask, q) == 0;
	}
	for (size_t i = 0; i < count; i++)
		if (!questions[i].started)
			ask(&questions[i]);
	for (size_t i = 0; i < count; i++)
		if (questions[i].started)
			pthread_join(questions[i].thread, NULL);
}
