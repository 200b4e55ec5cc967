#include "node/standing.h"

#include "node/placing.h"
#include "util/mem.h"

#include <stdio.h>
#include <string.h>

void node_standing_release(struct node_standing *s)
{
	for (size_t i = 0; i < s->count; i++)
		node_item_release(&s->at[i].item);
	free(s->at);
	node_vitals_release(&s->engines);
	node_removal_release(&s->unlisted);
	*s = (struct node_standing){ 0 };
}

const char *node_standing_state_name(enum node_standing_state state)
{
	static const char *const names[] = { "ready", "missing", "unplaced", "too-large" };
	return names[state];
}

struct finding {
	struct client *client;
	struct remotes known; /* what was verified last */
	struct node_state state;
	struct node_standing *out;
};

static void finding_release(struct finding *f)
{
	remotes_release(&f->known);
	node_state_release(&f->state);
}

/* -- memory ---------------------------------------------------------------------------------- */

static const struct card *card_of(const struct finding *f, const struct store_variant *v)
{
	struct remote *remote = remotes_find(&f->known, v->repository);
	const struct card *card = NULL;
	struct err ignored = ERR_INIT;
	if (!remote || remote_listed_model(remote, v->model, &card, &ignored) < 0)
		return NULL;
	return card;
}

static void find_needs(const struct card *card, struct node_standing_model *m)
{
	const struct store_variant *v = m->item.variant;
	const struct card_variant *known = NULL;
	struct err ignored = ERR_INIT;
	char version[24];
	CLEANUP(mem_free_ptr) char *plain = store_variant_plain(v);
	snprintf(version, sizeof version, "%llu", (unsigned long long)v->version);
	if (card)
		(void)!reference_resolve(card, plain, version, &known, &ignored);
	m->estimated = !known || !known->ram_known;
	m->needs = known ? fit_needs(known, m->item.wanted->set->context) : fit_memory(v->size, 0);
}

/* -- one model ------------------------------------------------------------------------------- */

/* What the last run of apply made of the section; without one, what the reference means here. */
static void find_variant(const struct finding *f, struct node_standing_model *m)
{
	const struct node_wanted *w = m->item.wanted;
	const struct store *s = &f->client->store;
	const struct node_state_model *known = node_state_find(&f->state, w->set->name);
	const struct reference *r = &w->reference;
	const char *variant = fitting_is_auto(r) ? NULL : r->variant;
	struct err *why = &m->item.why;
	if (known && strcmp(known->reference, w->set->reference) == 0)
		(void)!fetch_any_from_store(s, known->repository, known->model, known->variant,
					    NULL, &m->item.stored, &m->item.variant, why);
	else
		(void)!fetch_any_from_store(s, r->repository, r->model, variant, r->version,
					    &m->item.stored, &m->item.variant, why);
	if (why->class)
		m->item.variant = NULL;
}

static void find_place(const struct finding *f, struct node_standing_model *m,
		       const struct card *card)
{
	struct node_item *item = &m->item;
	const struct store *s = &f->client->store;
	const char *source = card ? json_text(json_object_get(card->json, "source"), "url") : NULL;
	if (!item->wanted->placed) {
		item->path = store_file_path(s, item->variant->dir, &item->variant->files[0]);
		return;
	}
	m->state = NODE_STANDING_UNPLACED;
	if (node_place_plan(s, item->wanted, item->variant, source, &item->layout, &item->why) < 0)
		return;
	item->has_layout = true;
	if (!node_place_is_made(&item->layout))
		return;
	item->path = mem_strdup(item->layout.open);
	m->state = NODE_STANDING_READY;
}

static void find_told(const struct finding *f, struct node_standing_model *m)
{
	const struct settings_node_model *set = m->item.wanted->set;
	const struct node_state_model *known = node_state_find(&f->state, set->name);
	m->told = !set->hook.count || (known && *known->told);
}

static void find_model(const struct finding *f, struct node_standing_model *m)
{
	find_variant(f, m);
	find_told(f, m);
	m->state = NODE_STANDING_MISSING;
	if (!m->item.variant)
		return;
	const struct card *card = card_of(f, m->item.variant);
	m->state = NODE_STANDING_READY;
	find_needs(card, m);
	find_place(f, m, card);
	uint64_t memory = m->item.wanted->set->memory;
	if (!memory)
		memory = f->out->memory.bytes;
	if (m->state == NODE_STANDING_READY && memory && m->needs > memory)
		m->state = NODE_STANDING_TOO_LARGE;
}

/* -- all ------------------------------------------------------------------------------------- */

static void find_models(struct finding *f, const struct node_wanted_list *wanted)
{
	struct node_standing *out = f->out;
	out->at = mem_alloc((wanted->count + 1) * sizeof *out->at);
	for (size_t i = 0; i < wanted->count; i++) {
		struct node_standing_model *m = &out->at[out->count++];
		m->item.wanted = &wanted->at[i];
		find_model(f, m);
		out->ready += m->state == NODE_STANDING_READY;
		if (!add_u64(out->needs, m->needs, &out->needs))
			out->needs = UINT64_MAX;
	}
}

static int find_unlisted(struct finding *f, const struct settings_node *settings, struct err *e)
{
	struct node_standing *out = f->out;
	struct settings_node all = *settings;
	CLEANUP(mem_free_ptr)
	struct node_item *items = mem_alloc((out->count + 1) * sizeof *items);
	for (size_t i = 0; i < out->count; i++)
		items[i] = out->at[i].item;
	if (all.remove == SETTINGS_NODE_REMOVE_NO) {
		all.remove = SETTINGS_NODE_REMOVE_ALL;
		all.remove_most = 0;
	}
	return node_removal_plan(&f->client->store, &all, &f->state, items, out->count,
				 &out->unlisted, e);
}

int node_standing_find(struct client *c, const struct settings_node *settings,
		       const struct node_wanted_list *wanted, struct node_standing *out,
		       struct err *e)
{
	CLEANUP(node_standing_release) struct node_standing s = { 0 };
	CLEANUP(finding_release) struct finding f = { .client = c, .out = &s };
	struct err ignored = ERR_INIT;
	int rc = node_state_load(&c->store, &f.state, e);
	if (rc < 0)
		return rc;
	(void)!client_recall(c, NULL, &f.known, &ignored);
	err_clear(&ignored);
	(void)!fitting_memory(c, settings->memory, &s.memory, &ignored);
	s.applied_s = f.state.applied_s;
	s.faults = f.state.faults;
	find_models(&f, wanted);
	rc = find_unlisted(&f, settings, e);
	if (rc == 0)
		rc = node_vitals_ask(&c->store, wanted, &s.engines, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s.engines.count; i++)
		s.up += s.engines.at[i].up;
	*out = s;
	s = (struct node_standing){ 0 };
	return 0;
}

bool node_standing_is_ok(const struct node_standing *s)
{
	return s->ready == s->count && s->up == s->engines.count;
}
