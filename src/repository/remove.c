#include "repository/internal.h"
#include "repository/repository.h"
#include "repository/writer/writer.h"
#include "util/file.h"
#include "util/mem.h"
#include "util/path.h"

#include <string.h>
#include <time.h>

static int no_model(const struct repository_cards *cards, const char *model, struct err *e)
{
	CLEANUP(mem_free_ptr) const char **names = mem_alloc((cards->count + 1) * sizeof *names);
	for (size_t i = 0; i < cards->count; i++)
		names[i] = cards->at[i].id;
	err_set(e, ERR_NOT_FOUND, "there is no card for the model '%s'", model);
	return text_hint_nearest(model, names, cards->count,
				 "`ferry catalog list` lists the models", e);
}

static json_t *without_variant(const struct card *c, const char *variant)
{
	json_t *left = json_deep_copy(c->json);
	json_t *variants = json_object_get(left, "variants");
	for (size_t i = c->variant_count; i-- > 0;)
		if (!variant || strcmp(c->variants[i].id, variant) == 0)
			json_array_remove(variants, i);
	return left;
}

/* The role lists what is left of the card. */
static int relist(struct repository *r, const char *role, const struct card *left, struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = repository_check_role(w, role, e);
	if (rc == 0)
		rc = repository_list_for_role(r->dir, w, role, left, e);
	return rc < 0 ? rc : repository_keep_drafts(r->dir, w, e);
}

int repository_card_load(const struct repository *r, const char *model, struct card *out,
			 struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, model);
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	if (file_exists(path))
		return card_load(path, out, e);
	int rc = repository_cards_load(r->dir, &cards, e);
	return rc < 0 ? rc : no_model(&cards, model, e);
}

static bool is_recalled(const struct card *c, const struct card_variant *v)
{
	bool recalled = card_withdrawn(c, v).reason;
	for (size_t i = 0; i < v->superseded_count; i++)
		recalled |= v->superseded[i].withdrawn.reason != NULL;
	return recalled;
}

/* Is the model, or the variant, or a version of them withdrawn? */
static bool any_recalled(const struct card *c, const char *variant)
{
	bool recalled = false;
	for (size_t i = 0; i < c->variant_count; i++)
		if (!variant || strcmp(c->variants[i].id, variant) == 0)
			recalled |= is_recalled(c, &c->variants[i]);
	return recalled;
}

int repository_model_remove(struct repository *r, const char *model, const char *variant,
			    const char *role, bool *withdrawn, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, model);
	CLEANUP(mem_free_ptr) char *folder = path_dir(path);
	CLEANUP(card_release) struct card card = { 0 }, left = { 0 };
	const struct card_variant *v;
	int rc = repository_card_load(r, model, &card, e);
	if (rc == 0 && variant)
		rc = reference_resolve(&card, variant, NULL, &v, e);
	if (rc < 0)
		return rc;
	if (withdrawn)
		*withdrawn = any_recalled(&card, variant);
	CLEANUP(json_release) json_t *json = without_variant(&card, variant);
	rc = card_from_json(json, "", &left, e);
	if (rc == 0 && role)
		rc = relist(r, role, &left, e);
	if (rc == 0 && variant)
		return card_save(&left, path, e);
	if (rc == 0)
		rc = file_remove(path, e);
	return rc < 0 ? rc : file_sync_dir(folder, e);
}
