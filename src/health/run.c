#include "health/run_internal.h"

#include "util/mem.h"
#include "util/path.h"

#include <pthread.h>
#include <string.h>

/* ---- the subject ---- */

static size_t candidates(struct health_run *run, struct newest_candidate *out)
{
	size_t count = 0;
	for (size_t i = 0; i < run->r->count; i++) {
		struct health_mirror *m = &run->r->mirrors[i];
		if (m->source)
			out[count++] = (struct newest_candidate){ m->source, &m->source_deadline };
	}
	return count;
}

/* Half of the deadline is for this, if the mirrors have to be asked. */
static int open_subject(struct health_run *run, struct err *e)
{
	const struct health_run_options *o = run->o;
	CLEANUP(mem_free_ptr) struct newest_candidate *list =
		mem_alloc((run->r->count + 1) * sizeof *list);
	CLEANUP(mem_free_ptr) char *dir = path_join(o->state_dir, o->repository->name);
	const struct health_subject_from from = {
		.repository = o->repository,
		.dir = dir,
		.candidates = list,
		.count = candidates(run, list),
		.now_s = o->now_s,
		.ms = o->settings->deadline_s * 500,
		.last_ms = (o->settings->deadline_s + o->settings->audit_deadline_s) * 1000,
		.cancel = o->cancel,
	};
	struct err why = ERR_INIT;
	int rc = health_subject_open(&from, &run->r->subject, &why);
	run->r->has_subject = rc == 0;
	if (err_is(&why, ERR_CANCELLED)) {
		*e = why;
		return -ERR_CANCELLED;
	}
	if (rc < 0)
		health_find(&run->r->findings, HEALTH_RELEASE, HEALTH_CRITICAL,
			    "nothing could be verified: %s", why.text);
	return 0;
}

/* ---- the mirrors ---- */

typedef void mirror_fn(struct health_run *run, struct health_mirror *m);

struct thread {
	pthread_t id;
	bool runs;
	struct health_run *run;
	struct health_mirror *mirror;
	mirror_fn *fn;
};

static void *work(void *arg)
{
	struct thread *t = arg;
	t->fn(t->run, t->mirror);
	return NULL;
}

/* Each has a thread, so that none waits for the deadline of another. */
static void each_mirror(struct health_run *run, const char *what, mirror_fn *fn)
{
	struct health_report *r = run->r;
	CLEANUP(mem_free_ptr) struct thread *threads = mem_alloc((r->count + 1) * sizeof *threads);
	report_wait(run->o->report, what);
	for (size_t i = 0; i < r->count; i++) {
		struct thread *t = &threads[i];
		*t = (struct thread){ .run = run, .mirror = &r->mirrors[i], .fn = fn };
		if (r->mirrors[i].left_out)
			continue;
		t->mirror->known = health_history_of(run->history, t->mirror->id);
		t->runs = pthread_create(&t->id, NULL, work, t) == 0;
		if (!t->runs)
			work(t);
	}
	for (size_t i = 0; i < r->count; i++)
		if (threads[i].runs)
			pthread_join(threads[i].id, NULL);
	report_waited(run->o->report, what);
}

/* Of the mirrors for readers, those that clients ask first. */
static void find_primary(struct health_report *r)
{
	uint64_t best = UINT64_MAX;
	for (size_t i = 0; i < r->count; i++)
		if (!r->mirrors[i].stage && r->mirrors[i].holds != MIRROR_HOLDS_METADATA)
			best = MIN(best, r->mirrors[i].priority);
	for (size_t i = 0; i < r->count; i++)
		r->mirrors[i].primary = !r->mirrors[i].stage && r->mirrors[i].priority == best &&
					r->mirrors[i].holds != MIRROR_HOLDS_METADATA;
}

static void find_silences(struct health_run *run)
{
	const struct health_silences *all = run->o->silences;
	for (size_t i = 0; i < run->r->count; i++)
		for (size_t k = 0; all && k < all->count; k++)
			if (strcmp(all->at[k].mirror, run->r->mirrors[i].id) == 0)
				run->r->mirrors[i].silence = &all->at[k];
}

static void note_newest(struct health_run *run)
{
	struct health_history *h = run->history;
	struct health_report *r = run->r;
	if (r->has_subject && r->subject.tree.version > h->release) {
		h->release = r->subject.tree.version;
		h->release_s = run->o->now_s;
	}
	r->newest = h->release;
	r->newest_s = h->release_s;
}

static int look(struct health_run *run, struct err *e)
{
	find_primary(run->r);
	find_silences(run);
	note_newest(run);
	each_mirror(run, "the mirrors", health_run_check);
	int rc = cancel_check(run->o->cancel, e);
	if (rc < 0)
		return rc;
	health_run_compare(run);
	each_mirror(run, "the audit of model files", health_run_audit);
	rc = cancel_check(run->o->cancel, e);
	if (rc == 0)
		health_run_judge(run);
	return rc;
}

int health_run(const struct health_run_options *o, struct health_history *history,
	       struct health_report *out, struct err *e)
{
	struct health_run run = { .o = o, .history = history, .r = out };
	uint64_t start_ms = clock_now_ms(NULL);
	run.end_ms = start_ms + o->settings->deadline_s * 1000;
	*out = (struct health_report){ .repository = o->repository, .start_s = o->now_s };
	int rc = health_run_open(&run, e);
	if (rc == 0)
		rc = open_subject(&run, e);
	if (rc == 0 && out->has_subject) {
		health_run_open_catalog(&run);
		health_run_prepare(&run);
	}
	health_run_choose(&run);
	if (rc == 0)
		rc = look(&run, e);
	out->duration_ms = clock_now_ms(NULL) - start_ms;
	return rc;
}

uint64_t health_mirror_speed(const struct health_mirror *m)
{
	const struct rolling_report *a = &m->audit;
	return m->audited && a->bytes && a->reading_us
		       ? (uint64_t)((double)a->bytes * 1e6 / (double)a->reading_us)
		       : 0;
}

void health_report_record(const struct health_report *r, uint64_t keep_s,
			  struct health_result **results, struct health_record *out)
{
	struct health_result *all = mem_alloc((r->count + 1) * sizeof *all);
	size_t count = 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct health_mirror *m = &r->mirrors[i];
		if (m->left_out)
			continue;
		all[count++] = (struct health_result){
			.mirror = m->id,
			.state = m->silence ? HEALTH_OK : m->state,
			.up = m->probe.up,
			.silenced = m->silence != NULL,
			.first_byte_us = m->probe.has_times ? m->probe.times.first_byte : 0,
		};
	}
	*results = all;
	*out = (struct health_record){
		.start_s = r->start_s,
		.duration_ms = r->duration_ms,
		.state = r->state,
		.results = all,
		.result_count = count,
		.changes = r->changes,
		.change_count = r->change_count,
		.keep_s = keep_s,
	};
}
