#include "publish/push_objects.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

struct object {
	struct push_step *step;
	size_t file; /* its place in the tree */
	const struct tree_pieces *pieces;
	struct mirror_upload *upload; /* NULL: it is being opened */
	unsigned hands;               /* threads that work on it */
	bool drained;                 /* there is no piece left to take */
	bool failed;
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
	struct err error; /* the first one; nothing more is begun */
};

/* ---- choosing ------------------------------------------------------------------- */

static bool is_wanted(const struct push_step *s)
{
	return s->file->class == REPOSITORY_OBJECT && push_delivery_is_to_be_put(s);
}

/* The next object of the plan; NULL: all have been begun. */
static struct object *begin_next(struct work *w)
{
	struct push_plan *p = &w->d->m->plan;
	while (w->next < p->count && !is_wanted(&p->steps[w->next]))
		w->next++;
	if (w->next == p->count)
		return NULL;
	struct object *o = NEW(struct object), **end = &w->begun;
	while (*end)
		end = &(*end)->next;
	*o = (struct object){ .step = &p->steps[w->next], .file = w->next, .hands = 1 };
	*end = o;
	w->next++;
	w->opening++;
	return o;
}

static struct object *to_help_with(struct work *w)
{
	for (struct object *o = w->begun; o; o = o->next)
		if (o->upload && !o->drained && !o->failed) {
			o->hands++;
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
		if (o || !w->opening)
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

static int open_upload(struct work *w, struct object *o, struct mirror_upload **out, struct err *e)
{
	const struct repository_file *f = o->step->file;
	struct retry retry = *w->d->o->retry;
	struct mirror_put how = push_delivery_how(w->d, f);
	int rc = feed_begin(w->feed, w->reader, o->file, &o->pieces, e);
	if (rc < 0)
		return rc;
	how.grid = o->pieces->grid;
	how.sha256 = f->sha256;
	how.pieces = o->pieces->at;
	do {
		(void)!mirror_upload_open(w->d->m->mirror, f->key, &how, out, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	if (!e->class)
		count_found(w->d, &how.grid, *out);
	return -(int)e->class;
}

static int begin(struct work *w, struct object *o, struct err *e)
{
	struct mirror_upload *u = NULL;
	int rc = open_upload(w, o, &u, e);
	pthread_mutex_lock(&w->lock);
	o->upload = u;
	w->opening--;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int put_piece(struct work *w, struct object *o, const struct feed_piece *piece,
		     struct err *e)
{
	struct retry retry = *w->d->o->retry;
	do {
		(void)!mirror_upload_put(o->upload, piece->index, piece->data, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	return -(int)e->class;
}

/* Sends pieces until there are no more. */
static int put_pieces(struct work *w, struct object *o, bool *drained, struct err *e)
{
	while (!must_stop(w)) {
		const struct feed_piece *piece;
		int rc = cancel_check(w->d->o->cancel, e);
		if (rc == 0)
			rc = feed_next(w->feed, w->reader, o->file, o->upload, &piece, e);
		if (rc == 0 && !piece)
			*drained = true;
		if (rc < 0 || !piece)
			return rc;
		rc = put_piece(w, o, piece, e);
		feed_give_back(w->feed, w->reader, piece);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int complete(struct work *w, struct object *o, struct err *e)
{
	const struct repository_file *f = o->step->file;
	struct retry retry = *w->d->o->retry;
	struct mirror_stat st = { 0 };
	do {
		(void)!mirror_upload_commit(o->upload, &st, e);
	} while (e->class && push_delivery_again(w->d, &retry, e));
	if (err_is(e, ERR_CONFLICT))
		(void)!push_delivery_settle(w->d, f, &st, e);
	if (e->class)
		return -(int)e->class;
	int rc = push_delivery_written(w->d, f, &o->pieces->root, &st, e);
	o->step->done = rc == 0;
	return rc;
}

static void object_free(struct work *w, struct object *o)
{
	/* Not begun: the feed has finished it by itself. */
	if (o->pieces)
		feed_finish(w->feed, w->reader, o->file);
	mirror_upload_close(o->upload);
	free(o);
}

static void fail(struct work *w, const struct err *e)
{
	pthread_mutex_lock(&w->lock);
	if (!w->error.class)
		w->error = *e;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* This thread stops working on the object; true if it was the last one. */
static bool leave(struct work *w, struct object *o, bool drained, bool failed)
{
	pthread_mutex_lock(&w->lock);
	o->drained = o->drained || drained;
	o->failed = o->failed || failed;
	bool last = --o->hands == 0;
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
	if (rc < 0)
		fail(w, &e);
	if (!leave(w, o, drained, rc < 0))
		return;
	if (o->drained && !o->failed && complete(w, o, &e) < 0)
		fail(w, &e);
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
	if (w.error.class)
		*e = w.error;
	return -(int)e->class;
}
