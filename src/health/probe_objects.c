/* Are the objects of the release there, with the right size? */
#include "health/probe_run.h"

#include "publish/inventory.h"
#include "util/mem.h"
#include "util/threads.h"

#include <pthread.h>
#include <string.h>

typedef unsigned long long ull;

#define THREADS 4
/* A listing is one request for so many objects, or fewer; S3 has 1000. */
#define LIST_PAGE 1000
/* Of a listing, so many requests of the budget are used at most. */
#define LIST_SHARE 4
/* Objects that could not be asked about, after which a run asks about no others. */
#define ENOUGH 5

struct candidate {
	const struct repository_file *file;
	uint64_t hash, place;
	bool found; /* by an earlier run */
	enum { NOT_ASKED, THERE, FAULTY } now;
};

struct objects {
	struct probe_run *r;
	struct candidate *at;
	size_t count;
	size_t fresh;  /* of these, never found: they are in front */
	size_t *asked; /* indexes of those for which there is a request */
	size_t asked_count;
	pthread_mutex_t lock; /* of what follows */
	struct err error;     /* the first one */
	unsigned errors;      /* with ENOUGH of them, or one that would hit all others, it ends */
	bool ended;
	const struct candidate *example; /* of those that are faulty */
	const char *fault;
};

/* ---- the order ------------------------------------------------------------------------------ */

static void choose_key(struct probe_state *s)
{
	while (!s->key)
		s->key = random_below(NULL, UINT64_MAX);
}

static void collect(struct objects *o)
{
	const struct tree *t = o->r->s->release;
	const struct probe_state *s = o->r->s->state;
	o->at = mem_alloc((t->files.count + 1) * sizeof *o->at);
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (!probe_run_wants(o->r, f))
			continue;
		struct candidate *c = &o->at[o->count++];
		c->file = f;
		c->hash = probe_state_hash(f->key);
		/* From where the last run ended, round to there. */
		c->place = probe_state_place(s, c->hash) - s->position - 1;
		c->found = probe_state_has(s, c->hash);
		o->fresh += !c->found;
	}
}

/* First what was never found, then what was asked for longest ago. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->found != y->found)
		return x->found - y->found;
	return (x->place > y->place) - (x->place < y->place);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* The example is always the same one, as long as it is faulty. */
static void found_faulty(struct objects *o, struct candidate *c, const char *fault)
{
	c->now = FAULTY;
	if (o->example && strcmp(o->example->file->key, c->file->key) <= 0)
		return;
	o->example = c;
	o->fault = fault;
}

static void judge(struct objects *o, struct candidate *c, enum inventory_state state)
{
	static const char *const faults[] = {
		[INVENTORY_MISSING] = "is missing",
		[INVENTORY_SIZE] = "has another size",
		[INVENTORY_CONTENT] = "has other contents",
		[INVENTORY_UNVERIFIED] = NULL,
		[INVENTORY_OK] = NULL,
	};
	pthread_mutex_lock(&o->lock);
	if (faults[state])
		found_faulty(o, c, faults[state]);
	else if (c->now != FAULTY) /* what the listing lacks, a cache may still have */
		c->now = THERE;
	pthread_mutex_unlock(&o->lock);
}

/* The last part of the time is not begun with: what is asked then could not be answered. */
static bool is_enough(struct objects *o)
{
	const struct probe_run *r = o->r;
	uint64_t left_ms = deadline_left_ms(r->s->deadline);
	pthread_mutex_lock(&o->lock);
	bool failed = o->ended;
	pthread_mutex_unlock(&o->lock);
	return failed || (left_ms != UINT64_MAX && left_ms < r->limit_ms / 10);
}

static void note_error(struct objects *o, struct candidate *c, const struct err *why)
{
	pthread_mutex_lock(&o->lock);
	if (why->cause == CAUSE_PAGE)
		found_faulty(o, c, "is a web page");
	else if (o->errors++ == 0)
		o->error = *why;
	o->ended = o->ended || o->errors == ENOUGH || probe_run_hits_all(o->r, why);
	pthread_mutex_unlock(&o->lock);
}

static void ask(void *ctx, size_t i)
{
	struct objects *o = ctx;
	struct candidate *c = &o->at[o->asked[i]];
	struct mirror_stat st;
	struct err why = ERR_INIT;
	if (is_enough(o))
		return;
	int rc = mirror_stat_key(probe_run_mirror(o->r), c->file->key, &st, &why);
	if (rc == 0)
		judge(o, c, inventory_judge(c->file, NULL, &st));
	else if (rc == -ERR_NOT_FOUND)
		judge(o, c, INVENTORY_MISSING);
	else
		note_error(o, c, &why);
}

/* What is missing for long must not use up the budget: a quarter is for the others. */
static void choose(struct objects *o, size_t budget)
{
	size_t old = o->count - o->fresh, kept = MIN(old, budget / 4);
	size_t fresh = MIN(o->fresh, budget - kept);
	o->asked_count = MIN(o->count, budget);
	o->asked = mem_alloc((o->asked_count + 1) * sizeof *o->asked);
	for (size_t i = 0; i < o->asked_count; i++)
		o->asked[i] = i < fresh ? i : o->fresh + i - fresh;
}

static int compare_keys(const void *a, const void *b)
{
	const struct candidate *const *x = a, *const *y = b;
	return strcmp((*x)->file->key, (*y)->file->key);
}

struct listing {
	struct candidate **by_key;
	size_t count;
	struct objects *o;
};

static int on_entry(void *ctx, const struct mirror_entry *entry, struct err *e)
{
	struct listing *l = ctx;
	struct repository_file like = { .key = (char *)entry->key };
	struct candidate of = { .file = &like }, *key = &of;
	struct candidate **c = bsearch(&key, l->by_key, l->count, sizeof *l->by_key, compare_keys);
	if (c)
		judge(l->o, *c, inventory_judge((*c)->file, NULL, &entry->stat));
	return cancel_check(l->o->r->m->env.cancel, e);
}

static int list_all(struct objects *o, struct err *e)
{
	static const char *const prefixes[] = { "targets/", "metadata/" };
	struct listing l = { .count = o->count, .o = o };
	int rc = 0;
	l.by_key = mem_alloc((o->count + 1) * sizeof(struct candidate *));
	for (size_t i = 0; i < o->count; i++)
		l.by_key[i] = &o->at[i];
	qsort(l.by_key, l.count, sizeof *l.by_key, compare_keys);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(prefixes); i++)
		rc = mirror_list(o->r->m, prefixes[i], on_entry, &l, e);
	for (size_t i = 0; rc == 0 && i < o->count; i++)
		if (o->at[i].now == NOT_ASKED)
			judge(o, &o->at[i], INVENTORY_MISSING);
	free(l.by_key);
	return rc;
}

/* A registry lists what its manifests name, whether the blobs are still there or not. */
static bool lists_what_is_there(const struct mirror *m)
{
	return mirror_can(m, MIRROR_CAN_LIST) && strcmp(m->ops->kind, "oci") != 0;
}

/* Kinds that need a request for few objects only. */
static bool lists_cheaply(const struct objects *o)
{
	const struct probe_run *r = o->r;
	return r->m != r->reader && lists_what_is_there(r->m) &&
	       (!mirror_has_server(r->m) || o->count / LIST_PAGE <= r->o.objects);
}

/* ---- what it tells -------------------------------------------------------------------------- */

static void remember(struct objects *o)
{
	struct probe_state *s = o->r->s->state;
	uint64_t *found = mem_alloc((o->count + 1) * sizeof *found);
	size_t count = 0;
	uint64_t position = s->position;
	for (size_t i = 0; i < o->asked_count; i++) {
		const struct candidate *c = &o->at[o->asked[i]];
		if (c->found && c->now != NOT_ASKED)
			position = probe_state_place(s, c->hash);
	}
	for (size_t i = 0; i < o->count; i++)
		if (o->at[i].now == THERE || (o->at[i].now == NOT_ASKED && o->at[i].found))
			found[count++] = o->at[i].hash;
	s->position = position;
	probe_state_set(s, found, count);
}

static void find_faulty(const struct objects *o)
{
	const struct probe *p = o->r->out;
	health_find(&o->r->out->findings, HEALTH_OBJECTS, HEALTH_CRITICAL,
		    "%llu of the %llu objects looked up %s missing or wrong: %s %s",
		    (ull)p->objects_missing, (ull)p->objects_checked,
		    p->objects_missing == 1 ? "is" : "are", o->example->file->key, o->fault);
}

static void tell(struct objects *o)
{
	struct probe *p = o->r->out;
	p->objects = o->count;
	for (size_t i = 0; i < o->count; i++) {
		p->objects_checked += o->at[i].now != NOT_ASKED;
		p->objects_missing += o->at[i].now == FAULTY;
	}
	if (p->objects_missing)
		find_faulty(o);
	else if (o->error.class)
		; /* it becomes the finding */
	else if (p->objects_checked == p->objects)
		health_find(&p->findings, HEALTH_OBJECTS, HEALTH_OK, "all %llu objects are there",
			    (ull)p->objects);
	else if (p->objects_checked)
		health_find(&p->findings, HEALTH_OBJECTS, HEALTH_OK,
			    "%llu of %llu objects were looked up and are there",
			    (ull)p->objects_checked, (ull)p->objects);
}

/* Without credentials for a listing, there is still what readers see. */
static int list(struct objects *o, bool *listed, struct err *e)
{
	struct probe_run *r = o->r;
	struct err why = ERR_INIT;
	int rc = list_all(o, &why);
	*listed = rc == 0;
	if (rc == 0 || (r->reader && (rc == -ERR_AUTH || rc == -ERR_USAGE)))
		return 0;
	return probe_run_fault(r, HEALTH_OBJECTS, HEALTH_WARNING, &why, e);
}

static int run(struct objects *o, struct err *e)
{
	struct probe_run *r = o->r;
	bool listed = false;
	int rc = lists_cheaply(o) ? list(o, &listed, e) : 0;
	if (rc < 0 || r->lost)
		return rc;
	/* What a listing has told, readers are asked about as well, but not as often. */
	choose(o, (size_t)(listed ? r->o.objects / (r->reader ? LIST_SHARE : UINT64_MAX)
				  : MIN(r->o.objects, SIZE_MAX)));
	threads_run(MIN(THREADS, mirror_threads(r->m)), o->asked_count, ask, o);
	tell(o);
	remember(o);
	if (!o->error.class)
		return 0;
	/* What readers may not read is not there for them. */
	enum health_state state = err_is(&o->error, ERR_AUTH) ? HEALTH_CRITICAL : HEALTH_WARNING;
	return probe_run_fault(r, HEALTH_OBJECTS, state, &o->error, e);
}

int probe_objects(struct probe_run *r, struct err *e)
{
	struct objects o = { .r = r };
	bool other = r->out->shows == PROBE_SHOWS_OLDER || r->out->shows == PROBE_SHOWS_NEWER ||
		     r->out->shows == PROBE_SHOWS_OTHER;
	if (!r->s->release || r->s->metadata_only || !r->o.objects || other)
		return 0;
	choose_key(r->s->state);
	collect(&o);
	qsort(o.at, o.count, sizeof *o.at, compare);
	pthread_mutex_init(&o.lock, NULL);
	int rc = o.count ? run(&o, e) : 0;
	pthread_mutex_destroy(&o.lock);
	free(o.asked);
	free(o.at);
	return rc;
}
