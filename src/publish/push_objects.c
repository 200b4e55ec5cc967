#include "publish/push_objects.h"

#include "publish/push_sending.h"
#include "publish/reuse.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

struct work;

struct object {
	struct work *work;
	struct push_step *step;
	size_t file; /* its place in the tree */
	const struct tree_pieces *pieces;
	struct mirror_upload *upload; /* NULL: it is being opened */
	struct reuse reuse;           /* pieces that the mirror has in other objects */
	uint32_t to_copy;             /* pieces from here on may be copied from the source */
	unsigned copying;             /* such pieces, at the moment */
	bool no_copies;               /* the mirror could not */
	unsigned hands;               /* threads that work on it */
	bool drained;                 /* there is no piece left to take */
	bool failed;
	bool alone;          /* because of its own content; the other objects go on */
	struct err conflict; /* the upload is gone: another run has completed or removed it */
	struct object *next; /* later in the tree */
};

struct work {
	struct push_delivery *d;
	struct feed *feed;
	size_t reader;
	pthread_mutex_t lock; /* of what follows, and of the objects */
	pthread_cond_t changed;
	struct object *begun;
	size_t next;      /* step of the plan */
	unsigned opening; /* objects */
	unsigned large;   /* threads that work on large objects */
	struct push_sending sending;
	struct err error; /* the first one; nothing more is begun */
	struct err alone; /* the first one that concerns only one object */
};

/* ---- choosing ------------------------------------------------------------------- */

static bool is_wanted(const struct push_step *s)
{
	return s->file->class == REPOSITORY_OBJECT && push_delivery_is_to_be_put(s);
}

/* False: so many threads work on large objects that this one must wait. */
static bool may_take(const struct work *w, const struct push_step *s)
{
	return !push_delivery_is_large(s) || w->large < push_delivery_large_hands(w->d);
}

/* The next step of the plan that is to be begun; NULL: all have been. */
static struct push_step *next_step(struct work *w)
{
	struct push_plan *p = &w->d->m->plan;
	while (w->next < p->count && !is_wanted(&p->steps[w->next]))
		w->next++;
	return w->next < p->count ? &p->steps[w->next] : NULL;
}

/* NULL: there is none, or it must wait. A later one must not be begun before it (feed.h). */
static struct object *begin_next(struct work *w)
{
	struct push_step *s = next_step(w);
	if (!s || !may_take(w, s) || push_sending_has(&w->sending, s->file))
		return NULL;
	struct object *o = NEW(struct object), **end = &w->begun;
	while (*end)
		end = &(*end)->next;
	*o = (struct object){ .work = w, .step = s, .file = w->next, .hands = 1 };
	*end = o;
	w->next++;
	w->opening++;
	w->large += push_delivery_is_large(s);
	push_sending_add(&w->sending, s->file);
	return o;
}

/* A small object has no second piece to help with. */
static struct object *to_help_with(struct work *w)
{
	if (mirror_can(w->d->m->mirror, MIRROR_IN_ORDER))
		return NULL;
	for (struct object *o = w->begun; o; o = o->next)
		if (o->upload && !o->drained && !o->failed && push_delivery_is_large(o->step) &&
		    may_take(w, o->step)) {
			o->hands++;
			w->large++;
			return o;
		}
	return NULL;
}

/* NULL: there is nothing more to do for this thread. */
static struct object *choose(struct work *w)
{
	struct object *o = NULL;
	pthread_mutex_lock(&w->lock);
	while (!w->error.class) {
		o = to_help_with(w);
		if (!o)
			o = begin_next(w);
		/* One that is being opened may have work for this thread. */
		if (o || (!w->opening && !next_step(w)))
			break;
		pthread_cond_wait(&w->changed, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return o;
}

static bool must_stop(struct work *w)
{
	pthread_mutex_lock(&w->lock);
	bool stop = w->error.class;
	pthread_mutex_unlock(&w->lock);
	return stop;
}

/* ---- one object ----------------------------------------------------------------- */

static void count_found(struct push_delivery *d, const struct grid *g, struct mirror_upload *u)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < g->count; i++)
		bytes += mirror_upload_has(u, i) ? grid_length(g, i) : 0;
	pthread_mutex_lock(&d->lock);
	d->m->resumed_bytes += bytes;
	pthread_mutex_unlock(&d->lock);
}

static bool was_wrong(const struct object *o)
{
	return o->step->action == STEP_REPLACE;
}

/* An object that is damaged or missing in the tree does not stop the others. */
static int source_fault(struct work *w, struct object *o, const struct err *e)
{
	pthread_mutex_lock(&w->lock);
	o->alone = err_is(e, ERR_INTEGRITY) || err_is(e, ERR_NOT_FOUND);
	pthread_mutex_unlock(&w->lock);
	return -(int)e->class;
}

static int read_again(void *ctx, uint32_t piece, void *data, struct err *e)
{
	const struct object *o = ctx;
	return feed_again(o->work->feed, o->work->reader, o->file, piece, data, e);
}

static int open_upload(struct work *w, struct object *o, struct mirror_upload **out, struct err *e)
{
	const struct repository_file *f = o->step->file;
	struct retry retry = *w->d->o->retry;
	struct mirror_put how = push_delivery_how(w->d, f);
	how.was_wrong = was_wrong(o);
	int rc = feed_begin(w->feed, w->reader, o->file, &o->pieces, e);
	if (rc < 0)
		return source_fault(w, o, e);
	how.grid = o->pieces->grid;
	how.sha256 = f->sha256;
	how.pieces = o->pieces->at;
	how.again = read_again;
	how.again_ctx = o;
	do {
		(void)!mirror_upload_open(w->d->m->mirror, f->key, &how, out, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	if (!e->class)
		count_found(w->d, &how.grid, *out);
	return -(int)e->class;
}

static bool copies_from_source(const struct push_delivery *d)
{
	return d->tree->source && mirror_copies_from(d->m->mirror, d->tree->source);
}

static void plan_copies(struct work *w, struct object *o, const struct mirror_upload *u)
{
	const struct push_delivery *d = w->d;
	bool from_source = copies_from_source(d);
	o->to_copy = from_source ? 0 : u->how.grid.count;
	if (u->missing && !from_source)
		reuse_find(d->tree, o->step->file, d->m->mirror, &o->reuse);
}

static int begin(struct work *w, struct object *o, struct err *e)
{
	struct mirror_upload *u = NULL;
	int rc = open_upload(w, o, &u, e);
	if (rc == 0)
		plan_copies(w, o, u);
	pthread_mutex_lock(&w->lock);
	o->upload = u;
	w->opening--;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* ---- copied pieces -------------------------------------------------------------- */

static void count_copy(struct work *w, struct object *o, uint32_t piece, bool blind,
		       const struct err *why)
{
	struct push_delivery *d = w->d;
	/* One wrong piece says nothing about the others. A piece that could not be compared may be
	 * copied again together with its bytes. */
	if (why->class && !err_is(why, ERR_INTEGRITY)) {
		pthread_mutex_lock(&w->lock);
		o->to_copy = o->pieces->grid.count;
		o->no_copies = o->no_copies || !(blind && err_is(why, ERR_USAGE));
		pthread_mutex_unlock(&w->lock);
	}
	if (why->class) {
		report_detail(d->o->report, "%s", why->text);
		return;
	}
	pthread_mutex_lock(&d->lock);
	d->m->copied_bytes += grid_length(&o->pieces->grid, piece);
	pthread_mutex_unlock(&d->lock);
}

/* False: it must be sent. */
static bool copy_piece(struct work *w, struct object *o, uint32_t piece,
		       const struct mirror_source *from)
{
	struct retry retry = *w->d->o->retry;
	struct err why = ERR_INIT;
	do {
		(void)!mirror_upload_copy(o->upload, piece, from, &why);
	} while (why.class && push_delivery_again(w->d, &retry, &why));
	count_copy(w, o, piece, !from->data, &why);
	return !why.class;
}

/* The next piece to copy from the tree's source. False when there is none and no thread is copying
 * any more: a copy must not overwrite a piece that was sent. */
static bool next_to_copy(struct work *w, struct object *o, uint32_t *piece)
{
	uint32_t count = o->pieces->grid.count;
	bool found = false;
	pthread_mutex_lock(&w->lock);
	while (!found && o->to_copy < count && !w->error.class) {
		*piece = o->to_copy++;
		found = !mirror_upload_has(o->upload, *piece);
	}
	o->copying += found;
	while (!found && o->copying)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return found;
}

/* Without reading the bytes here, if the mirror can compare the copy itself. */
static int copy_pieces(struct work *w, struct object *o, struct err *e)
{
	uint32_t piece;
	int rc = 0;
	while (rc == 0 && next_to_copy(w, o, &piece)) {
		struct mirror_source from = {
			.mirror = w->d->tree->source,
			.key = o->step->file->key,
			.offset = grid_offset(&o->pieces->grid, piece),
		};
		rc = cancel_check(w->d->o->cancel, e);
		if (rc == 0)
			copy_piece(w, o, piece, &from);
		pthread_mutex_lock(&w->lock);
		o->copying--;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
	}
	return rc;
}

/* Where the mirror finds the piece: in the tree's source, or in another object of its own. */
static bool find_copy(struct work *w, struct object *o, const struct feed_piece *piece,
		      struct mirror_source *out)
{
	const struct reuse_source *s = reuse_source(&o->reuse, piece->index);
	pthread_mutex_lock(&w->lock);
	bool may = !o->no_copies;
	pthread_mutex_unlock(&w->lock);
	*out = (struct mirror_source){ .mirror = w->d->m->mirror, .data = piece->data };
	if (s) {
		out->key = s->key;
		out->offset = s->offset;
	} else if (copies_from_source(w->d)) {
		out->mirror = w->d->tree->source;
		out->key = o->step->file->key;
		out->offset = grid_offset(&o->pieces->grid, piece->index);
	}
	return may && out->key;
}

/* ---- sent pieces ---------------------------------------------------------------- */

static int put_piece(struct work *w, struct object *o, const struct feed_piece *piece,
		     struct err *e)
{
	struct mirror_source from;
	struct retry retry = *w->d->o->retry;
	if (find_copy(w, o, piece, &from) && copy_piece(w, o, piece->index, &from))
		return 0;
	do {
		(void)!mirror_upload_put(o->upload, piece->index, piece->data, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	return -(int)e->class;
}

/* Sends pieces until there are no more. */
static int put_pieces(struct work *w, struct object *o, bool *drained, struct err *e)
{
	int copied = copy_pieces(w, o, e);
	while (copied == 0 && !must_stop(w)) {
		const struct feed_piece *piece;
		int rc = cancel_check(w->d->o->cancel, e);
		if (rc == 0)
			rc = feed_next(w->feed, w->reader, o->file, o->upload, &piece, e);
		if (rc < 0)
			return source_fault(w, o, e);
		if (!piece) {
			*drained = true;
			return 0;
		}
		rc = put_piece(w, o, piece, e);
		feed_give_back(w->feed, w->reader, piece);
		if (rc < 0)
			return rc;
	}
	return copied;
}

/* A conflict is settled if the right bytes are there. */
static int after_commit(struct work *w, struct object *o, struct mirror_stat *st, struct err *e)
{
	const struct repository_file *f = o->step->file;
	if (err_is(e, ERR_CONFLICT))
		(void)!push_delivery_settle(w->d, f, was_wrong(o), st, e);
	if (e->class)
		return -(int)e->class;
	int rc = push_delivery_written(w->d, f, &o->pieces->root, st, e);
	o->step->done = rc == 0;
	return rc;
}

static int complete(struct work *w, struct object *o, struct err *e)
{
	struct retry retry = *w->d->o->retry;
	struct mirror_stat st = { 0 };
	do {
		(void)!mirror_upload_commit(o->upload, &st, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	return after_commit(w, o, &st, e);
}

/* Another run may have completed the same upload. */
static int settle(struct work *w, struct object *o, struct err *e)
{
	struct mirror_stat st = { 0 };
	*e = o->conflict;
	return after_commit(w, o, &st, e);
}

static void object_free(struct work *w, struct object *o)
{
	/* Not begun: the feed counts it as finished already. */
	if (o->pieces)
		feed_finish(w->feed, w->reader, o->file);
	mirror_upload_close(o->upload);
	pthread_mutex_lock(&w->lock);
	push_sending_remove(&w->sending, o->step->file);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	reuse_release(&o->reuse);
	free(o);
}

static void fail(struct work *w, struct object *o, const struct err *e)
{
	pthread_mutex_lock(&w->lock);
	struct err *first = o->alone ? &w->alone : &w->error;
	if (!first->class)
		*first = *e;
	if (!o->step->error)
		o->step->error = mem_strdup(e->text);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* No thread sends anything more of it. */
static int give_up(struct work *w, struct object *o, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	o->drained = true;
	o->conflict = *e;
	pthread_mutex_unlock(&w->lock);
	err_clear(e);
	return 0;
}

/* This thread stops working on the object; true if it was the last one. */
static bool leave(struct work *w, struct object *o, bool drained, bool failed)
{
	pthread_mutex_lock(&w->lock);
	o->drained = o->drained || drained;
	o->failed = o->failed || failed;
	bool last = --o->hands == 0;
	w->large -= push_delivery_is_large(o->step);
	pthread_cond_broadcast(&w->changed);
	if (last) {
		struct object **at = &w->begun;
		while (*at != o)
			at = &(*at)->next;
		*at = o->next;
	}
	pthread_mutex_unlock(&w->lock);
	return last;
}

static void work_on(struct work *w, struct object *o)
{
	struct err e = ERR_INIT;
	bool drained = false;
	int rc = o->upload ? 0 : begin(w, o, &e);
	if (rc == 0)
		rc = put_pieces(w, o, &drained, &e);
	if (rc == -ERR_CONFLICT && o->upload)
		rc = give_up(w, o, &e);
	if (rc < 0)
		fail(w, o, &e);
	if (!leave(w, o, drained, rc < 0))
		return;
	if (!o->failed && o->conflict.class)
		rc = settle(w, o, &e);
	else if (!o->failed && o->drained)
		rc = complete(w, o, &e);
	else
		rc = 0;
	if (rc < 0)
		fail(w, o, &e);
	object_free(w, o);
}

/* ---- all of them ---------------------------------------------------------------- */

static void hand(void *ctx, size_t i)
{
	struct work *w = ctx;
	struct object *o;
	(void)i;
	while ((o = choose(w)))
		work_on(w, o);
}

void push_objects_want(const struct push_delivery *d, struct feed *f, size_t reader)
{
	for (size_t i = 0; i < d->m->plan.count; i++)
		if (is_wanted(&d->m->plan.steps[i]))
			feed_want(f, reader, i);
}

int push_objects_put(struct push_delivery *d, struct feed *f, size_t reader, struct err *e)
{
	struct work w = { .d = d, .feed = f, .reader = reader };
	unsigned hands = push_delivery_hands(d);
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.changed, NULL);
	threads_run(hands, hands, hand, &w);
	pthread_cond_destroy(&w.changed);
	pthread_mutex_destroy(&w.lock);
	feed_end(f, reader);
	d->m->reread_bytes = feed_reread_bytes(f, reader);
	if (w.error.class || w.alone.class)
		*e = w.error.class ? w.error : w.alone;
	return -(int)e->class;
}
