/* What readers are told to use instead of what was withdrawn. */
#include "catalog/lint.h"

#include "util/mem.h"

#include <string.h>

struct cards {
	const struct card *at;
	size_t count;
	struct lint_findings *f;
};

static const struct card *find(const struct cards *cards, const char *id)
{
	for (size_t i = 0; i < cards->count; i++)
		if (strcmp(cards->at[i].id, id) == 0)
			return &cards->at[i];
	return NULL;
}

static void lint_found(const struct cards *cards, const char *where, const char *wanted,
		       const struct reference *r)
{
	struct err e = ERR_INIT;
	const struct card *card = find(cards, r->model);
	const struct card_variant *v = NULL;
	if (r->repository)
		lint_add(cards->f, LINT_WARNING, where,
			 "withdrawn.replacement: '%s' is not a model of this repository", wanted);
	else if (!card)
		lint_add(cards->f, LINT_WARNING, where,
			 "withdrawn.replacement: there is no model '%s'", r->model);
	else if (reference_resolve(card, r->variant, r->version, &v, &e) < 0)
		lint_add(cards->f, LINT_WARNING, where, "withdrawn.replacement: %s", e.text);
	else if (card_withdrawn(card, v).reason)
		lint_add(cards->f, LINT_WARNING, where,
			 "withdrawn.replacement: '%s' is withdrawn itself", wanted);
}

static void lint_one(const struct cards *cards, const char *where, const char *wanted)
{
	CLEANUP(reference_release) struct reference r = { 0 };
	struct err e = ERR_INIT;
	if (reference_parse(wanted, &r, &e) < 0)
		lint_add(cards->f, LINT_WARNING, where, "withdrawn.replacement: %s", e.text);
	else
		lint_found(cards, where, wanted, &r);
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Versions that were withdrawn together have one replacement: it is looked at once. */
static void lint_versions(const struct cards *cards, const struct card *c,
			  const struct card_variant *v)
{
	CLEANUP(mem_free_ptr) char *where = mem_printf("%s:%s", c->id, v->id);
	const char *last = v->withdrawn.replacement;
	if (last)
		lint_one(cards, where, last);
	for (size_t i = 0; i < v->superseded_count; i++) {
		const char *wanted = v->superseded[i].withdrawn.replacement;
		CLEANUP(mem_free_ptr)
		char *old = mem_printf("%s@%llu", where,
				       (unsigned long long)v->superseded[i].version);
		if (wanted && !is_same(wanted, last))
			lint_one(cards, old, wanted);
		last = wanted ? wanted : last;
	}
}

void lint_withdrawn(const struct card *all, size_t count, struct lint_findings *f)
{
	const struct cards cards = { all, count, f };
	for (size_t i = 0; i < count; i++) {
		if (all[i].withdrawn.replacement)
			lint_one(&cards, all[i].id, all[i].withdrawn.replacement);
		for (size_t k = 0; k < all[i].variant_count; k++)
			lint_versions(&cards, &all[i], &all[i].variants[k]);
	}
}
