#include "ferry/items.h"
#include "ferry/retrieve.h"
#include "util/text.h"

#include <string.h>

/* ---- the references of a call ---- */

struct wanted {
	struct reference *at;
	size_t count;
};

static void wanted_release(struct wanted *w)
{
	for (size_t i = 0; i < w->count; i++)
		reference_release(&w->at[i]);
	free(w->at);
}

/* An item for each; one that does not parse fails alone. */
static void read_references(const char *const *references, size_t count, struct ferry_result *r,
			    struct wanted *out)
{
	out->at = mem_alloc((count + 1) * sizeof *out->at);
	out->count = count;
	for (size_t i = 0; i < count; i++) {
		struct err why = ERR_INIT;
		struct ferry_item *item = items_add(r, references[i]);
		if (reference_parse(references[i], &out->at[i], &why) < 0)
			items_fail(r, item, &why);
	}
}

/* Those that parsed; the caller frees the array, whose references are borrowed. */
static struct reference *good_of(const struct ferry_result *r, const struct wanted *w,
				 size_t *count)
{
	struct reference *good = mem_alloc((w->count + 1) * sizeof *good);
	*count = 0;
	for (size_t i = 0; i < w->count; i++)
		if (!r->at[i]->error)
			good[(*count)++] = w->at[i];
	return good;
}

static int check_call(const char *const *references, size_t count, const struct ferry_call *call,
		      struct err *e)
{
	if (CHECK_SIZE(call, e) < 0)
		return -(int)e->class;
	if (!references || !count)
		return err_set(e, ERR_USAGE, "no model is asked for");
	for (size_t i = 0; i < count; i++)
		if (!references[i])
			return err_set(e, ERR_USAGE, "reference %zu is NULL", i);
	return 0;
}

/* ---- what items say ---- */

static void put_card(const struct client *c, struct ferry_result *r, struct ferry_item *item,
		     const struct remote *remote, const struct card *m,
		     const struct card_variant *v)
{
	items_name(r, item,
		   &(struct items_name){ remote->repository, m->id, v->id, v->kind, v->version });
	items_begin_files(r, item, v->file_count);
	for (size_t i = 0; i < v->file_count; i++) {
		const struct card_file *f = &v->files[i];
		bool there = store_has(&c->store, &f->sha256, f->size);
		CLEANUP(mem_free_ptr) char *path = there ? store_blob_path(&c->store, &f->sha256)
							 : NULL;
		items_add_file(r, item,
			       &(struct items_file){ .name = f->name,
						     .path = path,
						     .role = f->role,
						     .sha256 = &f->sha256,
						     .size = f->size });
		item->stored += there ? f->size : 0;
	}
	item->download = item->size - item->stored;
}

static void put_files(struct ferry_result *r, struct ferry_item *item,
		      const struct fetch_result *files)
{
	items_begin_files(r, item, files->count);
	for (size_t i = 0; i < files->count; i++) {
		const struct fetch_file *f = &files->files[i];
		items_add_file(r, item,
			       &(struct items_file){ .name = f->name,
						     .path = f->path,
						     .role = f->role,
						     .sha256 = &f->sha256,
						     .size = f->size });
	}
	item->download = files->fetched;
	item->kept = files->resumed;
	item->reused = files->reused;
	item->stored = item->size - item->download - item->kept - item->reused;
}

static void put_preview(const struct client *c, struct ferry_result *r, struct ferry_item *item,
			const struct preview *p)
{
	items_begin_files(r, item, p->count);
	for (size_t i = 0; i < p->count; i++) {
		const struct preview_file *f = &p->files[i];
		CLEANUP(mem_free_ptr) char *path =
			f->in_store ? store_blob_path(&c->store, &f->card->sha256) : NULL;
		items_add_file(r, item,
			       &(struct items_file){ .name = f->card->name,
						     .path = path,
						     .role = f->card->role,
						     .sha256 = &f->card->sha256,
						     .size = f->card->size });
	}
	item->stored = p->in_store;
	item->kept = p->kept;
	item->reused = p->reused;
	item->download = p->download;
}

static void put_retrieved(const struct client *c, struct ferry_result *r, struct ferry_item *item,
			  const struct retrieved *m)
{
	items_name(r, item,
		   &(struct items_name){ m->repository, m->model, m->variant, m->kind,
					 m->version });
	CLEANUP(mem_free_ptr) char *fallback = m->fallback ? text_escaped(m->fallback) : NULL;
	item->fallback = owned_text(&r->memory, fallback);
	if (m->files.count)
		put_files(r, item, &m->files);
	else
		put_preview(c, r, item, &m->preview);
}

/* ---- resolve ---- */

static void resolve_one(struct client *c, const struct reference *reference, struct ferry_result *r,
			struct ferry_item *item)
{
	const struct fitting_opts any = { 0 };
	struct err why = ERR_INIT;
	struct remote *remote;
	const struct card *m;
	const struct card_variant *v;
	bool pinned;
	int rc = fitting_resolve(c, &c->remotes, reference, &any, &remote, &m, &v, NULL, &why);
	if (rc == 0)
		rc = retrieve_pinned(&c->store, reference, remote->repository, m, &v, &pinned,
				     &why);
	if (rc < 0)
		items_fail(r, item, &why);
	else
		put_card(c, r, item, remote, m, v);
}

static int resolve(const struct ferry *f, const struct wanted *w, struct listener *l,
		   struct ferry_result *r, struct err *e)
{
	struct client c;
	call_client(f, l, &c);
	int rc = client_connect(&c, NULL, f->offline ? CLIENT_OFFLINE : CLIENT_ONLINE, NULL, e);
	for (size_t i = 0; rc == 0 && i < w->count; i++) {
		rc = cancel_check(c.cancel, e);
		if (rc == 0 && !r->at[i]->error)
			resolve_one(&c, &w->at[i], r, r->at[i]);
	}
	remotes_release(&c.remotes);
	return rc;
}

int ferry_resolve(struct ferry *f, const char *const *references, size_t count,
		  const struct ferry_call *call, struct ferry_result **out,
		  struct ferry_error *error)
{
	CLEANUP_PTR(ferry_result_free) struct ferry_result *r = NEW(struct ferry_result);
	CLEANUP(wanted_release) struct wanted w = { 0 };
	CLEANUP(listener_release) struct listener l;
	struct err e = ERR_INIT;
	listener_init(&l, call);
	*out = NULL;
	if (check_call(references, count, call, &e) < 0)
		return error_give(&e, error);
	read_references(references, count, r, &w);
	if (resolve(f, &w, &l, r, &e) < 0)
		return error_give(&e, error);
	*out = r;
	return items_result(STEAL(r), error);
}

/* ---- plan, fetch ---- */

struct fetching {
	struct retrieval retrieval; /* its client is borrowed, but for the remotes */
	struct fetch_options options;
	const struct wanted *wanted;
	struct ferry_result *result;
	struct retrieved *models;
};

static void fetching_release(struct fetching *g)
{
	for (size_t i = 0; g->models && i < g->wanted->count; i++)
		retrieve_release(&g->models[i]);
	free(g->models);
	remotes_release(&g->retrieval.client.remotes);
}

static int find_all(struct fetching *g, struct err *e)
{
	for (size_t i = 0; i < g->wanted->count; i++) {
		struct ferry_item *item = g->result->at[i];
		struct err why = ERR_INIT;
		if (item->error)
			continue;
		int rc = retrieve_find(&g->retrieval, &g->wanted->at[i], &g->options, &g->models[i],
				       &why);
		if (rc == -ERR_CANCELLED) {
			*e = why;
			return rc;
		}
		if (rc < 0)
			items_fail(g->result, item, &why);
	}
	return 0;
}

static int fetch_found(struct fetching *g, struct err *e)
{
	CLEANUP(mem_free_ptr)
	struct retrieved **at = mem_alloc((g->wanted->count + 1) * sizeof *at);
	size_t n = 0;
	for (size_t i = 0; i < g->wanted->count; i++)
		if (!g->result->at[i]->error)
			at[n++] = &g->models[i];
	return g->retrieval.dry_run ? 0 : retrieve_fetch(at, n, NULL, NULL, e);
}

static void settle_all(struct fetching *g)
{
	for (size_t i = 0; i < g->wanted->count; i++) {
		struct ferry_item *item = g->result->at[i];
		struct err why = ERR_INIT;
		if (item->error)
			continue;
		if (retrieve_settle(&g->retrieval, &g->models[i], &why) < 0)
			items_fail(g->result, item, &why);
		else
			put_retrieved(&g->retrieval.client, g->result, item, &g->models[i]);
	}
}

static int run(struct fetching *g, struct err *e)
{
	size_t count;
	CLEANUP(mem_free_ptr) struct reference *good = good_of(g->result, g->wanted, &count);
	if (!count)
		return 0;
	int rc = retrieve_open(&g->retrieval, good, count, NULL, e);
	if (rc < 0)
		return rc;
	retrieve_prefetch(&g->retrieval, good, count);
	rc = find_all(g, e);
	if (rc == 0)
		rc = fetch_found(g, e);
	if (rc == 0)
		settle_all(g);
	return rc;
}

static int run_call(const struct ferry *f, const char *const *references, size_t count,
		    const struct ferry_fetch_options *options, const struct ferry_call *call,
		    bool dry_run, struct ferry_result **out, struct ferry_error *error)
{
	CLEANUP_PTR(ferry_result_free) struct ferry_result *r = NEW(struct ferry_result);
	CLEANUP(wanted_release) struct wanted w = { 0 };
	CLEANUP(listener_release) struct listener l;
	CLEANUP(fetching_release) struct fetching g = { .wanted = &w, .result = r };
	struct err e = ERR_INIT;
	listener_init(&l, call);
	*out = NULL;
	if (CHECK_SIZE(options, &e) < 0 || check_call(references, count, call, &e) < 0)
		return error_give(&e, error);
	read_references(references, count, r, &w);
	g.models = mem_alloc((count + 1) * sizeof *g.models);
	g.options = (struct fetch_options){
		.check_blobs = GIVEN(options, check) && options->check,
		.withdrawn = GIVEN(options, withdrawn) && options->withdrawn,
		.limit_rate = f->limit_rate,
	};
	call_client(f, &l, &g.retrieval.client);
	g.retrieval.offline = f->offline;
	g.retrieval.dry_run = dry_run;
	if (run(&g, &e) < 0)
		return error_give(&e, error);
	*out = r;
	return items_result(STEAL(r), error);
}

int ferry_plan(struct ferry *f, const char *const *references, size_t count,
	       const struct ferry_fetch_options *options, const struct ferry_call *call,
	       struct ferry_result **out, struct ferry_error *error)
{
	return run_call(f, references, count, options, call, true, out, error);
}

int ferry_fetch(struct ferry *f, const char *const *references, size_t count,
		const struct ferry_fetch_options *options, const struct ferry_call *call,
		struct ferry_result **out, struct ferry_error *error)
{
	return run_call(f, references, count, options, call, false, out, error);
}

/* ---- the store ---- */

static void put_stored(const struct store *s, struct ferry_result *r, const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *name = mem_printf("%s/%s:%s", v->repository, v->model,
						      v->variant);
	CLEANUP(str_list_release) struct str_list paths = { 0 };
	struct ferry_item *item = items_add(r, name);
	store_paths(s, v, &paths);
	items_name(r, item,
		   &(struct items_name){ v->repository, v->model, v->variant, v->kind,
					 v->version });
	items_begin_files(r, item, v->file_count);
	for (size_t i = 0; i < v->file_count; i++)
		items_add_file(r, item,
			       &(struct items_file){ .name = v->files[i].name,
						     .path = paths.at[i],
						     .role = v->files[i].role,
						     .sha256 = &v->files[i].sha256,
						     .size = v->files[i].size });
	item->stored = item->size;
}

static bool is_meant(const struct store_variant *v, const struct reference *r)
{
	return !r->model ||
	       (strcmp(v->model, r->model) == 0 &&
		(!r->repository || strcmp(v->repository, r->repository) == 0) &&
		((!r->variant && !r->version) || store_variant_is(v, r->variant, r->version)));
}

static int list_stored(const struct ferry *f, const char *reference, struct ferry_result *r,
		       struct err *e)
{
	CLEANUP(store_variants_release) struct store_variants all = { 0 };
	CLEANUP(reference_release) struct reference meant = { 0 };
	int rc = reference ? reference_parse(reference, &meant, e) : 0;
	if (rc == 0)
		rc = store_list(&f->base.store, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++)
		if (all.at[i].complete && is_meant(&all.at[i], &meant))
			put_stored(&f->base.store, r, &all.at[i]);
	if (rc == 0 && reference && !r->count)
		rc = err_set(e, ERR_NOT_FOUND, "%s is not in the store", reference);
	return rc;
}

int ferry_stored(struct ferry *f, const char *reference, struct ferry_result **out,
		 struct ferry_error *error)
{
	CLEANUP_PTR(ferry_result_free) struct ferry_result *r = NEW(struct ferry_result);
	struct err e = ERR_INIT;
	*out = NULL;
	if (list_stored(f, reference, r, &e) < 0)
		return error_give(&e, error);
	*out = STEAL(r);
	return 0;
}
