#include "store/blob.h"
#include "store/partials.h"
#include "store/record.h"
#include "store/store.h"

#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

#define DAY_S 86400
#define CACHE_DAYS 30

struct gc {
	const struct store *store;
	uint64_t partial_age_s;
	bool dry_run;
	int64_t now_s;
	struct store_gc *out;
};

static uint64_t age_s(const struct gc *g, const struct stat *st)
{
	return g->now_s > st->st_mtime ? (uint64_t)(g->now_s - st->st_mtime) : 0;
}

static int collect(struct gc *g, const char *path, const struct stat *st, uint64_t *kind,
		   struct err *e)
{
	int rc = g->dry_run ? 0 : file_remove(path, e);
	if (rc < 0)
		return rc;
	++*kind;
	/* Count blocks: a partial is sparse, and a blob may have other links. */
	if (st->st_nlink == 1)
		g->out->bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

/* Temporary files of killed processes, in any folder of the store. */
static int gc_temporaries(struct gc *g, const char *dir, uint64_t min_age_s, struct err *e)
{
	CLEANUP(str_list_release) struct str_list names = { 0 };
	if (!file_is_dir(dir))
		return 0;
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct stat st;
		if (file_is_temporary(names.at[i]) && lstat(path, &st) == 0 &&
		    age_s(g, &st) >= min_age_s)
			rc = collect(g, path, &st, &g->out->temporaries, e);
	}
	return rc;
}

bool store_has_edge(const struct store *s)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(s->home, "edge");
	return file_is_dir(dir);
}

/* The edge removes its own when it needs room. */
static int gc_unneeded(struct gc *g, const char *path, const struct stat *st, struct err *e)
{
	if (g->store->edge_too || !store_has_edge(g->store))
		return collect(g, path, st, &g->out->blobs, e);
	g->out->edge++;
	g->out->edge_bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

static int gc_blobs(struct gc *g, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(g->store->home, "blobs/sha256");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	CLEANUP(record_refs_release) struct record_refs refs = { 0 };
	/* List blobs before reading records: a fetch says what it expects before it makes a blob,
	 * so every needed blob in this list is named by a record. */
	int rc = file_list_dir(dir, &names, e);
	if (rc == 0)
		rc = record_refs_collect(g->store, &refs, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct digest d;
		struct stat st;
		if (lstat(path, &st) < 0)
			continue;
		if (digest_parse(&d, names.at[i]) && !record_refs_has(&refs, &d))
			rc = gc_unneeded(g, path, &st, e);
		else if (str_ends(names.at[i], ".damaged"))
			rc = collect(g, path, &st, &g->out->temporaries, e);
	}
	return rc;
}

static int gc_partial(struct gc *g, const struct store_partial *p, struct err *e)
{
	CLEANUP(mem_free_ptr) char *blob = store_blob_path(g->store, &p->sha256);
	struct stat st;
	bool there = lstat(p->part, &st) == 0;
	/* If the blob exists, the partial is not needed. */
	bool young = there && age_s(g, &st) < g->partial_age_s && !file_exists(blob);
	if (young || store_partial_is_held(g->store, p)) {
		g->out->kept += there;
		g->out->kept_bytes += p->there;
		return 0;
	}
	struct err why = ERR_INIT;
	int rc = g->dry_run ? 0 : store_partial_remove(g->store, p, &why);
	if (rc == -ERR_CONFLICT)
		return 0;
	if (rc < 0) {
		*e = why;
		return rc;
	}
	g->out->partials += there;
	g->out->bytes += there && st.st_nlink == 1 ? (uint64_t)st.st_blocks * 512 : 0;
	return 0;
}

static int gc_partials(struct gc *g, struct err *e)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	int rc = store_partials_list(g->store, NULL, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++)
		rc = gc_partial(g, &all.at[i], e);
	return rc;
}

static bool is_being_fetched(const struct store *s, const struct digest *d)
{
	CLEANUP(store_partials_release) struct store_partials all = { 0 };
	struct err ignored = ERR_INIT;
	if (store_partials_list(s, d, &all, &ignored) < 0)
		return true;
	for (size_t i = 0; i < all.count; i++)
		if (store_partial_is_held(s, &all.at[i]))
			return true;
	return false;
}

static bool pending_is_held(const struct store *s, const struct store_variant *v)
{
	for (size_t i = 0; i < v->file_count; i++)
		if (is_being_fetched(s, &v->files[i].sha256))
			return true;
	return false;
}

static int gc_folder(void *ctx, const char *dir, const char *repository, const char *model,
		     const char *variant, struct err *e)
{
	(void)repository, (void)model, (void)variant;
	struct gc *g = ctx;
	CLEANUP(mem_free_ptr) char *pending = path_join(dir, RECORD_PENDING);
	CLEANUP(store_variant_release) struct store_variant v = { 0 };
	struct stat st;
	struct err ignored = ERR_INIT;
	int rc = gc_temporaries(g, dir, DAY_S, e);
	if (rc < 0 || g->partial_age_s == UINT64_MAX || lstat(pending, &st) < 0 ||
	    age_s(g, &st) < g->partial_age_s)
		return rc;
	if (record_load(dir, RECORD_PENDING, &v, &ignored) == 0 && pending_is_held(g->store, &v))
		return 0;
	rc = collect(g, pending, &st, &g->out->temporaries, e);
	if (!g->dry_run)
		file_remove_dir_if_empty(dir);
	return rc;
}

static int gc_cache(struct gc *g, const char *repository, struct err *e)
{
	CLEANUP(mem_free_ptr) char *trust = store_trust_dir(g->store, repository);
	CLEANUP(mem_free_ptr) char *dir = store_cache_dir(g->store, repository);
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = gc_temporaries(g, trust, DAY_S, e);
	if (rc == 0)
		rc = gc_temporaries(g, dir, DAY_S, e);
	if (rc == 0 && file_is_dir(dir))
		rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		CLEANUP(mem_free_ptr) char *path = path_join(dir, names.at[i]);
		struct digest d;
		struct stat st;
		if (digest_parse(&d, names.at[i]) && lstat(path, &st) == 0 &&
		    age_s(g, &st) >= CACHE_DAYS * DAY_S)
			rc = collect(g, path, &st, &g->out->temporaries, e);
	}
	return rc;
}

static int gc_trust(struct gc *g, struct err *e)
{
	CLEANUP(mem_free_ptr) char *dir = path_join(g->store->home, "trust");
	CLEANUP(str_list_release) struct str_list names = { 0 };
	int rc = file_list_dir(dir, &names, e);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (path_is_id(names.at[i]))
			rc = gc_cache(g, names.at[i], e);
	return rc;
}

int store_gc(const struct store *s, uint64_t partial_age_s, bool dry_run, struct store_gc *out,
	     struct err *e)
{
	struct store_gc done = { 0 };
	struct gc g = {
		.store = s,
		.partial_age_s = partial_age_s,
		.dry_run = dry_run,
		.now_s = clock_wall_s(s->clock),
		.out = &done,
	};
	CLEANUP(mem_free_ptr) char *partial = path_join(s->home, "partial");
	CLEANUP(mem_free_ptr) char *links = path_join(s->home, "links");
	int rc = record_each_folder(s, gc_folder, &g, e);
	if (rc == 0)
		rc = gc_partials(&g, e);
	if (rc == 0)
		rc = gc_temporaries(&g, partial, DAY_S, e);
	if (rc == 0)
		rc = gc_temporaries(&g, links, DAY_S, e);
	if (rc == 0)
		rc = gc_blobs(&g, e);
	if (rc == 0 && !dry_run)
		blob_forget_gone(s);
	if (rc == 0)
		rc = gc_trust(&g, e);
	if (rc == 0)
		*out = done;
	return rc;
}
