#include "health/subject.h"

#include "publish/sync.h"
#include "util/mem.h"
#include "util/threads.h"

#include <string.h>

void health_subject_release(struct health_subject *s)
{
	probe_roles_release(&s->roles);
	free(s->mirror);
	catalog_release(&s->catalog);
	tree_release(&s->tree);
	*s = (struct health_subject){ 0 };
}

/* ---- what the mirrors claim ---- */

struct claim {
	const struct health_candidate *of;
	uint64_t version; /* 0: none */
	struct err why;
};

struct asking {
	const struct health_subject_from *from;
	struct claim *claims;
};

/* What ends by the deadline is the mirror's fault. */
static void explain(const struct deadline *d, struct err *e)
{
	if (!err_is(e, ERR_CANCELLED) || !deadline_passed(d))
		return;
	err_clear(e);
	err_set(e, ERR_NETWORK, "it did not answer in time");
	err_cause(e, CAUSE_STALLED, 0);
}

static void ask(void *ctx, size_t i)
{
	struct asking *a = ctx;
	struct claim *c = &a->claims[i];
	struct probe_claim claim;
	deadline_start(c->of->deadline, a->from->ms / 2, NULL, a->from->cancel);
	if (probe_claim(c->of->mirror, c->of->deadline, &claim, &c->why) == 0)
		c->version = claim.version;
	explain(c->of->deadline, &c->why);
}

static int newest_first(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	return (x->version < y->version) - (x->version > y->version);
}

/* ---- the copy of a mirror ---- */

struct reading {
	const struct health_subject_from *from;
	struct health_subject *s;
	struct buf root;
};

static int copy_mirror(struct reading *r, const struct claim *c, struct err *e)
{
	struct sync_from from = {
		.mirror = c->of->mirror,
		.dir = r->from->dir,
		.now_s = r->from->now_s,
		.retry = &r->s->retry,
		.cancel = &c->of->deadline->cancel,
	};
	buf_clear(&r->root);
	int rc = sync_root(r->from->repository, from.mirror, from.retry, &r->root, e);
	if (rc < 0)
		return rc;
	from.root = buf_str(&r->root);
	from.root_len = r->root.len;
	return sync_open(&from, &r->s->tree, e);
}

/* At most so long, whatever the mirror does. */
static int try_mirror(struct reading *r, const struct claim *c, uint64_t end_ms, struct err *e)
{
	uint64_t now_ms = clock_now_ms(NULL);
	deadline_start(c->of->deadline, end_ms > now_ms ? end_ms - now_ms : 1, NULL,
		       r->from->cancel);
	r->s->retry = (struct retry){ .max_tries = 1, .cancel = &c->of->deadline->cancel };
	int rc = copy_mirror(r, c, e);
	if (rc < 0) {
		explain(c->of->deadline, e);
		return -(int)e->class;
	}
	r->s->origin = HEALTH_SUBJECT_MIRROR;
	r->s->mirror = mem_strdup(c->of->mirror->id);
	r->s->tree.cancel = r->from->cancel;
	deadline_start(c->of->deadline, r->from->last_ms, NULL, r->from->cancel);
	return 0;
}

/* The first error of the newest, which says most. */
static int try_mirrors(struct reading *r, const struct claim *claims, uint64_t end_ms,
		       struct err *e)
{
	const struct err none = ERR_INIT;
	struct err first = none;
	for (size_t i = 0; i < r->from->count; i++) {
		struct err why = claims[i].why;
		int rc = -(int)why.class;
		if (claims[i].version)
			rc = try_mirror(r, &claims[i], end_ms, &why);
		else if (!why.class)
			err_set(&why, ERR_INTEGRITY,
				"mirror %s: its timestamp.json is not a TUF timestamp",
				claims[i].of->mirror->id);
		if (rc == 0 && !why.class)
			return 0;
		if (!first.class)
			first = why;
		if (cancel_check(r->from->cancel, e) < 0)
			return -(int)e->class;
	}
	if (!first.class)
		err_set(&first, ERR_USAGE, "repository %s has no mirror that holds its metadata",
			r->from->repository->name);
	*e = first;
	return -(int)e->class;
}

static int open_mirrors(struct reading *r, struct err *e)
{
	const struct health_subject_from *from = r->from;
	uint64_t start_ms = clock_now_ms(NULL);
	CLEANUP(mem_free_ptr) struct claim *claims = mem_alloc((from->count + 1) * sizeof *claims);
	struct asking a = { from, claims };
	for (size_t i = 0; i < from->count; i++)
		claims[i].of = &from->candidates[i];
	threads_run(THREADS_MAX, from->count, ask, &a);
	qsort(claims, from->count, sizeof *claims, newest_first);
	return try_mirrors(r, claims, start_ms + from->ms, e);
}

static int open_earlier(struct reading *r, struct err *e)
{
	struct err none = ERR_INIT;
	if (tree_open(r->from->dir, &r->s->tree, &none) < 0)
		return -(int)e->class;
	r->s->origin = HEALTH_SUBJECT_COPY;
	r->s->tree.cancel = r->from->cancel;
	r->s->why = *e;
	err_clear(e);
	return 0;
}

/* ---- what is in it ---- */

static bool is_model_file(const struct repository_file *f)
{
	return f->class == REPOSITORY_OBJECT && f->manifest_key;
}

static void count_models(struct health_subject *s)
{
	const struct repository_files *f = &s->tree.files;
	for (size_t i = 0; i < f->count; i++) {
		s->bytes += f->at[i].class == REPOSITORY_OBJECT ? f->at[i].size : 0;
		s->variants += is_model_file(&f->at[i]);
		s->models += str_ends(f->at[i].key, ".card.json");
	}
	if (!s->catalog.model_count)
		return;
	s->variants = 0;
	s->models = s->catalog.model_count;
	for (size_t i = 0; i < s->catalog.model_count; i++)
		s->variants += s->catalog.models[i].variant_count;
}

/* Without a catalog only the mirrors of ferry.conf are known. */
static void describe(struct health_subject *s)
{
	const struct repository_file *catalog = tree_find(&s->tree, CATALOG_TARGET);
	const struct buf *bytes = catalog ? tree_small(&s->tree, catalog) : NULL;
	struct err ignored = ERR_INIT;
	if (bytes)
		(void)!catalog_parse(buf_str(bytes), bytes->len, CATALOG_TARGET, &s->catalog,
				     &ignored);
	count_models(s);
	catalog_forget_models(&s->catalog);
}

int health_subject_open(const struct health_subject_from *from, struct health_subject *out,
			struct err *e)
{
	struct reading r = { .from = from, .s = out, .root = BUF_INIT(SYNC_MAX_ROOT) };
	int rc;
	*out = (struct health_subject){ .origin = HEALTH_SUBJECT_TREE };
	if (from->repository->dir) {
		rc = tree_open(from->repository->dir, &out->tree, e);
		out->tree.cancel = from->cancel;
	} else {
		rc = open_mirrors(&r, e);
		if (rc < 0 && !err_is(e, ERR_CANCELLED))
			rc = open_earlier(&r, e);
	}
	buf_release(&r.root);
	if (rc == 0)
		describe(out);
	return rc < 0 ? rc : probe_roles_read(&out->tree, &out->roles, e);
}
