#include "publish/push_mirror.h"

#include "publish/push_objects.h"
#include "util/cancel.h"
#include "util/mem.h"

#include <string.h>

/* ---- planning ------------------------------------------------------------------- */

static int look_at_release(struct push_delivery *d, struct release *out, struct err *e)
{
	struct retry retry = *d->o->retry;
	do {
		(void)!release_of(d->m->mirror, d->tree, out, e);
	} while (e->class && push_delivery_again(d, &retry, e));
	return e->class ? -(int)e->class : release_check(out, d->tree, e);
}

/* Versioned metadata never changes. If the content differs, the file is damaged or another
 * publisher wrote it. */
static int settle_versioned(struct push_delivery *d, const struct repository_file *f,
			    struct inventory_item *item, struct err *e)
{
	bool same = false;
	if (item->state == INVENTORY_UNVERIFIED) {
		if (verified_vouches(&d->record, f, &item->stat) && !d->o->recheck)
			return 0;
		int rc = push_delivery_compare(d, f, false, &same, e);
		if (rc < 0)
			return rc;
	}
	item->state = same                            ? INVENTORY_OK
		      : item->state == INVENTORY_SIZE ? INVENTORY_SIZE
						      : INVENTORY_CONTENT;
	if (same) {
		push_delivery_record(d, f, &item->stat);
		return 0;
	}
	return release_check_versioned(d->m->mirror, d->tree, f, e);
}

static int settle(struct push_delivery *d, const struct repository_file *f,
		  struct inventory_item *item, struct err *e)
{
	struct retry retry = *d->o->retry;
	do {
		(void)!settle_versioned(d, f, item, e);
	} while (e->class && push_delivery_again(d, &retry, e));
	return -(int)e->class;
}

static int inventory_all(struct push_delivery *d, const bool *wanted, struct inventory_item *items,
			 struct err *e)
{
	const struct tree *t = d->tree;
	struct inventory_how how = { .retry = d->o->retry };
	how.record = d->o->recheck ? NULL : &d->record;
	int rc = inventory_mirror(d->m->mirror, t, wanted, &how, items, e);
	d->m->retries += how.retries;
	for (size_t i = 0; rc == 0 && i < t->files.count; i++)
		if (wanted[i] && t->files.at[i].class == REPOSITORY_METADATA &&
		    items[i].state != INVENTORY_MISSING && items[i].state != INVENTORY_OK)
			rc = settle(d, &t->files.at[i], &items[i], e);
	return rc;
}

static bool is_wanted(const struct push_delivery *d, size_t i)
{
	const struct repository_file *f = &d->tree->files.at[i];
	if (f->class != REPOSITORY_OBJECT && !d->metadata)
		return false;
	return inventory_wants(d->m->holds, d->m->mirror->ops->packs, f) &&
	       (!d->o->only || d->o->only[i]);
}

int push_mirror_plan(struct push_delivery *d, struct err *e)
{
	const struct tree *t = d->tree;
	struct push_mirror *m = d->m;
	size_t n = t->files.count + 1;
	CLEANUP(mem_free_ptr) bool *wanted = mem_alloc(n * sizeof *wanted);
	CLEANUP(mem_free_ptr) struct inventory_item *items = mem_alloc(n * sizeof *items);
	for (size_t i = 0; i < t->files.count; i++)
		wanted[i] = is_wanted(d, i);
	int rc = d->metadata ? look_at_release(d, &m->before, e) : 0;
	if (rc == 0)
		rc = inventory_all(d, wanted, items, e);
	if (rc < 0)
		return rc;
	push_plan_release(&m->plan);
	push_plan_make(t, wanted, items, &m->before, &d->record, d->o->recheck, &m->plan);
	return 0;
}

/* ---- metadata ------------------------------------------------------------------- */

/* The condition for writing the file, if the mirror supports conditions. */
static void condition(const struct push_delivery *d, const struct push_step *s,
		      struct mirror_put *how)
{
	if (s->file->class == REPOSITORY_POINTER)
		return;
	if (s->action == STEP_PUT)
		how->only_if_absent = mirror_can(d->m->mirror, MIRROR_CAN_CREATE_ONLY);
	else if (mirror_can(d->m->mirror, MIRROR_CAN_REPLACE_IF) && s->stat.etag[0])
		how->only_if_etag = s->stat.etag;
}

/* ---- mirrors without conditions --------------------------------------------------- */

static int overtaken(const struct push_delivery *d, const struct repository_file *f, struct err *e)
{
	err_set(e, ERR_CONFLICT, "mirror %s: %s: another publisher wrote at the same time",
		d->m->id, f->key);
	return err_hint(e, "wait until the other publisher has finished, update this copy of the "
			   "repository, then push again");
}

static bool has_condition(const struct push_delivery *d, const struct push_step *s)
{
	unsigned needs = s->action == STEP_PUT ? MIRROR_CAN_CREATE_ONLY : MIRROR_CAN_REPLACE_IF;
	return s->file->class == REPOSITORY_POINTER || mirror_can(d->m->mirror, needs);
}

/* Looks for another publisher's file just before ours is written over it. */
static int look_before(struct push_delivery *d, const struct push_step *s, struct err *e)
{
	struct err why = ERR_INIT;
	struct release now;
	bool same = false;
	if (has_condition(d, s))
		return 0;
	if (s->file->class == REPOSITORY_TIMESTAMP)
		return look_at_release(d, &now, e);
	if (s->action != STEP_PUT)
		return 0;
	int rc = push_delivery_compare(d, s->file, false, &same, &why);
	if (rc == -ERR_NOT_FOUND || same)
		return 0;
	if (rc == 0)
		return overtaken(d, s->file, e);
	*e = why;
	return rc;
}

/* And whether what we wrote is still there, once everything is written. */
static int look_after(struct push_delivery *d, struct err *e)
{
	const struct push_plan *p = &d->m->plan;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		const struct push_step *s = &p->steps[i];
		bool same = true;
		if (s->done && s->file->class != REPOSITORY_OBJECT && !has_condition(d, s))
			rc = push_delivery_compare(d, s->file, false, &same, e);
		if (rc == -ERR_NOT_FOUND || (rc == 0 && !same)) {
			err_clear(e);
			rc = overtaken(d, s->file, e);
		}
	}
	return rc;
}

/* ---- writing metadata ------------------------------------------------------------ */

/* Other bytes than ours may be those of another publisher, who came just after us. */
static int written(struct push_delivery *d, const struct push_step *s, struct mirror_stat *st,
		   struct err *e)
{
	struct err why = ERR_INIT, theirs = ERR_INIT;
	struct release now;
	int rc = push_delivery_written(d, s->file, NULL, st, &why);
	if (rc == -ERR_INTEGRITY && s->file->class == REPOSITORY_TIMESTAMP &&
	    !has_condition(d, s) && look_at_release(d, &now, &theirs) == -ERR_CONFLICT)
		why = theirs;
	if (why.class)
		*e = why;
	return -(int)why.class;
}

static int put_small(struct push_delivery *d, struct push_step *s, struct err *e)
{
	const struct repository_file *f = s->file;
	const struct buf *bytes = tree_small(d->tree, f);
	struct mirror_put how = push_delivery_how(d, f);
	struct mirror_stat st = { 0 };
	struct retry retry = *d->o->retry;
	how.was_wrong = s->action == STEP_REPLACE;
	condition(d, s, &how);
	int rc = look_before(d, s, e);
	if (rc < 0)
		return rc;
	do {
		st = (struct mirror_stat){ 0 };
		if (mirror_put_small(d->m->mirror, f->key, buf_str(bytes), bytes->len, &how, &st,
				     e) == -ERR_CONFLICT)
			(void)!push_delivery_settle(d, f, how.was_wrong, &st, e);
	} while (e->class && push_delivery_again(d, &retry, e));
	if (e->class)
		return -(int)e->class;
	return written(d, s, &st, e);
}

static int check_step(struct push_delivery *d, struct push_step *s, struct err *e)
{
	bool same;
	int rc = push_delivery_compare(d, s->file, true, &same, e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&d->lock);
	push_plan_checked(&d->m->plan, s, same);
	pthread_mutex_unlock(&d->lock);
	if (same)
		push_delivery_record(d, s->file, &s->stat);
	else if (s->file->class == REPOSITORY_OBJECT)
		report_warn(d->o->report, "mirror %s: %s has wrong bytes", d->m->id, s->file->key);
	return 0;
}

static int do_small(struct push_delivery *d, struct push_step *s, struct err *e)
{
	int rc = s->action == STEP_CHECK ? check_step(d, s, e) : 0;
	if (rc < 0 || !push_delivery_is_to_be_put(s))
		return rc;
	rc = put_small(d, s, e);
	s->done = rc == 0;
	return rc;
}

/* ---- checks --------------------------------------------------------------------- */

static bool is_hidden(const struct push_step *s)
{
	return !push_delivery_is_shown(s->file) && s->action != STEP_NONE && s->action != STEP_KEEP;
}

static int check_hidden(struct push_delivery *d, struct push_step *s, struct err *e)
{
	int rc = s->action == STEP_CHECK ? check_step(d, s, e) : 0;
	if (rc == 0 && push_delivery_is_to_be_put(s) && d->m->count_only)
		rc = err_set(e, ERR_NOT_FOUND, "mirror %s: %s: %s", d->m->id, s->file->key,
			     push_step_reason(s));
	return rc;
}

static uint64_t hidden_check_bytes(const struct push_plan *p)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < p->count; i++)
		if (is_hidden(&p->steps[i]) && p->steps[i].action == STEP_CHECK)
			bytes += p->steps[i].file->size;
	return bytes;
}

/* So that the next push need not ask again. */
static void record_what_was_asked(struct push_delivery *d)
{
	const struct push_plan *p = &d->m->plan;
	for (size_t i = 0; i < p->count; i++)
		if (p->steps[i].asked &&
		    !verified_vouches(&d->record, p->steps[i].file, &p->steps[i].stat))
			push_delivery_record(d, p->steps[i].file, &p->steps[i].stat);
}

int push_mirror_check(struct push_delivery *d, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	uint64_t bytes = hidden_check_bytes(p);
	if (!d->m->count_only)
		record_what_was_asked(d);
	d->checking = true;
	if (bytes)
		push_delivery_begin_task(d, "check", bytes);
	int rc = push_delivery_each(d, is_hidden, check_hidden, e);
	push_delivery_end_task(d, rc == 0);
	d->checking = false;
	/* Only now it is known what has to be put. */
	if (!push_plan_is_empty(p) && !d->m->count_only)
		push_delivery_begin_task(d, d->tree->source ? "sync" : "push",
					 p->put_bytes + p->check_bytes);
	return rc;
}

/* ---- writing -------------------------------------------------------------------- */

static bool is_hidden_metadata(const struct push_step *s)
{
	return s->file->class == REPOSITORY_METADATA && is_hidden(s);
}

/* For kinds that make visible later what was put. */
static int publish(struct push_delivery *d, bool is_shown, struct err *e)
{
	const struct publication_how how = {
		.tree = d->tree,
		.plan = &d->m->plan,
		.only = d->o->only,
		.shown = is_shown,
		.staged = d->o->stage && !d->m->stage,
		.report = d->o->report,
	};
	struct retry retry = *d->o->retry;
	if (!d->publication)
		return 0;
	do {
		(void)!publication_send(d->publication, &how, d->m->mirror, &d->m->published, e);
	} while (e->class && push_delivery_again(d, &retry, e));
	return -(int)e->class;
}

int push_mirror_hidden(struct push_delivery *d, struct feed *f, size_t reader, struct err *e)
{
	int rc = push_objects_put(d, f, reader, e);
	if (rc == 0)
		rc = push_delivery_each(d, is_hidden_metadata, do_small, e);
	d->m->holds_objects = rc == 0 && d->m->holds != MIRROR_HOLDS_METADATA &&
			      !d->m->plan.left_out;
	return rc;
}

/* ---- showing -------------------------------------------------------------------- */

int push_mirror_publish(struct push_delivery *d, struct err *e)
{
	int rc = publish(d, false, e);
	d->m->holds_objects = d->m->holds_objects && rc == 0;
	d->m->hidden = rc < 0;
	return rc;
}

static bool anything_to_show(const struct push_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (push_delivery_is_shown(p->steps[i].file) && p->steps[i].action != STEP_KEEP &&
		    p->steps[i].action != STEP_NONE)
			return true;
	return false;
}

int push_mirror_shown(struct push_delivery *d, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	struct release now;
	if (!anything_to_show(p))
		return 0;
	/* The plan may be hours old. */
	int rc = look_at_release(d, &now, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		struct push_step *s = &p->steps[i];
		if (!push_delivery_is_shown(s->file))
			continue;
		if (s->file->class == REPOSITORY_TIMESTAMP) {
			s->action = now.state == RELEASE_SAME   ? STEP_KEEP
				    : now.state == RELEASE_NONE ? STEP_PUT
								: STEP_REPLACE;
			memcpy(s->stat.etag, now.etag, sizeof now.etag);
		}
		rc = cancel_check(d->o->cancel, e);
		if (rc == 0)
			rc = do_small(d, s, e);
	}
	if (rc == 0)
		rc = publish(d, true, e);
	return rc < 0 ? rc : look_after(d, e);
}
