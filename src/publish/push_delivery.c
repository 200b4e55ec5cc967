#include "publish/push_delivery.h"

#include "publish/audit.h"
#include "publish/push_sending.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/path.h"
#include "util/threads.h"

void push_delivery_init(struct push_delivery *d, const struct tree *t, const struct push_options *o,
			struct push_mirror *m, bool metadata)
{
	*d = (struct push_delivery){ .tree = t, .o = o, .m = m, .metadata = metadata };
	pthread_mutex_init(&d->lock, NULL);
	verified_open(&d->record, o->record_dir, m->id, m->mirror->url);
}

void push_delivery_begin_task(struct push_delivery *d, const char *verb, uint64_t bytes)
{
	d->task = mem_printf("%s %s", verb, d->m->id);
	report_begin(d->o->report, d->task, bytes, 0);
}

void push_delivery_end_task(struct push_delivery *d, bool ok)
{
	if (d->task)
		report_end(d->o->report, d->task, ok);
	mem_free_ptr(&d->task);
}

void push_delivery_release(struct push_delivery *d)
{
	push_delivery_end_task(d, !d->m->error.class);
	verified_close(&d->record);
	pthread_mutex_destroy(&d->lock);
}

/* ---- several threads ------------------------------------------------------------ */

unsigned push_delivery_hands(const struct push_delivery *d)
{
	return mirror_threads(d->m->mirror);
}

unsigned push_delivery_large_hands(const struct push_delivery *d)
{
	return MIN(push_delivery_hands(d), d->m->mirror->connections);
}

bool push_delivery_is_large(const struct push_step *s)
{
	return s->file->size > MIRROR_SMALL;
}

struct all {
	struct push_delivery *d;
	push_delivery_which *which;
	push_delivery_step *fn;
	pthread_cond_t turn; /* a file was finished; with d->lock, as is: */
	struct push_sending sending;
	unsigned large; /* files of these */
	struct err error;
};

static bool must_wait(const struct all *a, const struct push_step *s)
{
	return push_sending_has(&a->sending, s->file) ||
	       (push_delivery_is_large(s) && a->large >= push_delivery_large_hands(a->d));
}

/* False after an error. */
static bool take_turn(struct all *a, const struct push_step *s)
{
	pthread_mutex_lock(&a->d->lock);
	while (!a->error.class && must_wait(a, s))
		pthread_cond_wait(&a->turn, &a->d->lock);
	bool go = !a->error.class;
	if (go) {
		push_sending_add(&a->sending, s->file);
		a->large += push_delivery_is_large(s);
	}
	pthread_mutex_unlock(&a->d->lock);
	return go;
}

static void end_turn(struct all *a, const struct push_step *s, const struct err *e)
{
	pthread_mutex_lock(&a->d->lock);
	push_sending_remove(&a->sending, s->file);
	a->large -= push_delivery_is_large(s);
	if (e->class && !a->error.class)
		a->error = *e;
	pthread_cond_broadcast(&a->turn);
	pthread_mutex_unlock(&a->d->lock);
}

static void one_step(void *ctx, size_t i)
{
	struct all *a = ctx;
	struct push_step *s = &a->d->m->plan.steps[i];
	struct err e = ERR_INIT;
	if (!a->which(s) || !take_turn(a, s))
		return;
	if (cancel_check(a->d->o->cancel, &e) == 0)
		(void)!a->fn(a->d, s, &e);
	end_turn(a, s, &e);
}

int push_delivery_each(struct push_delivery *d, push_delivery_which *which, push_delivery_step *fn,
		       struct err *e)
{
	struct all a = { .d = d, .which = which, .fn = fn };
	pthread_cond_init(&a.turn, NULL);
	threads_run(push_delivery_hands(d), d->m->plan.count, one_step, &a);
	pthread_cond_destroy(&a.turn);
	if (a.error.class)
		*e = a.error;
	return -(int)e->class;
}

bool push_delivery_again(struct push_delivery *d, struct retry *retry, struct err *e)
{
	if (err_is_transient(e))
		report_detail(d->o->report, "%s", e->text);
	if (!retry_again(retry, e))
		return false;
	pthread_mutex_lock(&d->lock);
	d->m->retries++;
	pthread_mutex_unlock(&d->lock);
	return true;
}

/* ---- what is written ------------------------------------------------------------ */

static bool is_root(const struct repository_file *f)
{
	return f->class == REPOSITORY_METADATA && tuf_name_version(path_base(f->key), "root") > 0;
}

bool push_delivery_is_shown(const struct repository_file *f)
{
	return f->class == REPOSITORY_POINTER || f->class == REPOSITORY_TIMESTAMP || is_root(f);
}

bool push_delivery_is_to_be_put(const struct push_step *s)
{
	return s->action == STEP_PUT || s->action == STEP_REPLACE;
}

struct mirror_put push_delivery_how(const struct push_delivery *d, const struct repository_file *f)
{
	return (struct mirror_put){
		.content_type = str_ends(f->key, ".json") ? "application/json" : NULL,
		.immutable = !push_delivery_is_shown(f) || is_root(f),
		.task = d->task,
		.report = d->o->report,
	};
}

/* ---- what is there -------------------------------------------------------------- */

int push_delivery_compare(struct push_delivery *d, const struct repository_file *f, bool planned,
			  bool *same, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	struct audit_how how = {
		.report = d->o->report,
		.task = planned ? d->task : NULL,
		.cancel = d->o->cancel,
		.retry = d->o->retry,
	};
	struct audit a;
	int rc = tree_pieces_load(d->tree, f, &p, e);
	if (rc == 0)
		rc = audit_full(d->m->mirror, f, &p, &how, &a, e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&d->lock);
	d->m->reads++;
	d->m->read_bytes += a.bytes;
	pthread_mutex_unlock(&d->lock);
	*same = audit_is_ok(&a);
	/* In the task that writes, the bytes of a file count once. */
	if (planned && !*same && d->task && !d->checking)
		report_advance(d->o->report, d->task, -(int64_t)a.bytes);
	return 0;
}

static int stat_file(struct push_delivery *d, const struct repository_file *f,
		     struct mirror_stat *st, struct err *e)
{
	struct retry retry = *d->o->retry;
	do {
		(void)!mirror_stat_key(d->m->mirror, f->key, st, e);
	} while (e->class && push_delivery_again(d, &retry, e));
	return -(int)e->class;
}

void push_delivery_record(struct push_delivery *d, const struct repository_file *f,
			  const struct mirror_stat *st)
{
	pthread_mutex_lock(&d->lock);
	verified_add(&d->record, f, st);
	pthread_mutex_unlock(&d->lock);
}

static void count_put(struct push_delivery *d, const struct repository_file *f)
{
	pthread_mutex_lock(&d->lock);
	d->m->puts++;
	d->m->put_bytes += f->size;
	pthread_mutex_unlock(&d->lock);
}

int push_delivery_written(struct push_delivery *d, const struct repository_file *f,
			  const struct digest *root, struct mirror_stat *st, struct err *e)
{
	bool same = inventory_judge(f, root, st) == INVENTORY_OK;
	int rc = 0;
	count_put(d, f);
	if (!same && st->size == f->size && !st->has_sha256)
		rc = push_delivery_compare(d, f, false, &same, e);
	if (rc < 0)
		return rc;
	if (!same)
		return err_set(e, ERR_INTEGRITY,
			       "mirror %s: %s: reading it back gave other bytes than were written",
			       d->m->id, f->key);
	/* Some kinds report time and etag only on a stat. */
	if (!st->etag[0] && !st->modified_s)
		rc = stat_file(d, f, st, e);
	if (rc == 0)
		push_delivery_record(d, f, st);
	return rc;
}

/* By the digest that the mirror reports, if it can be believed, else by reading it back. */
static int is_there(struct push_delivery *d, const struct repository_file *f, bool was_wrong,
		    bool *same, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	struct mirror_stat st = { 0 };
	int rc = stat_file(d, f, &st, e);
	if (rc == 0)
		rc = tree_pieces_load(d->tree, f, &p, e);
	if (rc < 0)
		return rc;
	enum inventory_state found = inventory_judge(f, p.at ? &p.root : NULL, &st);
	if (was_wrong && found == INVENTORY_OK)
		found = INVENTORY_UNVERIFIED;
	*same = found == INVENTORY_OK;
	return found == INVENTORY_UNVERIFIED ? push_delivery_compare(d, f, false, same, e) : 0;
}

int push_delivery_settle(struct push_delivery *d, const struct repository_file *f, bool was_wrong,
			 struct mirror_stat *st, struct err *e)
{
	struct err why = ERR_INIT;
	bool same = false;
	int rc = is_there(d, f, was_wrong, &same, &why);
	if (rc == -ERR_CANCELLED) {
		*e = why;
		return rc;
	}
	if (rc < 0 || !same) {
		err_context(e, "another publisher is writing");
		return err_hint(e, "wait until the other publisher has finished, update this copy "
				   "of the repository, then push again");
	}
	err_clear(e);
	/* Closing the upload subtracts the progress that it has reported. */
	if (d->task)
		report_advance(d->o->report, d->task, (int64_t)f->size);
	return stat_file(d, f, st, e);
}
