#include "fetch/engine_internal.h"

#include "util/mem.h"
#include "util/os.h"
#include "util/path.h"

/* -- files ------------------------------------------------------------------------------------ */

/* What an earlier run recorded, which is not hashed yet. */
static uint64_t take_claims(struct file *f)
{
	const struct partial *p = f->job->partial;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < f->job->grid.count; i++) {
		if (!p->claimed[i])
			continue;
		f->pieces[i].state = PIECE_CLAIMED;
		bytes += grid_length(&f->job->grid, i);
	}
	return bytes;
}

static void mark_those_without(struct engine *g, struct file *f)
{
	for (size_t i = 0; i < g->lane_count; i++) {
		struct mirror *m = g->lanes[i].source->mirror;
		f->given_up[i] = !m || !mirror_has(m, f->job->key);
	}
}

static void open_file(struct engine *g, struct file *f)
{
	struct engine_job *job = f->job;
	struct err why = ERR_INIT;
	f->pieces = mem_alloc((job->grid.count + 1) * sizeof *f->pieces);
	f->given_up = mem_alloc(g->lane_count + 1);
	int rc = job->open ? job->open(job, &why) : 0;
	pthread_mutex_lock(&g->lock);
	if (rc < 0) {
		engine_fail(g, f, &why);
	} else if (job->done) {
		engine_end(g, f);
	} else {
		report_begin(g->report, job->name, job->grid.size, take_claims(f));
		f->begun = true;
		mark_those_without(g, f);
		f->head_us = engine_now_us(g);
		f->state = FILE_OPEN;
	}
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void finish_file(struct engine *g, struct file *f)
{
	struct engine_job *job = f->job;
	struct err why = ERR_INIT;
	int rc = partial_check(job->partial, &why);
	if (rc == 0 && job->finish)
		rc = job->finish(job, &why);
	pthread_mutex_lock(&g->lock);
	if (rc < 0)
		engine_fail(g, f, &why);
	else
		engine_end(g, f);
	pthread_mutex_unlock(&g->lock);
}

/* -- threads ---------------------------------------------------------------------------------- */

static void work_on(struct engine *g, struct task *t)
{
	if (t->kind == TASK_OPEN)
		open_file(g, t->file);
	else if (t->kind == TASK_FINISH)
		finish_file(g, t->file);
	else if (t->kind == TASK_HASH && t->flight)
		landing_flight(g, t->flight);
	else if (t->kind == TASK_HASH)
		landing_disk(g, t->file);
	else if (t->kind == TASK_SPILL)
		landing_spill(g, t->flight);
	else if (t->kind == TASK_CHECK)
		landing_check(g, t->file, t->piece);
	else if (t->kind == TASK_LOAD)
		request_load(g, t->flight);
	else
		request_range(g, t);
}

static void tell_of_wait(struct engine *g, uint64_t wait_ms)
{
	uint64_t now_ms = clock_now_ms(g->sources->clock);
	if (wait_ms < SOURCE_LONG_WAIT_MS || (g->told_ms && now_ms < g->told_ms))
		return;
	g->told_ms = now_ms + wait_ms;
	report_note(g->report, "%s: waiting for the servers; trying again in %llu seconds",
		    g->files[g->first].job->name, (unsigned long long)(wait_ms + 999) / 1000);
}

/* Until something changes; if nothing is on its way, until a source may be asked again. */
static void wait(struct engine *g, uint64_t wait_ms)
{
	struct err why = ERR_INIT;
	if (g->busy || g->sleeping || !wait_ms) {
		os_cond_wait(&g->changed, &g->lock, 100);
		return;
	}
	g->sleeping = true;
	tell_of_wait(g, wait_ms);
	pthread_mutex_unlock(&g->lock);
	int rc = clock_sleep_ms(g->sources->clock, wait_ms, g->sources->cancel, &why);
	pthread_mutex_lock(&g->lock);
	g->sleeping = false;
	if (rc < 0) {
		g->stopped = true;
		g->stop = why;
	}
	pthread_cond_broadcast(&g->changed);
}

static void *work(void *arg);

/* A thread for every connection, and one that hashes. */
static void grow(struct engine *g)
{
	unsigned want = ENGINE_HELPERS;
	for (size_t i = 0; i < g->lane_count; i++)
		want += g->lanes[i].target;
	/* The caller's thread is the first. */
	if (g->busy <= g->thread_count || g->thread_count + 1 >= MIN(want, ENGINE_THREADS))
		return;
	if (pthread_create(&g->threads[g->thread_count], NULL, work, g) == 0)
		g->thread_count++;
}

static void *work(void *arg)
{
	struct engine *g = arg;
	struct task t;
	pthread_mutex_lock(&g->lock);
	for (;;) {
		window_next(g, &t);
		if (t.kind == TASK_QUIT)
			break;
		if (t.kind == TASK_NONE) {
			g->idle++;
			wait(g, t.wait_ms);
			g->idle--;
			continue;
		}
		g->busy++;
		grow(g);
		pthread_mutex_unlock(&g->lock);
		work_on(g, &t);
		pthread_mutex_lock(&g->lock);
		g->busy--;
	}
	cancel_ask(&g->ending, 1);
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* -- the run ---------------------------------------------------------------------------------- */

/* The smaller of what is allowed for all sources and for this one; 0: neither is set. */
static unsigned most_connections(const struct engine *g, const struct source *s)
{
	unsigned all = g->options->connections, own = s->connections;
	return all && own ? MIN(all, own) : all + own;
}

/* Several connections at once from the start, where each file takes little more than an answer. */
static bool are_small(const struct engine_job *jobs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (jobs[i].grid.count > 1)
			return false;
	return count > 1;
}

/* Before the threads begin: a list of places is read through the other sources. */
static void open_lanes(struct engine *g, unsigned first)
{
	struct source_list *l = g->sources;
	uint64_t now_us = g->began_us = engine_now_us(g);
	g->lanes = mem_alloc((l->count + 1) * sizeof *g->lanes);
	g->tried = mem_alloc(l->count + 1);
	source_list_begin_file(l);
	for (size_t i = 0; i < l->count; i++) {
		struct source *s = l->at[i];
		struct err why = ERR_INIT;
		struct mirror *m;
		if (!s->objects || s->banned)
			continue;
		if (source_open(l, s, &m, &why) < 0)
			source_failed(l, s, &why, 0);
		lane_init(&g->lanes[g->lane_count++], s, first, most_connections(g, s), now_us);
	}
}

static void open_files(struct engine *g, struct engine_job *jobs, size_t count)
{
	g->files = mem_alloc((count + 1) * sizeof *g->files);
	g->file_count = count;
	for (size_t i = 0; i < count; i++)
		g->files[i].job = &jobs[i];
}

/* What is known of the rates at the end: of a short run, the average. */
static void note_rates(struct engine *g)
{
	uint64_t now_us = engine_now_us(g);
	for (size_t i = 0; i < g->lane_count; i++) {
		const struct lane *l = &g->lanes[i];
		double span_s = (double)(now_us - g->began_us) / 1e6;
		uint64_t got = l->got;
		if (got)
			l->source->rate = l->rate > 0 ? l->rate : (double)got / MAX(span_s, 1e-3);
	}
}

static void close_all(struct engine *g)
{
	note_rates(g);
	while (g->flights)
		flight_end(g, g->flights);
	for (size_t i = 0; i < g->file_count; i++) {
		struct file *f = &g->files[i];
		if (f->begun && !f->job->over)
			report_end(g->report, f->job->name, false);
		free(f->pieces);
		free(f->given_up);
	}
	pool_release(&g->pool);
	free(g->files);
	free(g->lanes);
	free(g->tried);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
}

static int stopped(struct engine *g, struct err *e)
{
	if (!g->stop.class && cancel_check(g->sources->cancel, &g->stop) == 0)
		return 0;
	*e = g->stop;
	return err_hint(e, "run the same command again: verified pieces are kept");
}

static int first_failure(struct engine *g, struct err *e)
{
	for (size_t i = 0; i < g->file_count; i++) {
		if (!g->files[i].job->why.class)
			continue;
		*e = g->files[i].job->why;
		return -(int)e->class;
	}
	return 0;
}

int engine_run(struct source_list *sources, struct engine_job *jobs, size_t count,
	       const struct engine_options *options, struct err *e)
{
	struct engine g = {
		.sources = sources,
		.options = options,
		.report = options->report,
		.ending.also = sources->cancel,
	};
	pthread_mutex_init(&g.lock, NULL);
	os_cond_init(&g.changed);
	pool_init(&g.pool, options->max_memory);
	open_lanes(&g, are_small(jobs, count) ? LANE_SMALL : 1);
	open_files(&g, jobs, count);
	work(&g);
	/* Only the first thread, which has ended, and these could start others. */
	for (unsigned i = 0; i < g.thread_count; i++)
		pthread_join(g.threads[i], NULL);
	int rc = first_failure(&g, e);
	if (rc == 0 && g.stopped)
		rc = stopped(&g, e);
	close_all(&g);
	return rc;
}
