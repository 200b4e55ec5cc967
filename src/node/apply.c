#include "node/apply.h"

#include "node/placing.h"
#include "util/file.h"
#include "util/mem.h"

#include <string.h>

void node_run_release(struct node_run *r)
{
	for (size_t i = 0; i < r->count; i++)
		node_item_release(&r->items[i]);
	free(r->items);
	str_list_release(&r->gone);
	node_hooks_release(&r->hooks);
	node_removal_release(&r->early);
	node_removal_release(&r->removal);
}

static const struct store *store_of(const struct node_run *r)
{
	return &r->retrieval->client.store;
}

static size_t failed_items(const struct node_run *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->count; i++)
		n += r->items[i].why.class != ERR_NONE;
	return n;
}

/* -- removing -------------------------------------------------------------------------------- */

static int plan_removal(struct node_run *r, const struct node_state *state, struct err *e)
{
	node_removal_release(&r->removal);
	return node_removal_plan(store_of(r), r->settings, state, r->items, r->count, &r->removal,
				 e);
}

/* What cannot be removed is a fault of the run, and no reason to stop it. */
static int note_fault(struct node_run *r, struct err *why, struct err *e)
{
	if (err_is(why, ERR_CANCELLED)) {
		*e = *why;
		return -ERR_CANCELLED;
	}
	if (why->class && !r->fault.class)
		r->fault = *why;
	return 0;
}

static int unlink_stale(struct node_run *r, struct node_state *state, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = plan_removal(r, state, &why);
	if (rc == 0 && !r->retrieval->dry_run && r->settings->remove != SETTINGS_NODE_REMOVE_NO)
		(void)!node_removal_unlink(store_of(r), state, r->items, r->count, &r->removal,
					   &why);
	return note_fault(r, &why, e);
}

static int remove_models(struct node_run *r, struct node_state *state, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = node_removal_run(store_of(r), state, &r->removal, &why);
	if (rc == 0)
		(void)!node_removal_versions(store_of(r), r->items, r->count, &r->removal, &why);
	return note_fault(r, &why, e);
}

/* -- filling --------------------------------------------------------------------------------- */

/* The disk is full: what nobody wants any more goes first, and what failed is tried once more. */
static int make_room(struct node_run *r, struct node_state *state, struct err *e)
{
	int rc = unlink_stale(r, state, e);
	if (rc == 0 && r->removal.chosen)
		rc = remove_models(r, state, e);
	r->early = r->removal;
	r->removal = (struct node_removal){ 0 };
	if (rc < 0 || !r->early.freed)
		return rc;
	report_note(r->retrieval->client.report,
		    "the disk was full; models that no section names were removed first");
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].why.class)
			node_fill_again(&r->items[i]);
	return node_fill(r->retrieval, r->items, r->count, e);
}

static int fill(struct node_run *r, struct node_state *state, struct err *e)
{
	r->items = mem_alloc((r->wanted->count + 1) * sizeof *r->items);
	r->count = r->wanted->count;
	for (size_t i = 0; i < r->count; i++)
		r->items[i].wanted = &r->wanted->at[i];
	int rc = node_fill(r->retrieval, r->items, r->count, e);
	if (rc == 0 && !r->retrieval->dry_run && node_fill_without_room(r->items, r->count))
		rc = make_room(r, state, e);
	return rc;
}

/* -- folders of engines ---------------------------------------------------------------------- */

static const char *source_of(const struct node_item *item)
{
	const struct card *card = item->got.want.model;
	return card ? json_text(json_object_get(card->json, "source"), "url") : NULL;
}

static int place(const struct node_run *r, struct node_item *item, struct err *e)
{
	const struct store *s = store_of(r);
	if (!item->wanted->placed) {
		const struct store_variant *v = item->variant;
		item->path = store_file_path(s, v->dir, &v->files[0]);
		return 0;
	}
	int rc = node_place_plan(s, item->wanted, item->variant, source_of(item), &item->layout, e);
	if (rc < 0)
		return rc;
	item->has_layout = true;
	item->path = mem_strdup(item->layout.open);
	item->made = !node_place_is_made(&item->layout);
	return r->retrieval->dry_run || !item->made
		       ? 0
		       : node_place_make(s, item->wanted, &item->layout, e);
}

/* Everything that an engine would have to read again. */
static char *told_of(const struct node_item *item)
{
	char hex[DIGEST_HEX];
	const struct store_variant *v = item->variant;
	CLEANUP(mem_free_ptr) char *name = node_state_variant(v);
	return mem_printf("%s@%llu %s %s", name, (unsigned long long)v->version,
			  digest_hex(hex, &v->files[0].sha256), item->path);
}

static void settle(const struct node_run *r, struct node_state *state, struct node_item *item)
{
	if (place(r, item, &item->why) < 0)
		return;
	const struct settings_node_model *set = item->wanted->set;
	struct node_state_model *before = node_state_of(state, set->name);
	CLEANUP(mem_free_ptr) char *name = node_state_variant(item->variant);
	item->told = told_of(item);
	item->changed = strcmp(before->told, item->told) != 0;
	node_state_resolve(before, set->reference, item->variant);
	node_state_add(&state->brought, name);
	if (item->has_layout)
		node_state_add(&state->layouts, item->layout.layout.id);
	if (!r->retrieval->dry_run)
		store_use(store_of(r), item->variant);
}

/* In a dry run, a model that is not there yet is one that its hook would be told of. */
static void settle_all(struct node_run *r, struct node_state *state)
{
	for (size_t i = 0; i < r->count; i++) {
		struct node_item *item = &r->items[i];
		if (item->variant)
			settle(r, state, item);
		else
			item->changed = !item->why.class;
	}
}

/* -- hooks ----------------------------------------------------------------------------------- */

static bool is_section(const struct node_run *r, const char *name)
{
	for (size_t i = 0; i < r->wanted->count; i++)
		if (strcmp(r->wanted->at[i].set->name, name) == 0)
			return true;
	return false;
}

static void find_gone(struct node_run *r, const struct node_state *state)
{
	for (size_t i = 0; i < state->count; i++)
		if (!is_section(r, state->at[i].name))
			str_list_add(&r->gone, state->at[i].name);
}

static void note_told(struct node_state *state, const struct node_item *item)
{
	struct node_state_model *m = node_state_of(state, item->wanted->set->name);
	free(m->told);
	m->told = mem_strdup(item->told);
}

static int run_hook(struct node_run *r, struct node_hook *h, struct node_state *state,
		    struct err *e)
{
	const struct client *c = &r->retrieval->client;
	int rc = node_hook_run(h, r->settings->hook_timeout_s, c->report, c->cancel, e);
	if (rc < 0 || h->why.class)
		return rc;
	for (size_t i = 0; i < h->count; i++)
		note_told(state, h->items[i]);
	for (size_t i = 0; i < h->removed.count; i++)
		node_state_drop(state, h->removed.at[i]);
	return node_state_save(store_of(r), state, e);
}

/* Where there is no hook, nobody is to be told. */
static void note_without_hook(struct node_run *r, struct node_state *state)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].told && !r->items[i].wanted->set->hook.count)
			note_told(state, &r->items[i]);
	for (size_t i = 0; !r->settings->hook.count && i < r->gone.count; i++)
		node_state_drop(state, r->gone.at[i]);
}

static int run_hooks(struct node_run *r, struct node_state *state, struct err *e)
{
	int rc = 0;
	find_gone(r, state);
	node_hooks_find(r->items, r->count, &r->settings->hook, &r->gone, &r->hooks);
	if (r->retrieval->dry_run)
		return 0;
	note_without_hook(r, state);
	for (size_t i = 0; rc == 0 && i < r->hooks.count; i++)
		rc = run_hook(r, &r->hooks.at[i], state, e);
	return rc;
}

/* -- the run --------------------------------------------------------------------------------- */

static size_t failed_hooks(const struct node_run *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->hooks.count; i++)
		n += r->hooks.at[i].why.class != ERR_NONE;
	return n;
}

static size_t failed_removals(const struct node_run *r)
{
	size_t n = r->fault.class != ERR_NONE;
	for (size_t i = 0; i < r->removal.count; i++)
		n += r->removal.at[i].fault.class != ERR_NONE;
	return n;
}

static int finish(struct node_run *r, struct node_state *state, struct err *e)
{
	r->faults = failed_items(r) + failed_hooks(r) + failed_removals(r);
	if (r->retrieval->dry_run)
		return 0;
	state->applied_s = clock_wall_s(store_of(r)->clock);
	state->faults = r->faults;
	return node_state_save(store_of(r), state, e);
}

static int apply(struct node_run *r, struct node_state *state, struct err *e)
{
	bool dry_run = r->retrieval->dry_run;
	int rc = fill(r, state, e);
	if (rc < 0)
		return rc;
	settle_all(r, state);
	rc = dry_run ? 0 : node_state_save(store_of(r), state, e);
	if (rc == 0 && !failed_items(r))
		rc = unlink_stale(r, state, e);
	if (rc == 0)
		rc = run_hooks(r, state, e);
	if (rc == 0 && !dry_run && !failed_items(r) && !failed_hooks(r))
		rc = remove_models(r, state, e);
	return rc < 0 ? rc : finish(r, state, e);
}

int node_apply(struct node_run *r, struct err *e)
{
	CLEANUP(node_state_release) struct node_state state = { 0 };
	CLEANUP(file_close) int lock = -1;
	bool dry_run = r->retrieval->dry_run;
	int rc = dry_run ? 0 : node_state_lock(store_of(r), &lock, e);
	if (rc == 0)
		rc = node_state_load(store_of(r), &state, e);
	return rc < 0 ? rc : apply(r, &state, e);
}
