#include "repository/internal.h"
#include "repository/repository.h"
#include "util/mem.h"

#include <time.h>

void repository_pruned_release(struct repository_pruned *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->at[i].model);
		free(p->at[i].variant);
	}
	free(p->at);
	*p = (struct repository_pruned){ 0 };
}

struct pruning {
	const struct repository_pruning *how;
	struct repository_pruned *out;
};

/* A version without a date was made by hand: it counts as old. */
static bool is_old(const struct repository_pruning *how, const struct card_variant *v)
{
	int64_t released_s;
	return !v->released || !parse_time(v->released, &released_s) ||
	       how->now_s - released_s >= (int64_t)MIN(how->older_than_s, (uint64_t)INT64_MAX / 2);
}

static void note(struct pruning *p, const struct card *c, const struct card_variant *v)
{
	struct repository_pruned *out = p->out;
	out->at = mem_grow(out->at, out->count, &out->cap, sizeof *out->at);
	out->at[out->count++] = (struct repository_pruned_version){
		.model = mem_strdup(c->id),
		.variant = mem_strdup(v->id),
		.version = v->version,
		.size = v->size,
		.withdrawn = v->withdrawn.reason,
	};
}

/* From the last, so that the indexes of the others stay. */
static void prune_variant(struct pruning *p, json_t *json, const struct card *c,
			  const struct card_variant *v)
{
	json_t *list = json_object_get(json, "superseded");
	for (size_t i = v->superseded_count; i-- > p->how->keep;) {
		if (!is_old(p->how, &v->superseded[i]))
			continue;
		note(p, c, &v->superseded[i]);
		json_array_remove(list, i);
	}
	if (json_array_size(list) == 0)
		json_object_del(json, "superseded");
}

static int prune_card(void *ctx, json_t *json, const struct card *c, struct err *e)
{
	struct pruning *p = ctx;
	(void)e;
	for (size_t i = 0; i < c->variant_count; i++)
		prune_variant(p, json_array_get(json_object_get(json, "variants"), i), c,
			      &c->variants[i]);
	return 0;
}

static bool has_superseded(const struct card *c)
{
	for (size_t i = 0; i < c->variant_count; i++)
		if (c->variants[i].superseded_count)
			return true;
	return false;
}

/* Those of `role`, or with NULL of the publisher of targets. */
static bool is_meant(const struct writer *w, const struct card *c, const char *role)
{
	struct err other = ERR_INIT;
	return has_superseded(c) && repository_check_owner(w, role, c, &other) == 0;
}

static int prune_model(struct repository *r, struct writer *w, struct pruning *p,
		       const struct card *c, struct err *e)
{
	if (!p->how->dry_run)
		return repository_change_card(r, w, c->id, p->how->role, prune_card, p, e);
	CLEANUP(json_release) json_t *copy = json_deep_copy(c->json);
	return prune_card(p, copy, c, e);
}

int repository_prune(struct repository *r, const struct repository_pruning *how,
		     struct repository_pruned *out, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(repository_pruned_release) struct repository_pruned pruned = { 0 };
	struct pruning p = { how, &pruned };
	int rc = repository_cards_load(r->dir, &cards, e);
	if (rc == 0)
		rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0 && how->role)
		rc = repository_check_role(w, how->role, e);
	for (size_t i = 0; rc == 0 && i < cards.count; i++)
		if (is_meant(w, &cards.at[i], how->role))
			rc = prune_model(r, w, &p, &cards.at[i], e);
	if (rc == 0)
		rc = repository_keep_drafts(r->dir, w, e);
	if (rc < 0)
		return rc;
	*out = pruned;
	pruned = (struct repository_pruned){ 0 };
	return 0;
}
