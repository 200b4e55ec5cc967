#include "publish/verify_work.h"

#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

#include <string.h>

/* After this many unreadable files in a row, the mirror is given up. */
#define GIVE_UP_AFTER 3
/* How much of an object is requested at once, in bytes, but at least a piece: enough that a request
 * costs little, and little enough that the threads end at about the same time. */
#define PART_BYTES (32 * MIB)

/* An object that is being read. */
struct object {
	struct verify_file *v;
	struct tree_pieces pieces;
	enum verify_verdict told; /* by what the mirror reports */
	bool all;                 /* every byte is read */
	bool at_once;             /* all in one request */
	uint32_t *which, count;   /* the sampled pieces, in ascending order; of all: NULL, count */
	/* under the lock: */
	uint32_t next;    /* of `count`: the first that no thread has taken */
	unsigned reading; /* threads */
	struct err error; /* the first one; no part is begun after it */
	struct object *behind;
};

struct part {
	struct object *object;
	uint32_t first, count; /* pieces */
};

struct work {
	const struct verify_work *w;
	char *task;
	pthread_mutex_t lock; /* of what follows, the objects, and m->error and bytes_read */
	pthread_cond_t opened;
	size_t next;         /* the first file that no thread has taken */
	unsigned opening;    /* threads that may add an object */
	struct object *open; /* with parts that no thread has taken */
	unsigned lost;       /* files in a row that could not be read */
};

/* ---- progress ------------------------------------------------------------------- */

static bool reads(const struct verify_options *o, const struct repository_file *f)
{
	return f->class != REPOSITORY_OBJECT || o->mode != VERIFY_QUICK;
}

/* With VERIFY_QUICK the progress is counted in files, else in bytes. */
static uint64_t planned(const struct verify_options *o, const struct repository_file *f)
{
	struct grid g;
	struct err ignored = ERR_INIT;
	uint64_t sampled;
	if (o->mode == VERIFY_QUICK)
		return 1;
	if (f->class != REPOSITORY_OBJECT || o->mode == VERIFY_FULL ||
	    grid_for(f->size, &g, &ignored) < 0 || !mul_u64(o->samples, g.piece_length, &sampled))
		return f->size;
	return MIN(f->size, sampled);
}

static void begin_task(struct work *k)
{
	const struct verify_work *w = k->w;
	uint64_t total = 0;
	for (size_t i = 0; i < w->tree->files.count; i++)
		total += w->wanted[i] ? planned(w->o, &w->tree->files.at[i]) : 0;
	k->task = mem_printf("verify %s", w->m->id);
	if (w->o->mode == VERIFY_QUICK)
		report_begin_files(w->o->report, k->task, total);
	else
		report_begin(w->o->report, k->task, total, 0);
}

/* Whatever was planned for the file and not read is done, too. */
static void advance(struct work *k, const struct verify_file *v)
{
	uint64_t whole = planned(k->w->o, v->file);
	uint64_t told = k->w->o->mode == VERIFY_QUICK ? 0 : MIN(whole, v->audit.bytes);
	report_advance(k->w->o->report, k->task, (int64_t)(whole - told));
}

/* ---- verdicts ------------------------------------------------------------------- */

/* What differs because the mirror holds another repository is not damaged. */
static void judge_elsewhere(struct verify_file *v)
{
	if (v->verdict != VERIFY_CORRUPT && v->verdict != VERIFY_WRONG_SIZE &&
	    v->verdict != VERIFY_FOREIGN)
		return;
	v->verdict = VERIFY_FOREIGN;
	v->audit = (struct audit){ .bytes = v->audit.bytes };
	v->error = mem_strdup("of another repository");
}

/* What others keep there may be replaced: that is no damage. */
static void judge_others(struct verify_file *v, const struct err *error)
{
	CLEANUP(buf_release) struct buf how = BUF_INIT(KIB);
	bool read = error->cause == CAUSE_CHANGED && v->verdict == VERIFY_UNREACHABLE;
	if (!read && v->verdict != VERIFY_CORRUPT && v->verdict != VERIFY_WRONG_SIZE)
		return;
	buf_adds(&how, "no longer this version: ");
	if (read)
		buf_adds(&how, error->text + error->core);
	else
		verify_describe(v, &how);
	free(v->error);
	v->error = buf_steal(&how);
	v->verdict = VERIFY_CHANGED;
	v->class = ERR_NONE;
}

/* A plain catalog.json that differs belongs to another release. */
static void judge_pointer(const struct verify_mirror *m, struct verify_file *v)
{
	if (v->verdict != VERIFY_CORRUPT && v->verdict != VERIFY_WRONG_SIZE)
		return;
	if (m->release.state == RELEASE_OLDER)
		v->verdict = VERIFY_STALE;
	else if (m->release.state == RELEASE_NEWER || m->release.state == RELEASE_OTHER)
		v->verdict = VERIFY_FOREIGN;
}

static void judge_timestamp(const struct verify_mirror *m, struct verify_file *v)
{
	static const enum verify_verdict verdicts[] = {
		[RELEASE_NONE] = VERIFY_MISSING,  [RELEASE_DAMAGED] = VERIFY_CORRUPT,
		[RELEASE_OLDER] = VERIFY_STALE,   [RELEASE_SAME] = VERIFY_OK,
		[RELEASE_NEWER] = VERIFY_FOREIGN, [RELEASE_OTHER] = VERIFY_FOREIGN,
	};
	v->verdict = verdicts[m->release.state];
	v->how = VERIFY_BY_BYTES;
	v->audit.whole_differs = v->verdict == VERIFY_CORRUPT;
}

static void judge_item(struct verify_file *v, const struct inventory_item *item)
{
	static const enum verify_verdict verdicts[] = {
		[INVENTORY_MISSING] = VERIFY_MISSING,       [INVENTORY_SIZE] = VERIFY_WRONG_SIZE,
		[INVENTORY_CONTENT] = VERIFY_CORRUPT,       [INVENTORY_OK] = VERIFY_OK,
		[INVENTORY_UNVERIFIED] = VERIFY_UNVERIFIED,
	};
	v->verdict = verdicts[item->state];
	v->actual_size = item->stat.size;
	v->other_parts = item->other_parts;
	if (item->state == INVENTORY_CONTENT || item->state == INVENTORY_OK)
		v->how = item->stat.has_sha256 ? VERIFY_BY_DIGEST : VERIFY_BY_COMPOSITE;
	v->audit.whole_differs = item->state == INVENTORY_CONTENT;
}

/* Bytes that are proven to be wrong outweigh a part that could not be read. */
static void judge_read(struct object *o)
{
	struct verify_file *v = o->v;
	bool same = audit_is_ok(&v->audit);
	if (same && o->error.class) {
		v->verdict = VERIFY_NONE;
		v->how = VERIFY_BY_NOTHING;
	} else if (same && !o->all && o->told == VERIFY_CORRUPT) {
		/* A correct sample does not override a wrong digest. */
		v->verdict = VERIFY_CORRUPT;
		v->how = VERIFY_BY_DIGEST;
		v->audit.whole_differs = true;
	} else {
		v->verdict = same ? VERIFY_OK : VERIFY_CORRUPT;
		v->how = o->all ? VERIFY_BY_BYTES : VERIFY_BY_SAMPLE;
	}
}

/* The file has its verdict, or an error. Under the lock. */
static void settle(struct work *k, struct verify_file *v, const struct err *error)
{
	struct verify_mirror *m = k->w->m;
	bool judged = v->verdict != VERIFY_NONE;
	if (!judged && err_is(error, ERR_NOT_FOUND))
		v->verdict = VERIFY_MISSING; /* it was removed since it was listed */
	else if (!judged && err_is(error, ERR_CANCELLED))
		v->verdict = VERIFY_NOT_CHECKED;
	else if (!judged)
		v->verdict = error->cause == CAUSE_PAGE ? VERIFY_FOREIGN : VERIFY_UNREACHABLE;
	if (!judged && (v->verdict == VERIFY_UNREACHABLE || v->verdict == VERIFY_FOREIGN)) {
		v->error = mem_strdup(error->text);
		v->class = error->class;
	}
	if (m->mirror && m->mirror->ops->others_files)
		judge_others(v, error);
	if (v->file->class == REPOSITORY_POINTER)
		judge_pointer(m, v);
	if (m->elsewhere && v->file->class != REPOSITORY_OBJECT)
		judge_elsewhere(v);
	m->verdicts[v->verdict]++;
	k->lost = v->verdict == VERIFY_UNREACHABLE ? k->lost + 1 : 0;
	if (k->lost >= GIVE_UP_AFTER && !m->error.class)
		m->error = *error;
	advance(k, v);
}

static void settle_locked(struct work *k, struct verify_file *v, const struct err *error)
{
	pthread_mutex_lock(&k->lock);
	settle(k, v, error);
	pthread_mutex_unlock(&k->lock);
}

/* ---- the pieces of an object ---------------------------------------------------- */

static void object_free(struct object *o)
{
	tree_pieces_release(&o->pieces);
	free(o->which);
	free(o);
}

/* splitmix64: small and portable. Each object of each mirror has its own state, so that a seed
 * determines the pieces regardless of the order of work. */
static uint64_t pick_below(uint64_t *random, uint64_t below)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

static uint64_t random_start(const struct verify_work *w, const struct repository_file *f)
{
	struct digest d;
	uint64_t start;
	CLEANUP(mem_free_ptr) char *name = mem_printf("%llu %s %s", (unsigned long long)w->o->seed,
						      w->m->id, f->key);
	sha256_of(name, strlen(name), &d);
	memcpy(&start, d.bytes, sizeof start);
	return start;
}

/* Chooses `want` of all pieces at random, in ascending order. */
static void draw(const struct verify_work *w, struct object *o, uint32_t want)
{
	uint64_t random = random_start(w, o->v->file);
	uint32_t of = o->pieces.grid.count;
	o->which = mem_alloc(want * sizeof *o->which);
	for (uint32_t i = 0; i < of && o->count < want; i++)
		if (pick_below(&random, of - i) < want - o->count)
			o->which[o->count++] = i;
}

static int load_pieces(const struct verify_work *w, const struct repository_file *f,
		       struct tree_pieces *out, struct err *e)
{
	pthread_mutex_lock(w->loading);
	int rc = tree_pieces_load(w->tree, f, out, e);
	pthread_mutex_unlock(w->loading);
	if (rc == 0)
		return 0;
	/* A fault of the local tree, not of the mirror: there is nothing to compare with. */
	if (err_is(e, ERR_NOT_FOUND))
		err_class_set(e, ERR_SYSTEM);
	return err_context(e, "this copy of the repository");
}

static int object_open(const struct verify_work *w, struct verify_file *v, struct object **out,
		       struct err *e)
{
	struct object *o = NEW(struct object);
	uint64_t samples = w->o->samples;
	o->v = v;
	o->told = v->verdict;
	int rc = load_pieces(w, v->file, &o->pieces, e);
	if (rc < 0) {
		object_free(o);
		return rc;
	}
	const struct grid *g = &o->pieces.grid;
	o->all = v->file->class != REPOSITORY_OBJECT || w->o->mode == VERIFY_FULL ||
		 !o->pieces.at || g->count <= samples;
	/* A server that ignores ranges sends the whole object for each part; and the digest of a
	 * whole file can only be computed in one go. */
	o->at_once = o->all && (!o->pieces.at || g->count <= 1 ||
				!mirror_can(w->m->mirror, MIRROR_CAN_RANGE));
	if (o->all)
		o->count = o->at_once ? 1 : g->count;
	else
		draw(w, o, (uint32_t)samples);
	/* What is read decides from now on. */
	v->verdict = VERIFY_NONE;
	v->audit = (struct audit){ 0 };
	*out = o;
	return 0;
}

/* Takes the next part of an object that has one. Under the lock. */
static struct part take_part(struct work *k, struct object *o)
{
	struct part p = { .object = o, .count = 1 };
	uint32_t together = (uint32_t)MAX(1, PART_BYTES / o->pieces.grid.piece_length);
	if (o->which) {
		p.first = o->which[o->next];
	} else if (!o->at_once) {
		p.first = o->next;
		p.count = MIN(together, o->count - o->next);
	}
	o->next += p.count;
	o->reading++;
	if (o->next >= o->count)
		k->open = o->behind;
	return p;
}

/* Under the lock. */
static void no_more_parts(struct work *k, struct object *o)
{
	struct object **link = &k->open;
	while (*link && *link != o)
		link = &(*link)->behind;
	if (*link)
		*link = o->behind;
	o->next = o->count;
}

static void read_part(struct work *k, const struct part *p)
{
	const struct verify_work *w = k->w;
	struct object *o = p->object;
	struct audit_how how = {
		.report = w->o->report,
		.task = w->o->mode == VERIFY_QUICK ? NULL : k->task,
		.cancel = w->o->cancel,
		.retry = w->o->retry,
	};
	struct audit found = { 0 };
	struct err e = ERR_INIT;
	if (o->at_once)
		(void)!audit_full(w->m->mirror, o->v->file, &o->pieces, &how, &found, &e);
	else
		(void)!audit_part(w->m->mirror, o->v->file, &o->pieces, p->first, p->count, &how,
				  &found, &e);
	pthread_mutex_lock(&k->lock);
	audit_add(&o->v->audit, &found);
	w->m->bytes_read += found.bytes;
	if (e.class && !o->error.class) {
		o->error = e;
		no_more_parts(k, o);
	}
	if (!e.class)
		k->lost = 0;
	o->reading--;
	bool done = !o->reading && o->next >= o->count;
	if (done) {
		judge_read(o);
		settle(k, o->v, &o->error);
	}
	pthread_mutex_unlock(&k->lock);
	if (done)
		object_free(o);
}

/* ---- the files ------------------------------------------------------------------ */

static int stat_again(const struct verify_work *w, const struct repository_file *f,
		      struct inventory_item *item, struct err *e)
{
	struct retry retry = *w->o->retry;
	do {
		(void)!inventory_stat(w->m->mirror, w->tree, f, item, e);
	} while (e->class && retry_again(&retry, e));
	return -(int)e->class;
}

/* Gives the file its verdict, or returns the object that must be read for it. */
static struct object *file_begin(struct work *k, size_t i)
{
	const struct verify_work *w = k->w;
	struct verify_file *v = &w->m->files[i];
	struct object *object = NULL;
	struct err e = ERR_INIT;
	if (v->file->class == REPOSITORY_TIMESTAMP) {
		judge_timestamp(w->m, v);
	} else if (w->known[i] || stat_again(w, v->file, &w->items[i], &e) == 0) {
		judge_item(v, &w->items[i]);
		bool there = v->verdict != VERIFY_MISSING && v->verdict != VERIFY_WRONG_SIZE;
		if (there && reads(w->o, v->file) && object_open(w, v, &object, &e) < 0) {
			v->verdict = VERIFY_NONE;
			pthread_mutex_lock(&k->lock);
			if (!w->m->error.class)
				w->m->error = e;
			pthread_mutex_unlock(&k->lock);
		}
	}
	if (!object)
		settle_locked(k, v, &e);
	return object;
}

/* Under the lock, which it gives back meanwhile. */
static void next_file(struct work *k)
{
	size_t i = k->next++;
	if (!k->w->wanted[i])
		return;
	k->opening++;
	pthread_mutex_unlock(&k->lock);
	struct object *o = file_begin(k, i);
	pthread_mutex_lock(&k->lock);
	k->opening--;
	if (o) {
		o->behind = k->open;
		k->open = o;
	}
	pthread_cond_broadcast(&k->opened);
}

/* Under the lock. */
static bool stopped(struct work *k)
{
	struct verify_mirror *m = k->w->m;
	if (!m->error.class)
		(void)!cancel_check(k->w->o->cancel, &m->error);
	return m->error.class;
}

/* Waits while another thread may open an object with parts for this one. */
static bool take(struct work *k, struct part *out)
{
	bool found = false;
	pthread_mutex_lock(&k->lock);
	while (!found && !stopped(k)) {
		if (k->open) {
			*out = take_part(k, k->open);
			found = true;
		} else if (k->next < k->w->tree->files.count) {
			next_file(k);
		} else if (k->opening) {
			pthread_cond_wait(&k->opened, &k->lock);
		} else {
			break;
		}
	}
	pthread_mutex_unlock(&k->lock);
	return found;
}

static void work(void *ctx, size_t thread)
{
	struct part p;
	(void)thread;
	while (take(ctx, &p))
		read_part(ctx, &p);
}

/* The files that the mirror's error left without a verdict. */
static void settle_rest(struct work *k)
{
	const struct verify_work *w = k->w;
	for (struct object *o = k->open, *behind; o; o = behind) {
		behind = o->behind;
		o->error = w->m->error;
		judge_read(o);
		settle(k, o->v, &o->error);
		object_free(o);
	}
	for (size_t i = 0; i < w->tree->files.count; i++)
		if (w->wanted[i] && w->m->files[i].verdict == VERIFY_NONE)
			settle(k, &w->m->files[i], &w->m->error);
}

void verify_work_run(const struct verify_work *w)
{
	struct work k = { .w = w };
	unsigned threads = w->m->mirror ? w->m->mirror->connections : 1;
	pthread_mutex_init(&k.lock, NULL);
	pthread_cond_init(&k.opened, NULL);
	begin_task(&k);
	threads_run(threads, threads, work, &k);
	settle_rest(&k);
	report_end(w->o->report, k.task, !w->m->error.class && !verify_is_bad(w->m));
	free(k.task);
	pthread_cond_destroy(&k.opened);
	pthread_mutex_destroy(&k.lock);
}
