#include "publish/push.h"

#include "publish/faces.h"
#include "publish/preflight.h"
#include "publish/push_mirror.h"
#include "publish/push_objects.h"
#include "publish/push_repair.h"
#include "publish/speed.h"
#include "repository/closed.h"
#include "util/cancel.h"
#include "util/mem.h"
#include "util/threads.h"

void push_mirror_release(struct push_mirror *m)
{
	push_plan_release(&m->plan);
}

const char *push_outcome_name(enum push_outcome o)
{
	static const char *const names[] = { "failed",       "up-to-date", "done",
					     "objects-only", "held-back",  "planned",
					     "read-only",    "examined",   "not-started" };
	return names[o];
}

struct run {
	const struct tree *tree;
	struct feed *feed; /* of the objects; each mirror is a reader */
	const struct push_options *o;
	struct push_mirror *mirrors;
	struct push_delivery *deliveries; /* tree == NULL: none for this mirror */
	size_t count;
	bool stopped;                    /* before the first byte */
	struct err stop;                 /* then: why, unless a mirror's fault is graver */
	bool stage_turn;                 /* showing on stage mirrors, then on the others */
	const struct publication *faces; /* the cards, if a mirror has faces */
};

/* Does this run show the release on this mirror? */
static bool shows(const struct push_options *o, const struct push_mirror *m)
{
	return !m->count_only && m->holds != MIRROR_HOLDS_OBJECTS && !o->only &&
	       (!o->stage || m->stage);
}

static bool works(const struct run *r, size_t i)
{
	return r->deliveries[i].tree && !r->mirrors[i].error.class;
}

/* ---- who counts ----------------------------------------------------------------- */

static bool can_count(const struct push_mirror *m, bool stage)
{
	bool read_only = m->mirror && !mirror_can(m->mirror, MIRROR_CAN_WRITE);
	return m->holds != MIRROR_HOLDS_METADATA && !read_only && m->stage == stage;
}

static uint64_t count_mirrors(const struct run *r, bool stage, bool holding)
{
	uint64_t n = 0;
	for (size_t i = 0; i < r->count; i++)
		n += can_count(&r->mirrors[i], stage) && (!holding || r->mirrors[i].holds_objects);
	return n;
}

static void count_quorum(const struct run *r, struct push_result *out)
{
	bool stage = !count_mirrors(r, false, false);
	out->counted = count_mirrors(r, stage, false);
	out->holding = count_mirrors(r, stage, true);
	out->quorum = r->o->quorum ? r->o->quorum : out->counted;
}

/* ---- the phases ----------------------------------------------------------------- */

static void plan(void *ctx, size_t i)
{
	struct run *r = ctx;
	if (works(r, i))
		(void)!push_mirror_plan(&r->deliveries[i], &r->mirrors[i].error);
}

/* A transient fault, such as a server that is down, does not count. */
static bool needs_mending(const struct err *e)
{
	return err_is(e, ERR_USAGE) || err_is(e, ERR_AUTH);
}

/* A mirror with a fault is left out like one that is down; but nothing is written when the faults
 * leave too few for the quorum. */
static bool passes_checks(struct run *r, const struct push_result *result)
{
	struct preflight *p = r->o->preflight;
	bool stage = !count_mirrors(r, false, false), faulty = false;
	uint64_t able = 0;
	preflight_run(p, r->tree, r->mirrors, r->count, r->o);
	r->stop = p->error;
	for (size_t i = 0; i < r->count; i++)
		if (can_count(&r->mirrors[i], stage)) {
			able += !r->mirrors[i].error.class;
			faulty = faulty || p->mirrors[i].faulty ||
				 needs_mending(&r->mirrors[i].error);
		}
	return !p->error.class && (!faulty || able >= result->quorum);
}

static bool may_start(struct run *r, const struct push_result *result)
{
	const struct push_options *o = r->o;
	if (cancel_signal(o->cancel))
		return true;
	if (o->approve && o->approve(o->approve_ctx, r->mirrors, r->count, &r->stop) < 0)
		return false;
	return !o->preflight || passes_checks(r, result);
}

static void check(void *ctx, size_t i)
{
	struct run *r = ctx;
	if (works(r, i))
		(void)!push_mirror_check(&r->deliveries[i], &r->mirrors[i].error);
}

static void hidden(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct push_mirror *m = &r->mirrors[i];
	uint64_t began_ms = clock_now_ms(NULL);
	if (!works(r, i))
		return;
	(void)!push_mirror_hidden(&r->deliveries[i], r->feed, i, &m->error);
	speed_note(r->o->record_dir, m->id, m->put_bytes, clock_now_ms(NULL) - began_ms);
}

static int load_publication(struct run *r, struct publication *out, struct err *e)
{
	bool any = false, models = false;
	for (size_t i = 0; i < r->count; i++) {
		if (!works(r, i) || !r->mirrors[i].mirror->ops->publish)
			continue;
		r->deliveries[i].publication = out;
		r->mirrors[i].hidden = !r->mirrors[i].count_only;
		any = true;
		models |= r->mirrors[i].mirror->ops->wants_models;
	}
	return any ? publication_load(r->tree, models, out, e) : 0;
}

/* Without it nothing can be made visible on these mirrors. */
static void prepare_publication(struct run *r, struct publication *out)
{
	struct err why = ERR_INIT;
	if (load_publication(r, out, &why) == 0)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (works(r, i) && r->deliveries[i].publication)
			r->mirrors[i].error = why;
}

/* One thread for each mirror, because all mirrors use each piece at about the same time. */
static void put_hidden(struct run *r, struct push_result *result)
{
	CLEANUP_PTR(feed_free) struct feed *feed = feed_new(r->tree, r->count, NULL);
	for (size_t i = 0; i < r->count; i++)
		if (works(r, i))
			push_objects_want(&r->deliveries[i], feed, i);
	r->feed = feed;
	threads_run(THREADS_MAX, r->count, hidden, r);
	struct feed_stats stats = feed_stats(feed);
	result->source_bytes = stats.read_bytes;
	result->reread_bytes = stats.reread_bytes;
	result->memory_bytes = stats.most_bytes;
}

/* Is the release to be seen? A part of it, and a repaired one, does not depend on the others. */
static bool has_quorum(const struct run *r, const struct push_result *result)
{
	return result->holding >= result->quorum || r->o->repair || r->o->only;
}

static void publish(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct push_mirror *m = &r->mirrors[i];
	if (works(r, i) && m->hidden)
		(void)!push_mirror_publish(&r->deliveries[i], &m->error);
}

/* What some kinds show later is there before the metadata that names it; not without the quorum. */
static void publish_objects(struct run *r, struct push_result *result)
{
	if (!has_quorum(r, result))
		return;
	threads_run(r->o->threads, r->count, publish, r);
	count_quorum(r, result);
}

/* Only with the complete release. */
static unsigned faces_of(const struct run *r, const struct push_mirror *m)
{
	bool all = !r->o->only && !r->o->repair && !m->count_only;
	return all && m->settings && m->holds == MIRROR_HOLDS_ALL ? m->settings->faces : 0;
}

static int load_faces(const struct run *r, struct publication *out, struct err *e)
{
	bool any = false;
	for (size_t i = 0; i < r->count; i++)
		any = any || faces_of(r, &r->mirrors[i]);
	return any ? publication_load(r->tree, true, out, e) : 0;
}

static void shown(void *ctx, size_t i)
{
	struct run *r = ctx;
	struct push_mirror *m = &r->mirrors[i];
	if (!works(r, i) || !shows(r->o, m) || m->stage != r->stage_turn ||
	    push_mirror_shown(&r->deliveries[i], &m->error) < 0)
		return;
	const struct faces_options o = { .faces = faces_of(r, m),
					 .now_s = clock_wall_s(NULL),
					 .retry = r->o->retry };
	if (o.faces)
		(void)!faces_send(r->tree, r->faces, m->mirror, &o, &m->puts, &m->error);
}

static bool stage_failed(const struct run *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->mirrors[i].stage && shows(r->o, &r->mirrors[i]) && r->mirrors[i].error.class)
			return true;
	return false;
}

/* Stage mirrors first; none without the quorum. */
static void show_release(struct run *r, const struct push_result *result)
{
	if (!has_quorum(r, result))
		return;
	for (int turn = 0; turn < 2; turn++) {
		r->stage_turn = turn == 0;
		if (!r->stage_turn && stage_failed(r))
			return;
		threads_run(r->o->threads, r->count, shown, r);
	}
}

/* ---- the outcome ---------------------------------------------------------------- */

static bool shown_is_done(const struct push_mirror *m)
{
	for (size_t i = 0; i < m->plan.count; i++) {
		const struct push_step *s = &m->plan.steps[i];
		if (s->file->class == REPOSITORY_TIMESTAMP)
			return s->action == STEP_KEEP || s->done;
	}
	return false;
}

static enum push_outcome outcome(const struct run *r, const struct push_mirror *m)
{
	if (m->error.class)
		return PUSH_FAILED;
	if (!mirror_can(m->mirror, MIRROR_CAN_WRITE))
		return PUSH_READ_ONLY;
	if (m->count_only)
		return PUSH_EXAMINED;
	if (r->o->dry_run)
		return push_plan_is_empty(&m->plan) ? PUSH_UP_TO_DATE : PUSH_PLANNED;
	if (r->stopped)
		return push_plan_is_empty(&m->plan) ? PUSH_UP_TO_DATE : PUSH_NOT_STARTED;
	bool with_metadata = m->holds != MIRROR_HOLDS_OBJECTS;
	bool wrote = m->puts || m->published;
	if (m->hidden)
		return PUSH_HELD_BACK;
	if (r->o->repair)
		return wrote ? PUSH_DONE : PUSH_UP_TO_DATE;
	if (shows(r->o, m) && !shown_is_done(m))
		return PUSH_HELD_BACK;
	if (with_metadata && !shows(r->o, m))
		return PUSH_OBJECTS_ONLY;
	return wrote ? PUSH_DONE : PUSH_UP_TO_DATE;
}

/* The most serious fault of the release and of the mirrors. */
static int sum_up_stopped(const struct run *r, const struct push_mirror *worst, struct err *e)
{
	const struct err *why = &r->stop;
	if (worst && push_gravity(worst->error.class) > push_gravity(why->class))
		why = &worst->error;
	err_set(e, why->class, "%s", why->text);
	if (!r->o->dry_run)
		err_context(e, "nothing was written");
	return why->hint[0] ? err_hint(e, "%s", why->hint) : -(int)e->class;
}

/* Do all mirrors have the file that shall have it? */
static bool is_everywhere(const struct run *r, size_t file)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct push_mirror *m = &r->mirrors[i];
		const struct push_step *s = m->plan.count ? &m->plan.steps[file] : NULL;
		if (s && !m->count_only && !s->done && s->action != STEP_NONE &&
		    s->action != STEP_KEEP)
			return false;
	}
	return true;
}

static bool all_are_planned(const struct run *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->deliveries[i].tree && !r->mirrors[i].plan.count)
			return false;
	return true;
}

static int interrupted(const struct run *r, struct err *e)
{
	const char *again = r->o->again ? r->o->again : "ferry push";
	char done[SIZE_TEXT], all[SIZE_TEXT];
	size_t files = 0, count = 0;
	uint64_t bytes = 0, total = 0;
	if (!all_are_planned(r))
		return err_hint(e, "nothing was written yet; run `%s` again", again);
	for (size_t i = 0; i < r->tree->files.count; i++) {
		if (r->o->only && !r->o->only[i])
			continue;
		uint64_t size = r->tree->files.at[i].size;
		bool there = is_everywhere(r, i);
		files += there;
		bytes += there ? size : 0;
		count++;
		total += size;
	}
	return err_hint(e, "%zu of %zu files, %s of %s are on every mirror; `%s` continues", files,
			count, format_size(done, bytes), format_size(all, total), again);
}

static int sum_up(const struct run *r, const struct push_result *result, struct err *e)
{
	const struct push_mirror *worst = NULL;
	unsigned failed = 0, held_back = 0, mirrors = 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct push_mirror *m = &r->mirrors[i];
		mirrors += !m->count_only;
		failed += m->outcome == PUSH_FAILED && !m->count_only;
		held_back += m->outcome == PUSH_HELD_BACK;
		if (m->error.class &&
		    (!worst || push_gravity(m->error.class) > push_gravity(worst->error.class)))
			worst = m;
	}
	if (cancel_check(r->o->cancel, e) < 0)
		return interrupted(r, e);
	if (r->stopped)
		return sum_up_stopped(r, worst, e);
	if (!failed && !held_back)
		return 0;
	if (!worst)
		return err_set(e, ERR_BUG, "held back without a reason");
	if (failed)
		err_set(e, worst->error.class, "%u of %u mirrors failed: %s", failed, mirrors,
			worst->error.text);
	else
		err_set(e, worst->error.class, "%s", worst->error.text);
	if (held_back && result->holding < result->quorum)
		err_context(e,
			    "readers keep the old release: only %llu of the %llu required mirrors "
			    "hold every object",
			    (unsigned long long)result->holding,
			    (unsigned long long)result->quorum);
	else if (held_back)
		err_context(e, "readers keep the old release: a stage mirror failed");
	if (worst->error.hint[0])
		err_hint(e, "%s", worst->error.hint);
	return err_hint(e, "fix the cause and run the same command again: finished work is not "
			   "repeated");
}

static int check_quorum(const struct run *r, struct push_result *result, struct err *e)
{
	count_quorum(r, result);
	if (result->quorum <= result->counted)
		return 0;
	err_set(e, ERR_USAGE, "the quorum is %llu, but only %llu mirror%s",
		(unsigned long long)result->quorum, (unsigned long long)result->counted,
		result->counted == 1 ? " counts" : "s count");
	return err_hint(e, "set a lower quorum in [publish], or configure more mirrors that hold "
			   "objects and can be written");
}

/* So that the next signature places in other releases what could not be put here. */
static void note_closed(const struct run *r, size_t i)
{
	const struct push_mirror *m = &r->mirrors[i];
	CLEANUP(str_list_release) struct str_list missing = { 0 };
	struct err why = ERR_INIT;
	if (!m->mirror->closed.count || !r->o->record_dir)
		return;
	for (size_t k = 0; k < m->plan.count; k++) {
		const struct push_step *s = &m->plan.steps[k];
		if (s->file->class == REPOSITORY_OBJECT && push_delivery_is_to_be_put(s) &&
		    !s->done)
			str_list_add(&missing, s->file->key);
	}
	if (closed_note(r->o->record_dir, m->id, &m->mirror->closed, &missing, m->mirror->places,
			&why) < 0)
		report_warn(r->o->report, "%s", why.text);
}

int push_run(const struct tree *t, struct push_mirror *mirrors, size_t count,
	     const struct push_options *o, struct push_result *result, struct err *e)
{
	struct run r = { .tree = t, .o = o, .mirrors = mirrors, .count = count };
	*result = (struct push_result){ 0 };
	int rc = check_quorum(&r, result, e);
	if (rc < 0)
		return rc;
	CLEANUP(mem_free_ptr) struct push_delivery *deliveries =
		mem_alloc((count + 1) * sizeof *deliveries);
	r.deliveries = deliveries;
	for (size_t i = 0; i < count; i++)
		if (mirrors[i].mirror && mirror_can(mirrors[i].mirror, MIRROR_CAN_WRITE))
			push_delivery_init(&deliveries[i], t, o, &mirrors[i],
					   shows(o, &mirrors[i]));
	threads_run(o->threads, count, plan, &r);
	CLEANUP(publication_release) struct publication publication = { 0 };
	if (o->repair)
		push_repair_limit(mirrors, count);
	r.stopped = !may_start(&r, result);
	bool write = !o->dry_run && !r.stopped;
	if (write)
		threads_run(o->threads, count, check, &r);
	if (write)
		prepare_publication(&r, &publication);
	if (write && !cancel_signal(o->cancel))
		put_hidden(&r, result);
	count_quorum(&r, result);
	if (write && !cancel_signal(o->cancel))
		publish_objects(&r, result);
	CLEANUP(publication_release) struct publication faces = { 0 };
	r.faces = &faces;
	if (write && !cancel_signal(o->cancel))
		rc = load_faces(&r, &faces, e);
	if (rc == 0 && write && !cancel_signal(o->cancel))
		show_release(&r, result);
	for (size_t i = 0; i < count; i++) {
		mirrors[i].outcome = outcome(&r, &mirrors[i]);
		result->changed = result->changed || mirrors[i].puts || mirrors[i].published;
		if (!deliveries[i].tree)
			continue;
		note_closed(&r, i);
		push_delivery_release(&deliveries[i]);
	}
	return rc < 0 ? rc : sum_up(&r, result, e);
}
