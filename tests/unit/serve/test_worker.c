#include "serve/worker.h"

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define JOBS 1000

struct job {
	struct worker_job job;
	atomic_int *done;
	int order; /* how many were done before it */
};

static void run(struct worker_job *job)
{
	struct job *j = (struct job *)(void *)job;
	j->order = atomic_fetch_add(j->done, 1);
}

static void every_job_runs_once_also_those_that_were_not_begun_at_the_end(void **state)
{
	(void)state;
	static struct job jobs[JOBS];
	atomic_int done = 0;
	struct worker_pool *p = worker_pool_new(4);
	for (size_t i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){ { .run = run }, &done, 0 };
		if (i % 3)
			worker_post(p, &jobs[i].job);
		else
			worker_post_later(p, &jobs[i].job, 3600000);
	}
	worker_pool_free(p);
	assert_int_equal(done, JOBS);
}

static void later_ones_run_in_the_order_of_their_times(void **state)
{
	(void)state;
	struct job jobs[3];
	atomic_int done = 0;
	struct worker_pool *p = worker_pool_new(1);
	static const uint64_t after_ms[] = { 3600000, 7200000, 1800000 };
	for (size_t i = 0; i < 3; i++) {
		jobs[i] = (struct job){ { .run = run }, &done, 0 };
		worker_post_later(p, &jobs[i].job, after_ms[i]);
	}
	worker_pool_free(p);
	assert_int_equal(jobs[2].order, 0);
	assert_int_equal(jobs[0].order, 1);
	assert_int_equal(jobs[1].order, 2);
}

struct meeting {
	struct worker_job job;
	pthread_mutex_t lock;
	pthread_cond_t met;
	bool there;
};

static void meet(struct worker_job *job)
{
	struct meeting *m = (struct meeting *)(void *)job;
	pthread_mutex_lock(&m->lock);
	m->there = true;
	pthread_cond_signal(&m->met);
	pthread_mutex_unlock(&m->lock);
}

static void one_that_is_due_sooner_does_not_wait_for_one_that_is_due_later(void **state)
{
	(void)state;
	struct job far;
	atomic_int done = 0;
	struct meeting m = { .job.run = meet,
			     .lock = PTHREAD_MUTEX_INITIALIZER,
			     .met = PTHREAD_COND_INITIALIZER };
	struct worker_pool *p = worker_pool_new(1);
	far = (struct job){ { .run = run }, &done, 0 };
	worker_post_later(p, &far.job, 3600000);
	worker_post_later(p, &m.job, 1);
	pthread_mutex_lock(&m.lock);
	while (!m.there)
		pthread_cond_wait(&m.met, &m.lock);
	pthread_mutex_unlock(&m.lock);
	assert_int_equal(done, 0);
	worker_pool_free(p);
	assert_int_equal(done, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_job_runs_once_also_those_that_were_not_begun_at_the_end),
		cmocka_unit_test(later_ones_run_in_the_order_of_their_times),
		cmocka_unit_test(one_that_is_due_sooner_does_not_wait_for_one_that_is_due_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
