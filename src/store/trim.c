#include "store/trim.h"

#include "store/disk.h"
#include "util/mem.h"

struct trimming {
	const struct store *store;
	const struct store_trim_options *how;
	struct store_layouts layouts;
	struct store_disk disk;
	bool *gone; /* of each variant */
	int64_t now_s;
	uint64_t size; /* before */
	struct store_trim *out;
};

void store_trim_release(struct store_trim *t)
{
	free(t->at);
	store_variants_release(&t->all);
	*t = (struct store_trim){ 0 };
}

static void trimming_release(struct trimming *t)
{
	store_layouts_release(&t->layouts);
	store_disk_release(&t->disk);
	mem_free_ptr(&t->gone);
}

static int by_use(const void *a, const void *b)
{
	const struct store_trim_row *x = a, *y = b;
	if (x->used_s != y->used_s)
		return x->used_s < y->used_s ? -1 : 1;
	/* In the order of the names. */
	return x->variant < y->variant ? -1 : x->variant > y->variant;
}

/* Rows of all, in the order in which they are removed. */
static void order(struct trimming *t, struct store_trim_row *rows)
{
	const struct store_variants *all = &t->out->all;
	for (size_t i = 0; i < all->count; i++)
		rows[i] = (struct store_trim_row){
			.variant = &all->at[i],
			.used_s = store_use_time_s(t->store, &all->at[i]),
		};
	if (all->count)
		qsort(rows, all->count, sizeof *rows, by_use);
}

static bool is_due(const struct trimming *t, const struct store_trim_row *row)
{
	uint64_t unused_s = t->now_s > row->used_s ? (uint64_t)(t->now_s - row->used_s) : 0;
	return t->size - MIN(t->size, t->out->bytes) > t->how->max_size ||
	       (t->how->unused_s != UINT64_MAX && unused_s >= t->how->unused_s);
}

static int remove_row(struct trimming *t, struct store_trim_row *row, struct err *e)
{
	const struct store_variant *v = row->variant;
	uint64_t ignored = 0;
	int rc = t->how->dry_run
			 ? 0
			 : store_remove(t->store, v->repository, v->model, v->variant, &ignored, e);
	/* Another process was faster. */
	if (rc == -ERR_NOT_FOUND) {
		err_clear(e);
		rc = 0;
	}
	if (rc < 0)
		return rc;
	t->gone[v - t->out->all.at] = true;
	uint64_t freed = store_disk_sum(&t->disk, &t->out->all, t->gone).own;
	row->bytes = freed - t->out->bytes;
	t->out->bytes = freed;
	return 0;
}

static int trim_row(struct trimming *t, struct store_trim_row *row, struct err *e)
{
	CLEANUP(store_use_release) struct store_use_hold claim = { 0 };
	int rc = cancel_check(t->store->cancel, e);
	if (rc < 0 || !is_due(t, row))
		return rc;
	row->keep = store_keep_why(t->store, &t->out->all, &t->layouts, row->variant, &claim);
	rc = row->keep == STORE_KEEP_NOT ? remove_row(t, row, e) : 0;
	if (rc == 0)
		t->out->at[t->out->count++] = *row;
	return rc;
}

static int trim(struct trimming *t, struct err *e)
{
	struct store_trim *out = t->out;
	CLEANUP(mem_free_ptr) struct store_trim_row *rows =
		mem_alloc((out->all.count + 1) * sizeof *rows);
	out->at = mem_alloc((out->all.count + 1) * sizeof *out->at);
	t->gone = mem_alloc(out->all.count + 1);
	t->size = t->disk.total - MIN(t->disk.total, t->how->freed);
	order(t, rows);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < out->all.count; i++)
		rc = trim_row(t, &rows[i], e);
	out->size = t->size - MIN(t->size, out->bytes);
	return rc;
}

/* A little more than the sum: the marks of the blobs, and folders that are empty now. */
static int measure_again(const struct store *s, struct store_trim *out, struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants left = { 0 };
	CLEANUP(store_disk_release) struct store_disk disk = { 0 };
	int rc = store_list(s, &left, e);
	if (rc == 0)
		rc = store_disk_measure(s, &left, &disk, e);
	if (rc == 0)
		out->size = disk.total;
	return rc;
}

int store_trim(const struct store *s, const struct store_trim_options *options,
	       struct store_trim *out, struct err *e)
{
	CLEANUP(store_trim_release) struct store_trim done = { 0 };
	CLEANUP(trimming_release) struct trimming t = {
		.store = s,
		.how = options,
		.now_s = clock_wall_s(s->clock),
		.out = &done,
	};
	int rc = store_list(s, &done.all, e);
	if (rc == 0)
		rc = store_links_list(s, &t.layouts, e);
	if (rc == 0)
		rc = store_disk_measure(s, &done.all, &t.disk, e);
	if (rc == 0)
		rc = trim(&t, e);
	if (rc == 0 && !options->dry_run)
		rc = measure_again(s, &done, e);
	if (rc < 0)
		return rc;
	*out = done;
	done = (struct store_trim){ 0 };
	return 0;
}
