#include "publish/push_mirror.h"

#include "publish/audit.h"
#include "tuf/name.h"
#include "util/mem.h"
#include "util/path.h"

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

/* Clients request the next root by its number and follow it as soon as it exists; then they
 * reject a timestamp signed by keys that it removed. */
static bool is_root(const struct repository_file *f)
{
	return f->class == REPOSITORY_METADATA && tuf_name_version(path_base(f->key), "root") > 0;
}

static bool is_shown(const struct repository_file *f)
{
	return f->class == REPOSITORY_POINTER || f->class == REPOSITORY_TIMESTAMP || is_root(f);
}

/* ---- planning ------------------------------------------------------------------- */

/* Reads the file back and compares it; the task advances only by what was planned. */
static int compare(struct push_delivery *d, const struct repository_file *f, bool planned,
		   bool *same, struct err *e)
{
	CLEANUP(tree_pieces_release) struct tree_pieces p = { 0 };
	struct audit_how how = { d->o->report, planned ? d->task : NULL, d->o->cancel,
				 d->o->retry };
	struct audit a;
	int rc = tree_pieces_load(d->tree, f, &p, e);
	if (rc == 0)
		rc = audit_full(d->m->mirror, f, &p, &how, &a, e);
	if (rc < 0)
		return rc;
	d->m->reads++;
	d->m->read_bytes += a.bytes;
	*same = audit_is_ok(&a);
	/* What is wrong is written again: its bytes count once. */
	if (planned && !*same && d->task)
		report_advance(d->o->report, d->task, -(int64_t)a.bytes);
	return 0;
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
		int rc = compare(d, f, false, &same, e);
		if (rc < 0)
			return rc;
	}
	item->state = same                            ? INVENTORY_OK
		      : item->state == INVENTORY_SIZE ? INVENTORY_SIZE
						      : INVENTORY_CONTENT;
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
		wanted[i] = inventory_wants(holds, class) &&
			    (objects || class != REPOSITORY_OBJECT) &&
			    share_has(&d->o->share, &t->files.at[i]);
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

/* Verifies what was written, by the digest that the mirror reports or by reading it back. root:
 * pieces_sha256, or NULL. */
static int verify_put(struct push_delivery *d, const struct repository_file *f,
		      const struct digest *root, struct mirror_stat *st, struct err *e)
{
	bool same = inventory_judge(f, root, st) == INVENTORY_OK;
	int rc = 0;
	if (!same && st->size == f->size && !st->has_sha256)
		rc = compare(d, f, false, &same, e);
	if (rc < 0)
		return rc;
	if (!same)
		return err_set(e, ERR_INTEGRITY,
			       "mirror %s: %s: what was written reads back differently", d->m->id,
			       f->key);
	/* Some kinds report time and etag only on a stat. */
	if (!st->etag[0] && !st->modified_s)
		rc = mirror_stat_key(d->m->mirror, f->key, st, e);
	if (rc == 0)
		verified_add(&d->record, f, st);
	return rc;
}

static void count_put(struct push_delivery *d, const struct repository_file *f)
{
	d->m->puts++;
	d->m->put_bytes += f->size;
}

/* Waits and returns true if a failed call may be retried. */
static bool again(struct push_delivery *d, struct retry *retry, struct err *e)
{
	if (err_is_transient(e))
		report_detail(d->o->report, "%s", e->text);
	return retry_again(retry, e);
}

/* A conflict is fine if the same bytes are there: an earlier attempt succeeded, or the same push
 * ran elsewhere. */
static int settle_conflict(struct push_delivery *d, const struct repository_file *f,
			   struct mirror_stat *st, struct err *e)
{
	struct err why = ERR_INIT;
	bool same = false;
	int rc = compare(d, f, false, &same, &why);
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
	/* Closing the upload takes back what it has told. */
	if (d->task)
		report_advance(d->o->report, d->task, (int64_t)f->size);
	return mirror_stat_key(d->m->mirror, f->key, st, e);
}

static struct mirror_put how_to_put(struct push_delivery *d, const struct repository_file *f)
{
	return (struct mirror_put){
		.content_type = str_ends(f->key, ".json") ? "application/json" : NULL,
		.immutable = !is_shown(f) || is_root(f),
		.task = d->task,
		.report = d->o->report,
	};
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

static int put_small(struct push_delivery *d, struct push_step *s, struct err *e)
{
	const struct repository_file *f = s->file;
	const struct buf *bytes = tree_small(d->tree, f);
	struct mirror_put how = how_to_put(d, f);
	struct mirror_stat st = { 0 };
	struct retry retry = *d->o->retry;
	condition(d, s, &how);
	do {
		st = (struct mirror_stat){ 0 };
		if (mirror_put_small(d->m->mirror, f->key, buf_str(bytes), bytes->len, &how, &st,
				     e) == -ERR_CONFLICT)
			(void)!settle_conflict(d, f, &st, e);
	} while (e->class && again(d, &retry, e));
	if (e->class)
		return -(int)e->class;
	count_put(d, f);
	return verify_put(d, f, NULL, &st, e);
}

static int check_step(struct push_delivery *d, struct push_step *s, struct err *e)
{
	bool same;
	int rc = compare(d, s->file, true, &same, e);
	if (rc < 0)
		return rc;
	push_plan_checked(&d->m->plan, s, same);
	if (same)
		verified_add(&d->record, s->file, &s->stat);
	else if (s->file->class == REPOSITORY_OBJECT)
		report_warn(d->o->report, "mirror %s: %s has wrong bytes", d->m->id, s->file->key);
	return 0;
}

static bool is_to_be_put(const struct push_step *s)
{
	return s->action == STEP_PUT || s->action == STEP_REPLACE;
}

static int do_small(struct push_delivery *d, struct push_step *s, struct err *e)
{
	int rc = cancel_check(d->o->cancel, e);
	if (rc == 0 && s->action == STEP_CHECK)
		rc = check_step(d, s, e);
	if (rc < 0 || !is_to_be_put(s))
		return rc;
	rc = put_small(d, s, e);
	s->done = rc == 0;
	return rc;
}

/* ---- checks --------------------------------------------------------------------- */

int push_mirror_check(struct push_delivery *d, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	int rc = 0;
	if (!push_plan_is_empty(p)) {
		d->task = mem_printf("push %s", d->m->id);
		report_begin(d->o->report, d->task, p->put_bytes + p->check_bytes, 0);
	}
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		struct push_step *s = &p->steps[i];
		if (is_shown(s->file))
			continue;
		rc = cancel_check(d->o->cancel, e);
		if (rc == 0 && s->action == STEP_CHECK)
			rc = check_step(d, s, e);
		if (rc == 0 && is_to_be_put(s) && d->m->count_only)
			rc = err_set(e, ERR_NOT_FOUND, "mirror %s: %s: %s", d->m->id, s->file->key,
				     push_step_reason(s));
	}
	return rc;
}

/* ---- objects -------------------------------------------------------------------- */

/* The upload of one object. */
struct object {
	struct push_delivery *d;
	const struct repository_file *file;
	struct feed *feed;
	size_t reader;
	const struct tree_pieces *pieces;
	struct mirror_upload *upload;
};

static int put_piece(struct object *o, const struct feed_piece *piece, struct err *e)
{
	struct retry retry = *o->d->o->retry;
	do {
		(void)!mirror_upload_put(o->upload, piece->index, piece->data, e);
	} while (e->class && again(o->d, &retry, e));
	return -(int)e->class;
}

static int put_pieces(struct object *o, struct err *e)
{
	for (;;) {
		const struct feed_piece *piece;
		int rc = cancel_check(o->d->o->cancel, e);
		if (rc == 0)
			rc = feed_next(o->feed, o->reader, o->upload, &piece, e);
		if (rc < 0 || !piece)
			return rc;
		rc = put_piece(o, piece, e);
		feed_give_back(o->feed, piece);
		if (rc < 0)
			return rc;
	}
}

static int commit(struct object *o, struct mirror_stat *st, struct err *e)
{
	struct retry retry = *o->d->o->retry;
	do {
		(void)!mirror_upload_commit(o->upload, st, e);
	} while (e->class && again(o->d, &retry, e));
	return -(int)e->class;
}

static int open_upload(struct object *o, struct err *e)
{
	struct retry retry = *o->d->o->retry;
	struct mirror_put how = how_to_put(o->d, o->file);
	how.grid = o->pieces->grid;
	how.sha256 = o->file->sha256;
	how.pieces = o->pieces->at;
	do {
		(void)!mirror_upload_open(o->d->m->mirror, o->file->key, &how, &o->upload, e);
	} while (e->class && again(o->d, &retry, e));
	return -(int)e->class;
}

static int put_object(struct object *o, struct err *e)
{
	struct mirror_stat st = { 0 };
	int rc = open_upload(o, e);
	if (rc == 0)
		rc = put_pieces(o, e);
	if (rc == 0)
		rc = commit(o, &st, e);
	if (rc == -ERR_CONFLICT)
		rc = settle_conflict(o->d, o->file, &st, e);
	if (rc < 0)
		return rc;
	count_put(o->d, o->file);
	return verify_put(o->d, o->file, &o->pieces->root, &st, e);
}

static int do_object(struct push_delivery *d, struct push_step *s, struct feed *f, size_t reader,
		     struct err *e)
{
	struct object o = { .d = d, .file = s->file, .feed = f, .reader = reader };
	int rc = cancel_check(d->o->cancel, e);
	if (rc == 0)
		rc = feed_begin(f, reader, tree_index(d->tree, s->file), &o.pieces, e);
	if (rc < 0)
		return rc;
	rc = put_object(&o, e);
	s->done = rc == 0;
	feed_finish(f, reader);
	mirror_upload_close(o.upload);
	return rc;
}

static bool is_wanted_object(const struct push_step *s)
{
	return s->file->class == REPOSITORY_OBJECT && is_to_be_put(s);
}

void push_mirror_want(const struct push_delivery *d, struct feed *f, size_t reader)
{
	for (size_t i = 0; i < d->m->plan.count; i++)
		if (is_wanted_object(&d->m->plan.steps[i]))
			feed_want(f, reader, i);
}

static int put_objects(struct push_delivery *d, struct feed *f, size_t reader, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		if (is_wanted_object(&p->steps[i]))
			rc = do_object(d, &p->steps[i], f, reader, e);
	feed_end(f, reader);
	return rc;
}

int push_mirror_hidden(struct push_delivery *d, struct feed *f, size_t reader, struct err *e)
{
	struct push_plan *p = &d->m->plan;
	int rc = put_objects(d, f, reader, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		if (p->steps[i].file->class == REPOSITORY_METADATA && !is_shown(p->steps[i].file))
			rc = do_small(d, &p->steps[i], e);
	d->m->holds_objects = rc == 0 && d->m->holds != MIRROR_HOLDS_METADATA;
	return rc;
}

/* ---- showing -------------------------------------------------------------------- */

static bool anything_to_show(const struct push_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (is_shown(p->steps[i].file) && p->steps[i].action != STEP_KEEP &&
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
	int rc = release_of(d->m->mirror, d->tree, &now, e);
	if (rc == 0)
		rc = release_check(&now, d->tree, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++) {
		struct push_step *s = &p->steps[i];
		if (!is_shown(s->file))
			continue;
		if (s->file->class == REPOSITORY_TIMESTAMP) {
			s->action = now.state == RELEASE_SAME   ? STEP_KEEP
				    : now.state == RELEASE_NONE ? STEP_PUT
								: STEP_REPLACE;
			memcpy(s->stat.etag, now.etag, sizeof now.etag);
		}
		rc = do_small(d, s, e);
	}
	return rc;
}
