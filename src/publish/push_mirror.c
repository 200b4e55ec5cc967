#include "publish/push_mirror.h"

#include "publish/audit.h"
#include "util/cancel.h"
#include "util/mem.h"

#include <string.h>

void push_delivery_init(struct push_delivery *d, const struct tree *t, const struct push_options *o,
		   struct push_mirror *m, bool metadata)
{
	*d = (struct push_delivery){ .tree = t, .o = o, .m = m, .metadata = metadata };
	verified_open(&d->record, o->record_dir, m->id, m->mirror->url);
}

void push_delivery_release(struct push_delivery *d)
{
	if (d->task)
		report_end(d->o->report, d->task, !d->m->error.class);
	mem_free_ptr(&d->task);
	verified_close(&d->record);
}

/* Readers ask for the next root by its number: they follow it as soon as it is there, and then take
 * no timestamp that keys have signed which it takes away. */
static bool is_root(const struct repository_file *f)
{
	const char *name = strchr(f->key, '/');
	return f->class == REPOSITORY_METADATA && name &&
	       strcmp(name + 1 + strspn(name + 1, "0123456789"), ".root.json") == 0;
}

static bool is_shown(const struct repository_file *f)
{
	return f->class == REPOSITORY_POINTER || f->class == REPOSITORY_TIMESTAMP || is_root(f);
}

/* ---- planning ------------------------------------------------------------------- */

/* Reads the file back and compares; the task advances only by what was planned. */
static int compare(struct push_delivery *d, const struct repository_file *f, bool planned,
		   bool *same, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	struct audit_how how = { d->o->report, planned ? d->task : NULL, d->o->retry };
	struct audit a;
	int rc = tree_pieces_load(d->tree, f, &p, e);
	if (rc == 0)
		rc = audit_full(d->m->mirror, f, &p, &how, &a, e);
	if (rc < 0)
		return rc;
	d->m->reads++;
	d->m->read_bytes += a.bytes;
	*same = audit_is_ok(&a);
	return 0;
}

/* Versioned metadata never changes. So where another content is found under its name,
 * the file is damaged, or another publisher has put it there. */
static int settle_versioned(struct push_delivery *d, const struct repository_file *f,
			    struct inventory_item *item, struct err *e)
{
	bool same = false;
	if (item->state == INVENTORY_UNVERIFIED) {
		if (verified_vouches(&d->record, f, &item->stat) && !d->o->recheck)
			return 0;
		int rc = compare(d, f, false, &same, e);
		if (rc < 0)
			return rc;
	}
	item->state = same ? INVENTORY_OK : item->state == INVENTORY_SIZE ? INVENTORY_SIZE : INVENTORY_CONTENT;
	if (same) {
		verified_add(&d->record, f, &item->stat);
		return 0;
	}
	return release_check_versioned(d->m->mirror, d->tree, f, e);
}

static int inventory_all(struct push_delivery *d, const bool *wanted, struct inventory_item *items,
		      struct err *e)
{
	const struct tree *t = d->tree;
	int rc = inventory_mirror(d->m->mirror, t, wanted, items, e);
	for (size_t i = 0; rc == 0 && i < t->files.count; i++)
		if (wanted[i] && t->files.at[i].class == REPOSITORY_METADATA &&
		    items[i].state != INVENTORY_MISSING && items[i].state != INVENTORY_OK)
			rc = settle_versioned(d, &t->files.at[i], &items[i], e);
	return rc;
}

int push_mirror_plan(struct push_delivery *d, struct err *e)
{
	const struct tree *t = d->tree;
	struct push_mirror *m = d->m;
	size_t n = t->files.count + 1;
	CLEANUP(mem_free_ptr) bool *wanted = mem_alloc(n * sizeof *wanted);
	CLEANUP(mem_free_ptr) struct inventory_item *items = mem_alloc(n * sizeof *items);
	enum mirror_holds holds = d->metadata ? m->holds : MIRROR_HOLDS_OBJECTS;
	bool objects = m->holds != MIRROR_HOLDS_METADATA;
	for (size_t i = 0; i < t->files.count; i++) {
		enum repository_class class = t->files.at[i].class;
		wanted[i] = inventory_wants(holds, class) && (objects || class != REPOSITORY_OBJECT);
	}
	struct retry retry = *d->o->retry;
	do {
		if (d->metadata && release_of(m->mirror, t, &m->before, e) == 0)
			(void)!release_check(&m->before, t, e);
		if (!e->class)
			(void)!inventory_all(d, wanted, items, e);
	} while (e->class && retry_again(&retry, e));
	if (e->class)
		return -(int)e->class;
	push_plan_release(&m->plan);
	push_plan_make(t, wanted, items, &m->before, &d->record, d->o->recheck, &m->plan);
	return 0;
}

/* ---- putting -------------------------------------------------------------------- */

/* What was put is either vouched for by the mirror, or read back. */
static int verify_put(struct push_delivery *d, const struct repository_file *f,
		      struct mirror_stat *st, struct err *e)
{
	bool same = inventory_judge(f, NULL, st) == INVENTORY_OK;
	if (!same && st->size == f->size) {
		CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
		int rc = tree_pieces_load(d->tree, f, &p, e);
		if (rc < 0)
			return rc;
		same = inventory_judge(f, p.at ? &p.root : NULL, st) == INVENTORY_OK;
		if (!same && !st->has_sha256 && (rc = compare(d, f, false, &same, e)) < 0)
			return rc;
	}
	if (!same)
		return err_set(e, ERR_INTEGRITY, "mirror %s: %s: what was written reads back "
			       "differently", d->m->id, f->key);
	/* A kind may tell the object's marks only when asked. */
	if (!st->etag[0] && !st->modified_s) {
		int rc = mirror_stat_key(d->m->mirror, f->key, st, e);
		if (rc < 0)
			return rc;
	}
	verified_add(&d->record, f, st);
	return 0;
}

/* The condition under which the file may be written, as far as the mirror knows any. */
static void condition(const struct push_delivery *d, const struct push_step *s, const char *etag,
		      struct mirror_put *how)
{
	unsigned can = d->m->mirror->caps.can;
	/* Objects are named by their content: whoever writes one writes the same. */
	if (s->file->class == REPOSITORY_OBJECT || s->file->class == REPOSITORY_POINTER)
		return;
	if (s->action == STEP_PUT)
		how->only_if_absent = can & MIRROR_CAN_CREATE_ONLY;
	else if ((can & MIRROR_CAN_REPLACE_IF) && *etag)
		how->only_if_etag = etag;
}

/* Counts what one try reports, so that a failed one can be taken back. */
struct counter {
	struct report report;
	struct report *to;
	int64_t bytes;
};

static void count(struct report *r, const struct report_event *event)
{
	struct counter *c = (struct counter *)r;
	if (event->kind == REPORT_ADVANCE)
		c->bytes += event->bytes;
	if (c->to)
		c->to->emit(c->to, event);
}

/* A condition that failed is fine when the very same bytes are there: an earlier try got
 * through, or the same push ran elsewhere. */
static int put_once(struct push_delivery *d, const struct push_step *s, const char *etag,
		    struct tree_body *body, struct mirror_stat *st, struct err *e)
{
	const struct repository_file *f = s->file;
	struct counter counter = { { count }, d->o->report, 0 };
	struct mirror_put how = {
		.content_type = str_ends(f->key, ".json") ? "application/json" : NULL,
		.immutable = !is_shown(f) || is_root(f), .task = d->task, .report = &counter.report,
	};
	condition(d, s, etag, &how);
	int rc = mirror_put(d->m->mirror, f->key, &body->body, &how, st, e);
	if (rc < 0 && counter.bytes && d->task)
		report_advance(d->o->report, d->task, -counter.bytes);
	if (rc != -ERR_CONFLICT)
		return rc;
	struct err again = ERR_INIT;
	bool same = false;
	if (compare(d, f, false, &same, &again) < 0 || !same) {
		err_context(e, "another publisher is at work");
		return err_hint(e, "let the other publisher finish, bring this copy of the "
				   "repository up to date, then push again");
	}
	err_clear(e);
	return mirror_stat_key(d->m->mirror, f->key, st, e);
}

static int put_file(struct push_delivery *d, struct push_step *s, const char *etag, struct err *e)
{
	const struct repository_file *f = s->file;
	struct tree_body body;
	struct mirror_stat st = { 0 };
	struct retry retry = *d->o->retry;
	int rc = tree_body_open(d->tree, f, &body, e);
	if (rc < 0)
		return rc;
	do {
		st = (struct mirror_stat){ 0 };
		rc = put_once(d, s, etag, &body, &st, e);
		if (rc < 0 && err_is_transient(e))
			report_detail(d->o->report, "%s", e->text);
	} while (rc < 0 && retry_again(&retry, e));
	tree_body_close(&body);
	if (e->class)
		return -(int)e->class;
	d->m->puts++;
	d->m->put_bytes += f->size;
	return verify_put(d, f, &st, e);
}

static int do_step(struct push_delivery *d, struct push_step *s, struct err *e)
{
	int rc = cancel_check(e);
	if (rc == 0 && s->action == STEP_CHECK) {
		bool same;
		rc = compare(d, s->file, true, &same, e);
		if (rc < 0)
			return rc;
		push_plan_checked(&d->m->plan, s, same);
		if (same)
			verified_add(&d->record, s->file, &s->stat);
		else if (s->file->class == REPOSITORY_OBJECT)
			report_warn(d->o->report, "mirror %s: %s has wrong bytes", d->m->id,
				    s->file->key);
	}
	if (rc < 0 || (s->action != STEP_PUT && s->action != STEP_REPLACE))
		return rc;
	if (d->m->count_only)
		return err_set(e, ERR_NOT_FOUND, "mirror %s: %s: %s", d->m->id, s->file->key,
			       push_step_reason(s));
	rc = put_file(d, s, s->stat.etag, e);
	s->done = rc == 0;
	return rc;
}

int push_mirror_hidden(struct push_delivery *d, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	if (!push_plan_is_empty(p)) {
		d->task = mem_printf("push %s", d->m->id);
		report_begin(d->o->report, d->task, p->put_bytes + p->check_bytes, 0);
	}
	for (size_t i = 0; i < p->count; i++) {
		int rc = is_shown(p->steps[i].file) ? 0 : do_step(d, &p->steps[i], e);
		if (rc < 0)
			return rc;
	}
	d->m->holds_objects = d->m->holds != MIRROR_HOLDS_METADATA;
	return 0;
}

int push_mirror_shown(struct push_delivery *d, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	struct release now;
	bool any = false;
	for (size_t i = 0; i < p->count; i++)
		any = any || (is_shown(p->steps[i].file) && p->steps[i].action != STEP_KEEP &&
			      p->steps[i].action != STEP_NONE);
	if (!any)
		return 0;
	/* Hours may have passed since the plan. */
	int rc = release_of(d->m->mirror, d->tree, &now, e);
	if (rc == 0)
		rc = release_check(&now, d->tree, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		struct push_step *s = &p->steps[i];
		if (!is_shown(s->file))
			continue;
		if (s->file->class == REPOSITORY_TIMESTAMP) {
			s->action = now.state == RELEASE_SAME ? STEP_KEEP
				    : now.state == RELEASE_NONE ? STEP_PUT : STEP_REPLACE;
			memcpy(s->stat.etag, now.etag, sizeof now.etag);
		}
		rc = do_step(d, s, e);
	}
	return rc;
}
