#include "publish/newest.h"

#include "publish/sync.h"
#include "tuf/claim.h"
#include "util/mem.h"
#include "util/threads.h"

#define TIMESTAMP "metadata/timestamp.json"

void newest_release(struct newest_result *n)
{
	tree_release(&n->tree);
	*n = (struct newest_result){ 0 };
}

/* ---- what the mirrors claim ---- */

struct claim {
	const struct newest_candidate *of;
	uint64_t version; /* 0: none */
	struct err why;
};

struct asking {
	const struct newest_from *from;
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

static int read_claim(const struct newest_candidate *of, struct tuf_claim *out, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT(64 * KIB);
	uint64_t left_ms = deadline_left_ms(of->deadline);
	int rc = left_ms ? 0 : cancel_check(&of->deadline->cancel, e);
	if (rc == 0)
		rc = mirror_get_small(of->mirror, TIMESTAMP, left_ms == UINT64_MAX ? 0 : left_ms,
				      &bytes, e);
	return rc < 0 ? rc : tuf_claim_parse(buf_str(&bytes), bytes.len, TIMESTAMP, out, e);
}

static void ask(void *ctx, size_t i)
{
	struct asking *a = ctx;
	struct claim *c = &a->claims[i];
	struct tuf_claim claim;
	deadline_start(c->of->deadline, a->from->ms / 2, NULL, a->from->cancel);
	if (read_claim(c->of, &claim, &c->why) == 0)
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
	const struct newest_from *from;
	struct newest_result *out;
	struct buf root;
};

static int copy_mirror(struct reading *r, const struct claim *c, struct err *e)
{
	struct sync_from from = {
		.mirror = c->of->mirror,
		.dir = r->from->dir,
		.trust = r->from->trust,
		.now_s = r->from->now_s,
		.retry = &r->out->retry,
		.cancel = &c->of->deadline->cancel,
	};
	buf_clear(&r->root);
	int rc = sync_root(r->from->repository, from.mirror, from.retry, &r->root, e);
	if (rc < 0)
		return rc;
	from.root = buf_str(&r->root);
	from.root_len = r->root.len;
	return sync_open(&from, &r->out->tree, e);
}

/* At most so long, whatever the mirror does. */
static int try_mirror(struct reading *r, const struct claim *c, uint64_t end_ms, struct err *e)
{
	uint64_t now_ms = clock_now_ms(NULL);
	deadline_start(c->of->deadline, end_ms > now_ms ? end_ms - now_ms : 1, NULL,
		       r->from->cancel);
	r->out->retry = (struct retry){ .max_tries = 1, .cancel = &c->of->deadline->cancel };
	if (copy_mirror(r, c, e) < 0) {
		explain(c->of->deadline, e);
		return -(int)e->class;
	}
	r->out->found = true;
	r->out->mirror = c->of->mirror;
	r->out->tree.cancel = r->from->cancel;
	deadline_start(c->of->deadline, r->from->last_ms, NULL, r->from->cancel);
	return 0;
}

static int try_claim(struct reading *r, const struct claim *c, uint64_t end_ms, struct err *e)
{
	*e = c->why;
	if (c->version)
		return try_mirror(r, c, end_ms, e);
	if (!e->class)
		err_set(e, ERR_INTEGRITY, "mirror %s: its timestamp.json is not a TUF timestamp",
			c->of->mirror->id);
	return -(int)e->class;
}

/* A mirror that has no newer release is no fault, unless one that claims to have one failed. */
static int try_mirrors(struct reading *r, const struct claim *claims, uint64_t end_ms,
		       struct err *e)
{
	const struct err none = ERR_INIT;
	struct err first = none;
	bool same = false;
	for (size_t i = 0; i < r->from->count; i++) {
		struct err why = none;
		if (claims[i].version && claims[i].version <= r->from->above) {
			same = true;
			continue;
		}
		if (same && !claims[i].version)
			continue;
		if (try_claim(r, &claims[i], end_ms, &why) == 0)
			return 0;
		if (!first.class)
			first = why;
		if (cancel_check(r->from->cancel, e) < 0)
			return -(int)e->class;
	}
	if (!first.class && same)
		return 0;
	if (!first.class)
		err_set(&first, ERR_USAGE, "repository %s has no mirror that holds its metadata",
			r->from->repository->name);
	*e = first;
	return -(int)e->class;
}

int newest_copy(const struct newest_from *from, struct newest_result *out, struct err *e)
{
	*out = (struct newest_result){ 0 };
	struct reading r = { .from = from, .out = out, .root = BUF_INIT(SYNC_MAX_ROOT) };
	uint64_t start_ms = clock_now_ms(NULL);
	CLEANUP(mem_free_ptr) struct claim *claims = mem_alloc((from->count + 1) * sizeof *claims);
	struct asking a = { from, claims };
	for (size_t i = 0; i < from->count; i++)
		claims[i].of = &from->candidates[i];
	threads_run(THREADS_MAX, from->count, ask, &a);
	qsort(claims, from->count, sizeof *claims, newest_first);
	int rc = try_mirrors(&r, claims, start_ms + from->ms, e);
	buf_release(&r.root);
	return rc;
}
