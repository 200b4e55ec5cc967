#include "node/removal.h"

#include "node/placing.h"
#include "store/kept.h"
#include "util/mem.h"

#include <string.h>

void node_removal_release(struct node_removal *r)
{
	free(r->at);
	store_variants_release(&r->all);
	*r = (struct node_removal){ 0 };
}

/* -- what is listed -------------------------------------------------------------------------- */

static bool same_variant(const struct store_variant *a, const char *repository, const char *model,
			 const char *variant)
{
	return strcmp(a->repository, repository) == 0 && strcmp(a->model, model) == 0 &&
	       strcmp(a->variant, variant) == 0;
}

/* Of a section that failed, all variants of its model: nobody knows yet which it means. An earlier
 * version that is kept beside one that is listed is up to `keep`. */
static bool is_listed_by(const struct node_item *item, const struct store_variant *v)
{
	const struct store_variant *has = item->variant;
	if (!has)
		return strcmp(item->wanted->reference.model, v->model) == 0;
	return same_variant(has, v->repository, v->model, v->variant) ||
	       (v->replaced_s && store_variant_is_beside(v, has));
}

static bool is_listed(const struct node_item *items, size_t count, const struct store_variant *v)
{
	for (size_t i = 0; i < count; i++)
		if (is_listed_by(&items[i], v))
			return true;
	return false;
}

static bool may_go(const struct settings_node *settings, const struct node_state *state,
		   const struct store_variant *v)
{
	CLEANUP(mem_free_ptr) char *name = node_state_variant(v);
	return settings->remove == SETTINGS_NODE_REMOVE_ALL ||
	       (settings->remove == SETTINGS_NODE_REMOVE_OWN &&
		str_list_has(&state->brought, name));
}

/* -- planning -------------------------------------------------------------------------------- */

static int by_use(const void *a, const void *b)
{
	const struct node_removal_model *x = a, *y = b;
	return x->used_s < y->used_s ? -1 : x->used_s > y->used_s;
}

/* Those that others made. */
static int list_layouts(const struct store *s, const struct node_state *state,
			struct store_layouts *out, struct err *e)
{
	size_t n = 0;
	int rc = store_links_list(s, out, e);
	for (size_t i = 0; rc == 0 && i < out->count; i++)
		if (str_list_has(&state->layouts, out->at[i].id))
			store_layout_release(&out->at[i]);
		else
			out->at[n++] = out->at[i];
	if (rc == 0)
		out->count = n;
	return rc;
}

static enum store_keep why_kept(const struct store *s, const struct node_removal *r,
				const struct store_layouts *layouts, const struct store_variant *v)
{
	CLEANUP(store_use_release) struct store_use_hold claim = { 0 };
	return store_keep_why(s, &r->all, layouts, v, &claim);
}

static void choose(struct node_removal *r, uint64_t most)
{
	qsort(r->at, r->count, sizeof *r->at, by_use);
	for (size_t i = 0; i < r->count && r->chosen < most; i++) {
		r->at[i].chosen = r->at[i].why == STORE_KEEP_NOT;
		r->chosen += r->at[i].chosen;
	}
}

int node_removal_plan(const struct store *s, const struct settings_node *settings,
		      const struct node_state *state, const struct node_item *items, size_t count,
		      struct node_removal *out, struct err *e)
{
	CLEANUP(store_layouts_release) struct store_layouts layouts = { 0 };
	CLEANUP(node_removal_release) struct node_removal r = { 0 };
	int rc = store_list(s, &r.all, e);
	if (rc == 0)
		rc = list_layouts(s, state, &layouts, e);
	if (rc < 0)
		return rc;
	r.at = mem_alloc((r.all.count + 1) * sizeof *r.at);
	for (size_t i = 0; i < r.all.count; i++) {
		const struct store_variant *v = &r.all.at[i];
		if (is_listed(items, count, v) || !may_go(settings, state, v))
			continue;
		r.at[r.count++] = (struct node_removal_model){
			.variant = v,
			.why = why_kept(s, &r, &layouts, v),
			.used_s = store_use_time_s(s, v),
		};
	}
	choose(&r, settings->remove_most);
	*out = r;
	r = (struct node_removal){ 0 };
	return 0;
}

/* -- folders of engines ---------------------------------------------------------------------- */

static bool is_wanted_layout(const struct node_item *items, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].has_layout && strcmp(items[i].layout.layout.id, id) == 0)
			return true;
	return false;
}

/* A layout that no section has: it goes, unless its model stays (pinned, in use, or for a later
 * run). */
static bool is_stale(const struct node_removal *r, const struct store_layout *l)
{
	for (size_t i = 0; i < r->count; i++)
		if (same_variant(r->at[i].variant, l->repository, l->model, l->variant))
			return r->at[i].chosen;
	return true;
}

int node_removal_unlink(const struct store *s, struct node_state *state,
			const struct node_item *items, size_t count, struct node_removal *r,
			struct err *e)
{
	CLEANUP(store_layouts_release) struct store_layouts all = { 0 };
	int rc = store_links_list(s, &all, e);
	for (size_t i = 0; rc == 0 && i < all.count; i++) {
		const char *id = all.at[i].id;
		size_t left = 0;
		if (!str_list_has(&state->layouts, id) || is_wanted_layout(items, count, id) ||
		    !is_stale(r, &all.at[i]))
			continue;
		rc = node_place_remove(s, id, &left, e);
		if (rc == 0) {
			node_state_take_out(&state->layouts, id);
			r->unlinked++;
		}
		if (left)
			report_warn(s->report,
				    "%s: %zu files of %s stay, because another program has changed "
				    "them",
				    all.at[i].root, left, all.at[i].name);
	}
	return rc;
}

/* -- the store ------------------------------------------------------------------------------- */

static int remove_one(const struct store *s, struct node_state *state, struct node_removal *r,
		      struct node_removal_model *m, struct err *e)
{
	CLEANUP(store_layouts_release) struct store_layouts layouts = { 0 };
	CLEANUP(store_use_release) struct store_use_hold claim = { 0 };
	const struct store_variant *v = m->variant;
	int rc = store_links_list(s, &layouts, e);
	if (rc < 0)
		return rc;
	m->why = store_keep_why(s, &r->all, &layouts, v, &claim);
	if (m->why != STORE_KEEP_NOT)
		return 0;
	rc = store_remove(s, v->repository, v->model, v->variant, &m->freed, &m->fault);
	if (rc < 0)
		return 0;
	CLEANUP(mem_free_ptr) char *name = node_state_variant(v);
	node_state_take_out(&state->brought, name);
	m->removed = true;
	r->freed += m->freed;
	return 0;
}

int node_removal_run(const struct store *s, struct node_state *state, struct node_removal *r,
		     struct err *e)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < r->count; i++)
		if (r->at[i].chosen && !r->at[i].removed)
			rc = remove_one(s, state, r, &r->at[i], e);
	return rc;
}

int node_removal_versions(const struct store *s, const struct node_item *items, size_t count,
			  struct node_removal *r, struct err *e)
{
	struct kept_removed removed = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		uint64_t keep = items[i].wanted->set->keep;
		if (items[i].variant && keep != SETTINGS_NODE_KEEP_UNSET)
			rc = kept_remove(s, items[i].variant, (size_t)keep, &removed, e);
	}
	r->versions += removed.versions;
	r->freed += removed.bytes;
	return rc;
}
