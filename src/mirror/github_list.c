#include "mirror/github.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- the assets of a release ------------------------------------------------------- */

struct copies {
	struct github_asset *at;
	size_t count;
};

static void copies_release(struct copies *all)
{
	for (size_t i = 0; i < all->count; i++)
		github_asset_release(&all->at[i]);
	free(all->at);
}

static void copy(struct mirror_github_release *r, struct copies *out)
{
	pthread_mutex_lock(&r->lock);
	out->count = r->count;
	out->at = mem_alloc((r->count + 1) * sizeof *out->at);
	for (size_t i = 0; i < r->count; i++) {
		const struct github_asset *a = &r->assets[i];
		out->at[i] = *a;
		out->at[i].name = mem_strdup(a->name);
		out->at[i].label = a->label ? mem_strdup(a->label) : NULL;
	}
	pthread_mutex_unlock(&r->lock);
}

int mirror_github_each(struct mirror_github *s, struct mirror_github_release *r,
		       mirror_github_asset_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(copies_release) struct copies all = { 0 };
	int rc = 0;
	copy(r, &all);
	for (size_t i = 0; i < all.count && rc == 0; i++) {
		const struct github_asset *a = &all.at[i];
		CLEANUP(github_name_release) struct github_name n = { 0 };
		if (github_name_parse(s->tag, r->about.tag, a->name, a->label, &n))
			rc = fn(ctx, a, &n, e);
	}
	return rc;
}

/* ---- the list of objects ------------------------------------------------------------ */

/* An asset that readers look for. */
struct item {
	char *key;
	unsigned part;
	struct github_asset asset;
};

struct listing {
	const char *prefix;
	struct item *at;
	size_t count, cap;
};

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->at[i].key);
	free(l->at);
}

static int add(void *ctx, const struct github_asset *a, const struct github_name *n, struct err *e)
{
	struct listing *l = ctx;
	struct github_asset plain = *a;
	(void)e;
	if (!a->uploaded || n->pending || !str_starts(n->key, l->prefix))
		return 0;
	plain.name = plain.label = NULL;
	l->at = mem_grow(l->at, l->count, &l->cap, sizeof *l->at);
	l->at[l->count++] = (struct item){ mem_strdup(n->key), n->part, plain };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	return order ? order : (x->part > y->part) - (x->part < y->part);
}

/* `count` assets of one key, sorted by part. Without its first part it is not complete. */
static int tell(const struct item *at, size_t count, mirror_entry_fn *fn, void *ctx, struct err *e)
{
	struct mirror_entry entry = { .key = at->key };
	CLEANUP(mirror_github_object_release) struct mirror_github_object o = { 0 };
	unsigned part = at->part;
	if (part > 1)
		return 0;
	o.parts = mem_alloc(count * sizeof *o.parts);
	for (size_t i = 0; i < count && at[i].part == part; i++) {
		o.parts[o.count++] = at[i].asset;
		o.size += at[i].asset.size;
		part += part > 0;
		if (!at->part)
			break;
	}
	mirror_github_fill_stat(&o, &entry.stat);
	return fn(ctx, &entry, e);
}

/* Of two releases with one tag, and of those where places has no object, nothing is read. */
static int add_release(struct mirror_connection *c, struct mirror_github_release *r,
		       struct listing *l, struct err *e)
{
	struct mirror_github_release *used = NULL;
	int rc = mirror_github_find(c, r->about.tag, &used, e);
	return rc == 0 && used == r ? mirror_github_each(c->mirror->state, r, add, l, e) : rc;
}

static bool is_at_its_place(const struct mirror *m, const struct item *i,
			    struct mirror_github_release *r)
{
	CLEANUP(mem_free_ptr) char *tag = mirror_github_tag(m, i->key);
	return strcmp(tag, r->about.tag) == 0;
}

/* All assets that readers look for, sorted by key and part. */
static int find_all(struct mirror_connection *c, struct listing *l, struct err *e)
{
	CLEANUP(mem_free_ptr) struct mirror_github_release **releases = NULL;
	size_t count = 0;
	int rc = mirror_github_all(c, &releases, &count, e);
	for (size_t i = 0; i < count && rc == 0; i++) {
		size_t from = l->count, to = from;
		rc = add_release(c, releases[i], l, e);
		for (size_t k = from; k < l->count; k++) {
			if (is_at_its_place(c->mirror, &l->at[k], releases[i]))
				l->at[to++] = l->at[k];
			else
				free(l->at[k].key);
		}
		l->count = to;
	}
	if (l->count)
		qsort(l->at, l->count, sizeof *l->at, compare);
	return rc;
}

/* How many assets from here on are of the same object. */
static size_t same_key(const struct listing *l, size_t from)
{
	size_t same = 1;
	while (from + same < l->count && strcmp(l->at[from].key, l->at[from + same].key) == 0)
		same++;
	return same;
}

int mirror_github_list(struct mirror_connection *c, const char *prefix, mirror_entry_fn *fn,
		       void *ctx, struct err *e)
{
	CLEANUP(listing_release) struct listing l = { .prefix = prefix };
	size_t same;
	int rc = find_all(c, &l, e);
	for (size_t i = 0; i < l.count && rc == 0; i += same) {
		same = same_key(&l, i);
		rc = tell(&l.at[i], same, fn, ctx, e);
	}
	return rc;
}

int mirror_github_downloads(struct mirror_connection *c, mirror_downloads_fn *fn, void *ctx,
			    struct err *e)
{
	CLEANUP(listing_release) struct listing l = { .prefix = "" };
	size_t same;
	int rc = find_all(c, &l, e);
	for (size_t i = 0; i < l.count && rc == 0; i += same) {
		uint64_t most = 0;
		same = same_key(&l, i);
		for (size_t k = 0; k < same; k++)
			most = MAX(most, l.at[i + k].asset.downloads);
		rc = fn(ctx, l.at[i].key, most, e);
	}
	return rc;
}
