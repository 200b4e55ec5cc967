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
	const char *near = text_nearest(model, names, cards->count);
	err_set(e, ERR_NOT_FOUND, "there is no card for the model '%s'", model);
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "`ferry catalog list` lists the models");
}

static int no_variant(const struct card *c, const char *variant, struct err *e)
{
	const char *names[CARD_MAX_VARIANTS];
	for (size_t i = 0; i < c->variant_count; i++)
		names[i] = c->variants[i].id;
	const char *near = text_nearest(variant, names, c->variant_count);
	err_set(e, ERR_NOT_FOUND, "the model '%s' has no variant '%s'", c->id, variant);
	return near ? err_hint(e, "did you mean '%s'?", near)
		    : err_hint(e, "`ferry catalog list` lists the models");
}

static int remove_variant(const struct card *c, const char *path, const char *variant,
			  struct err *e)
{
	for (size_t i = 0; i < c->variant_count; i++) {
		if (strcmp(c->variants[i].id, variant) != 0)
			continue;
		CLEANUP(json_release) json_t *left = json_deep_copy(c->json);
		json_array_remove(json_object_get(left, "variants"), i);
		return json_write_file(path, left, FILE_MODE, e);
	}
	return no_variant(c, variant, e);
}

static int unlist(struct repository *r, const char *role, const struct card *c, const char *variant,
		  struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0)
		rc = repository_check_role(w, role, e);
	if (rc == 0)
		rc = repository_unlist_for_role(w, role, c, variant, e);
	return rc < 0 ? rc : repository_keep_drafts(w, e);
}

int repository_model_remove(struct repository *r, const char *model, const char *variant,
			    const char *role, struct err *e)
{
	CLEANUP(repository_cards_release) struct repository_cards cards = { 0 };
	CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, model);
	CLEANUP(mem_free_ptr) char *folder = path_dir(path);
	const struct card *found = NULL;
	int rc = repository_cards_load(r->dir, &cards, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < cards.count; i++)
		if (strcmp(cards.at[i].id, model) == 0)
			found = &cards.at[i];
	if (!found)
		return no_model(&cards, model, e);
	if (variant && !card_variant(found, variant))
		return no_variant(found, variant, e);
	if (role && (rc = unlist(r, role, found, variant, e)) < 0)
		return rc;
	if (variant)
		return remove_variant(found, path, variant, e);
	rc = file_remove(path, e);
	return rc < 0 ? rc : file_sync_dir(folder, e);
}
