#include "fetch/batch.h"

#include "fetch/delta.h"
#include "fetch/engine.h"
#include "store/use.h"
#include "util/mem.h"

#include <pthread.h>
#include <string.h>

#define NO_JOB SIZE_MAX

/* A file of the batch. */
struct download {
	struct batch *batch;
	const struct fetch_plan_file *file;
	const struct fetching *first; /* of the models that have it */
	char *name;
	struct partial partial;
	bool single;         /* opened by partial_open_single() */
	struct delta *delta; /* what the store has of it; NULL: nothing */
};

struct batch {
	struct fetch_run *run;
	struct remote *remote;
	struct engine_job *jobs;
	struct download *downloads; /* the same number */
	size_t count;

	pthread_mutex_t expecting;      /* of fetching.expected */
	pthread_mutex_t lock;           /* of what follows, and of fetching.left */
	struct fetching *ready, **last; /* all their files are there */
	bool linking;                   /* a thread is at it */
};

static bool is_mine(const struct batch *b, const struct fetching *f)
{
	return f->want->remote == b->remote && !f->settled && !f->want->why.class;
}

/* -- a model that is complete ----------------------------------------------------------------- */

/* What a file that several models have took counts for the first of them. */
static void count_bytes(const struct batch *b, struct fetching *f)
{
	struct fetch_result *r = &f->result;
	for (size_t i = 0; i < r->count; i++) {
		size_t job = f->jobs[i];
		if (job == NO_JOB || b->downloads[job].first != f ||
		    b->downloads[job].file != &f->plan.files[i])
			continue;
		const struct engine_job *j = &b->jobs[job];
		uint64_t header = j->delta ? delta_received(j->delta) : 0;
		r->fetched += r->files[i].fetched = j->fetched + header;
		r->resumed += r->files[i].resumed = j->resumed;
		r->reused += r->files[i].reused = j->reused;
		r->hashed_twice += r->files[i].hashed_twice = j->hashed_twice;
	}
}

static int deliver(const struct store *s, struct fetching *f, struct err *e)
{
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	int rc = fetch_place(s, &f->variant, f->want->options.output, f->moves, &paths, e);
	for (size_t i = 0; rc == 0 && i < f->result.count; i++) {
		free(f->result.files[i].path);
		f->result.files[i].path = mem_strdup(paths.at[i]);
	}
	return rc == 0 && f->moves ? store_forget(s, &f->variant, e) : rc;
}

static int complete(struct batch *b, struct fetching *f, struct err *e)
{
	const struct store *s = b->remote->store;
	const struct store_variant *v = &f->variant;
	CLEANUP(mem_free_ptr) char *dir = store_variant_dir(s, v->repository, v->model, v->variant);
	if (f->linked)
		store_tidy_variant(s, v);
	fetch_result_of(f);
	count_bytes(b, f);
	for (size_t i = 0; i < f->result.count; i++)
		f->result.files[i].path = store_file_path(s, dir, &v->files[i]);
	if (!f->moves)
		store_use(s, v);
	return f->want->options.output ? deliver(s, f, e) : 0;
}

/* Failures are no reason against the model that is there. */
static void look_after_replaced(const struct batch *b, struct fetching *f, uint64_t version)
{
	const struct remote *r = b->remote;
	const size_t keep = r->keep_versions < KEPT_ALL ? (size_t)r->keep_versions : KEPT_ALL;
	CLEANUP(store_variant_release) struct store_variant old = { 0 };
	struct err why = ERR_INIT;
	int rc = kept_remove(r->store, &f->variant, keep, &f->result.removed, &why);
	if (rc < 0)
		report_warn(r->report, "%s", why.text);
	err_clear(&why);
	if (kept_load(r->store, &f->variant, version, &old, &why) < 0 ||
	    kept_bytes(r->store, &old, &f->result.kept_bytes, &why) < 0)
		return;
	f->result.kept = version;
}

static void link_them(struct batch *b, struct fetching *first)
{
	size_t count = 0, n = 0;
	for (struct fetching *f = first; f; f = f->next)
		count++;
	CLEANUP(mem_free_ptr) struct store_linking *links = mem_alloc((count + 1) * sizeof *links);
	for (struct fetching *f = first; f; f = f->next)
		if (!f->linked && !f->moves)
			links[n++] = (struct store_linking){ &f->variant, &f->want->why, 0 };
	store_link_all(b->remote->store, links, n);
	n = 0;
	for (struct fetching *f = first; f; f = f->next) {
		struct err *why = &f->want->why;
		bool linked = !f->linked && !f->moves;
		if (!why->class)
			(void)!complete(b, f, why);
		if (linked && links[n].kept)
			look_after_replaced(b, f, links[n].kept);
		n += linked;
		b->run->settle(b->run, f);
	}
}

/* One thread links, and takes what the others leave for it. */
static void link_ready(struct batch *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->ready && !b->linking) {
		struct fetching *first = b->ready;
		b->ready = NULL;
		b->last = &b->ready;
		b->linking = true;
		pthread_mutex_unlock(&b->lock);
		link_them(b, first);
		pthread_mutex_lock(&b->lock);
		b->linking = false;
	}
	pthread_mutex_unlock(&b->lock);
}

/* With the lock. */
static void add_ready(struct batch *b, struct fetching *f)
{
	f->next = NULL;
	*b->last = f;
	b->last = &f->next;
}

/* A file is there. */
static void arrived(struct batch *b, size_t job)
{
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->run->count; i++) {
		struct fetching *f = &b->run->all[i];
		bool mine = f->want->remote == b->remote && f->jobs;
		for (size_t k = 0; mine && k < f->plan.count; k++)
			if (f->jobs[k] == job && --f->left == 0)
				add_ready(b, f);
	}
	pthread_mutex_unlock(&b->lock);
	link_ready(b);
}

/* -- a file, on the engine's threads ---------------------------------------------------------- */

/* Before there is anything of the file: those who wait for it. */
static int expect(struct batch *b, size_t job, struct err *e)
{
	int rc = 0;
	pthread_mutex_lock(&b->expecting);
	for (size_t i = 0; rc == 0 && i < b->run->count; i++) {
		struct fetching *f = &b->run->all[i];
		bool mine = f->want->remote == b->remote && f->jobs && !f->linked && !f->expected;
		bool waits = false;
		for (size_t k = 0; mine && k < f->plan.count; k++)
			waits |= f->jobs[k] == job;
		if (waits)
			rc = store_expect(b->remote->store, &f->variant, e);
		f->expected |= waits;
	}
	pthread_mutex_unlock(&b->expecting);
	return rc;
}

static int open_file(struct engine_job *j, struct err *e)
{
	struct download *d = j->ctx;
	if (expect(d->batch, (size_t)(d - d->batch->downloads), e) < 0)
		return -(int)e->class;
	const struct remote *remote = d->batch->remote;
	const struct fetch_plan_file *f = d->file;
	d->single = partial_open_single(remote->store, d->name, &f->card->sha256, &f->manifest.grid,
					f->manifest.pieces, &d->partial);
	int rc = d->single ? 0
			   : partial_open(remote->store, d->name, &f->card->sha256,
					  &f->manifest.grid, f->manifest.pieces, remote->report,
					  &d->partial, &j->done, e);
	if (rc == 0 && !j->done)
		j->partial = &d->partial;
	if (rc == 0 && j->done)
		arrived(d->batch, (size_t)(d - d->batch->downloads));
	return rc;
}

static int finish_file(struct engine_job *j, struct err *e)
{
	struct download *d = j->ctx;
	int rc = d->single ? partial_finish_single(&d->partial, e) : partial_finish(&d->partial, e);
	partial_close(&d->partial);
	j->partial = NULL;
	if (rc == 0)
		arrived(d->batch, (size_t)(d - d->batch->downloads));
	return rc;
}

/* -- the batch -------------------------------------------------------------------------------- */

static size_t job_for(const struct batch *b, const struct digest *d)
{
	for (size_t i = 0; i < b->count; i++)
		if (digest_equal(&b->downloads[i].file->card->sha256, d))
			return i;
	return NO_JOB;
}

/* Files of different models may have one name, but their tasks must not. */
static char *task_name(const struct batch *b, const struct fetching *f, const char *name)
{
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(b->downloads[i].name, name) == 0)
			return mem_printf("%s:%s/%s", f->variant.model, f->variant.variant, name);
	return mem_strdup(name);
}

static size_t add_job(struct batch *b, struct fetching *f, const struct fetch_plan_file *file)
{
	size_t i = b->count;
	struct download *d = &b->downloads[i];
	*d = (struct download){
		.batch = b,
		.file = file,
		.first = f,
		.name = task_name(b, f, file->card->name),
		.partial = PARTIAL_INIT,
	};
	b->jobs[i] = (struct engine_job){
		.key = file->key,
		.name = d->name,
		.grid = file->manifest.grid,
		.open = open_file,
		.finish = finish_file,
		.ctx = d,
	};
	b->count++;
	return i;
}

/* The jobs of one model. */
static int prepare(struct batch *b, struct fetching *f, struct err *e)
{
	const struct store *s = b->remote->store;
	f->jobs = mem_alloc((f->plan.count + 1) * sizeof *f->jobs);
	int rc = 0;
	/* The blobs that are there, too; if none is, it can wait for the first. */
	for (size_t i = 0; !f->expected && !f->linked && i < f->plan.count; i++)
		f->expected = f->plan.files[i].in_store;
	if (f->expected)
		rc = store_expect(s, &f->variant, e);
	for (size_t i = 0; rc == 0 && i < f->plan.count; i++) {
		const struct fetch_plan_file *file = &f->plan.files[i];
		f->jobs[i] = NO_JOB;
		if (file->in_store) {
			partial_tidy(s, &file->card->sha256);
			continue;
		}
		f->jobs[i] = job_for(b, &file->card->sha256);
		if (f->jobs[i] == NO_JOB)
			f->jobs[i] = add_job(b, f, file);
		f->left++;
	}
	if (rc < 0)
		mem_free_ptr(&f->jobs);
	return rc;
}

static void prepare_all(struct batch *b)
{
	size_t files = 0;
	for (size_t i = 0; i < b->run->count; i++)
		files += is_mine(b, &b->run->all[i]) ? b->run->all[i].plan.count : 0;
	b->jobs = mem_alloc((files + 1) * sizeof *b->jobs);
	b->downloads = mem_alloc((files + 1) * sizeof *b->downloads);
	for (size_t i = 0; i < b->run->count; i++) {
		struct fetching *f = &b->run->all[i];
		if (is_mine(b, f) && prepare(b, f, &f->want->why) == 0 && !f->left)
			add_ready(b, f);
	}
	link_ready(b);
}

static int find_in_store(struct batch *b, struct rate *rate, struct err *e)
{
	struct remote *r = b->remote;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < b->count; i++) {
		struct download *d = &b->downloads[i];
		if (d->file->to_fetch >= DELTA_LEAST)
			rc = delta_open(r, d->first->want->model, &d->file->manifest, &d->delta, e);
		if (rc == 0 && d->delta)
			rc = delta_read_header(d->delta, &r->sources, d->file->key, rate, e);
		b->jobs[i].delta = d->delta;
	}
	return rc;
}

/* *why: the first failure. Negative only when it was cancelled. */
static int run_engine(struct batch *b, struct err *why, struct err *e)
{
	struct remote *r = b->remote;
	const struct fetch_options *o = &b->run->all[0].want->options;
	struct rate rate = { .clock = r->sources.clock, .bytes_per_s = o->limit_rate };
	const struct engine_options options = {
		.rate = &rate,
		.report = r->report,
		.connections = r->connections,
		.max_memory = r->max_memory,
	};
	if (!o->limit_rate)
		rate.table = r->limit_rate;
	int rc = find_in_store(b, &rate, why);
	if (rc == 0 && b->count)
		rc = engine_run(&r->sources, b->jobs, b->count, &options, why);
	if (rc == -ERR_CANCELLED)
		*e = *why;
	return rc == -ERR_CANCELLED ? rc : 0;
}

static void tell_kept(const struct batch *b)
{
	char size[SIZE_TEXT];
	for (size_t i = 0; i < b->count; i++)
		if (b->jobs[i].resumed)
			report_note(b->remote->report, "%s: %s from an earlier run verified",
				    b->jobs[i].name, format_size(size, b->jobs[i].resumed));
}

/* The fault of the first of its files that is not there. */
static void take_faults(const struct batch *b, const struct err *first)
{
	for (size_t i = 0; i < b->run->count; i++) {
		struct fetching *f = &b->run->all[i];
		for (size_t k = 0; is_mine(b, f) && k < f->plan.count; k++)
			if (f->jobs[k] != NO_JOB && b->jobs[f->jobs[k]].why.class)
				f->want->why = b->jobs[f->jobs[k]].why;
		if (is_mine(b, f) && first->class)
			f->want->why = *first;
		else if (is_mine(b, f))
			err_set(&f->want->why, ERR_BUG, "%s: it was not linked", f->variant.model);
	}
}

int batch_run(struct fetch_run *run, struct remote *remote, struct err *e)
{
	struct batch b = { .run = run, .remote = remote };
	struct err why = ERR_INIT;
	b.last = &b.ready;
	pthread_mutex_init(&b.expecting, NULL);
	pthread_mutex_init(&b.lock, NULL);
	prepare_all(&b);
	int rc = run_engine(&b, &why, e);
	tell_kept(&b);
	if (rc == 0)
		take_faults(&b, &why);
	for (size_t i = 0; i < b.count; i++) {
		partial_close(&b.downloads[i].partial);
		delta_close(b.downloads[i].delta);
		free(b.downloads[i].name);
	}
	free(b.downloads);
	free(b.jobs);
	pthread_mutex_destroy(&b.lock);
	pthread_mutex_destroy(&b.expecting);
	return rc;
}
