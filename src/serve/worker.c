#include "serve/worker.h"

#include "util/clock.h"
#include "util/mem.h"
#include "util/os.h"

#include <pthread.h>

struct worker_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct worker_job *first, **last; /* to run now, in order */
	struct worker_job *later;         /* sorted by their time */
	size_t waiting;
	bool ending;
	pthread_t *threads;
	unsigned count;
};

/* With the lock held. */
static void add(struct worker_pool *p, struct worker_job *job)
{
	job->next = NULL;
	*p->last = job;
	p->last = &job->next;
	p->waiting++;
}

/* What is due goes behind what is to run now. Returns how many milliseconds to wait for the next
 * one. */
static unsigned add_due(struct worker_pool *p)
{
	while (p->later) {
		struct worker_job *job = p->later;
		uint64_t now_us = clock_now_us(NULL);
		if (job->due_us > now_us && !p->ending)
			return (unsigned)MIN((job->due_us - now_us) / 1000 + 1, (uint64_t)60000);
		p->later = job->next;
		add(p, job);
	}
	return 60000;
}

static struct worker_job *take(struct worker_pool *p)
{
	struct worker_job *job = NULL;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		unsigned wait_ms = add_due(p);
		job = p->first;
		if (job || p->ending)
			break;
		os_cond_wait(&p->work, &p->lock, wait_ms);
	}
	if (job) {
		p->first = job->next;
		if (!p->first)
			p->last = &p->first;
		p->waiting--;
	}
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void *work(void *ctx)
{
	struct worker_pool *p = ctx;
	struct worker_job *job;
	while ((job = take(p)))
		job->run(job);
	return NULL;
}

struct worker_pool *worker_pool_new(unsigned threads)
{
	struct worker_pool *p = NEW(struct worker_pool);
	pthread_mutex_init(&p->lock, NULL);
	os_cond_init(&p->work);
	p->last = &p->first;
	p->threads = mem_alloc(threads * sizeof *p->threads);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&p->threads[p->count], NULL, work, p) == 0)
			p->count++;
	return p;
}

void worker_pool_free(struct worker_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	/* Also where no thread could be made. */
	work(p);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

void worker_post(struct worker_pool *p, struct worker_job *job)
{
	pthread_mutex_lock(&p->lock);
	add(p, job);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void worker_post_later(struct worker_pool *p, struct worker_job *job, uint64_t ms)
{
	pthread_mutex_lock(&p->lock);
	job->due_us = clock_now_us(NULL) + ms * 1000;
	struct worker_job **at = &p->later;
	while (*at && (*at)->due_us <= job->due_us)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	/* A thread that waits for a later one has to wait for this one instead. */
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

size_t worker_waiting(struct worker_pool *p)
{
	pthread_mutex_lock(&p->lock);
	size_t count = p->waiting;
	pthread_mutex_unlock(&p->lock);
	return count;
}
