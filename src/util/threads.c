#include "util/threads.h"

#include <pthread.h>
#include <stdatomic.h>

struct threads {
	void (*fn)(void *ctx, size_t i);
	void *ctx;
	size_t count;
	atomic_size_t next;
};

static void *work(void *arg)
{
	struct threads *c = arg;
	for (size_t i; (i = atomic_fetch_add(&c->next, 1)) < c->count;)
		c->fn(c->ctx, i);
	return NULL;
}

void threads_run(unsigned threads, size_t count, void (*fn)(void *ctx, size_t i), void *ctx)
{
	struct threads c = { .fn = fn, .ctx = ctx, .count = count };
	pthread_t ids[THREADS_MAX];
	size_t wanted = MIN(MIN(count, (size_t)threads), THREADS_MAX), running = 0;
	/* This thread is one of them. */
	while (running + 1 < wanted && pthread_create(&ids[running], NULL, work, &c) == 0)
		running++;
	work(&c);
	while (running)
		pthread_join(ids[--running], NULL);
}
