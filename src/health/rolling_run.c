#include "health/rolling_pass.h"

#include "publish/inventory.h"
#include "util/mem.h"

#include <string.h>

/* ---- what there is to read ------------------------------------------------------ */

static int compare_hot(const void *a, const void *b)
{
	const struct rolling_hot *x = a, *y = b;
	return memcmp(x->sha256.bytes, y->sha256.bytes, sizeof x->sha256.bytes);
}

static uint64_t weight(const struct rolling_hot *hot, size_t count, const struct digest *sha256)
{
	struct rolling_hot wanted = { .sha256 = *sha256 };
	const struct rolling_hot *found =
		hot ? bsearch(&wanted, hot, count, sizeof *hot, compare_hot) : NULL;
	return found ? found->weight : 0;
}

static struct rolling_hot *sorted(const struct rolling_options *o)
{
	size_t bytes = o->hot_count * sizeof *o->hot;
	if (!bytes)
		return NULL;
	struct rolling_hot *hot = mem_alloc(bytes);
	memcpy(hot, o->hot, bytes);
	qsort(hot, o->hot_count, sizeof *hot, compare_hot);
	return hot;
}

static void find_pieces(const struct rolling *r, struct mirror *m, const struct tree *t,
			const struct rolling_options *o, struct rolling_sequence *out)
{
	struct rolling_hot *hot = sorted(o);
	for (size_t i = 0; i < t->files.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		if (f->class == REPOSITORY_OBJECT && mirror_has(m, f->key) &&
		    inventory_wants(m->holds, m->ops->packs, f))
			rolling_sequence_add(out, r->key, f, weight(hot, o->hot_count, &f->sha256));
	}
	free(hot);
}

/* ---- reading -------------------------------------------------------------------- */

struct reading {
	struct mirror *mirror;
	const struct tree *tree;
	struct audit_how how;
	const struct repository_file *of; /* whose pieces are loaded */
	struct tree_pieces pieces;
};

/* The pieces are in the manifest. That it cannot be read does not mean that the object cannot. */
static int load(struct reading *d, const struct repository_file *f, struct err *e)
{
	if (d->of == f)
		return 0;
	tree_pieces_release(&d->pieces);
	d->of = NULL;
	int rc = tree_pieces_load(d->tree, f, &d->pieces, e);
	if (rc < 0 && rc != -ERR_CANCELLED)
		return err_class_set(e, ERR_NETWORK);
	d->of = rc == 0 ? f : NULL;
	return rc;
}

static int read_one(void *ctx, const struct rolling_object *o, uint32_t piece, struct audit *out,
		    struct err *e)
{
	struct reading *d = ctx;
	int rc = load(d, o->file, e);
	if (rc < 0)
		return rc;
	if (!d->pieces.at)
		return audit_full(d->mirror, o->file, &d->pieces, &d->how, out, e);
	return audit_part(d->mirror, o->file, &d->pieces, piece, 1, &d->how, out, e);
}

int rolling_run(struct rolling *r, struct mirror *m, const struct tree *t,
		const struct rolling_options *o, struct rolling_report *out, struct err *e)
{
	CLEANUP(rolling_sequence_release) struct rolling_sequence s = { 0 };
	/* What fails is read again in the next run. */
	struct retry once = RETRY_DEFAULT;
	once.max_tries = 1;
	once.clock = o->clock;
	struct reading d = {
		.mirror = m,
		.tree = t,
		.how = { .cancel = o->cancel, .retry = &once, .deadline_us = o->deadline_us },
	};
	struct rolling_reader reader = { read_one, &d };
	*out = (struct rolling_report){ .others_files = m->ops->others_files };
	find_pieces(r, m, t, o, &s);
	int rc = rolling_pass(r, &s, &reader, o, out, e);
	rolling_pass_sum_up(r, &s, o, out);
	tree_pieces_release(&d.pieces);
	return rc;
}
