#include "repository/internal.h"
#include "repository/repository.h"
#include "util/mem.h"

#include <string.h>
#include <time.h>

/* ---- which object of the card ---- */

static json_t *find_variant(json_t *card, const char *id)
{
	json_t *variant;
	size_t i;
	json_array_foreach (json_object_get(card, "variants"), i, variant)
		if (strcmp(json_text(variant, "id"), id) == 0)
			return variant;
	return NULL;
}

static void set(json_t *object, const struct repository_withdrawal *how)
{
	json_object_del(object, "withdrawn");
	if (!how->reason)
		return;
	json_t *withdrawn = json_put_object(object, "withdrawn");
	json_put_string(withdrawn, "reason", how->reason);
	json_put_string(withdrawn, "replacement", how->replacement);
	json_put_time(withdrawn, "since", how->now_s);
}

/* The variant's current version and all that it has superseded. */
static void set_all(json_t *variant, const struct repository_withdrawal *how)
{
	json_t *old;
	size_t i;
	set(variant, how);
	json_array_foreach (json_object_get(variant, "superseded"), i, old)
		set(old, how);
}

static int set_version(json_t *variant, const struct card *card, const struct card_variant *v,
		       const struct repository_withdrawal *how, struct err *e)
{
	const struct card_variant *found;
	int rc = reference_resolve(card, v->id, how->version, &found, e);
	if (rc < 0)
		return rc;
	if (found == v)
		set(variant, how);
	else
		set(json_array_get(json_object_get(variant, "superseded"),
				   (size_t)(found - v->superseded)),
		    how);
	return 0;
}

static int change(json_t *json, const struct card *card, const struct repository_withdrawal *how,
		  struct err *e)
{
	const struct card_variant *v;
	if (!how->variant && !how->version) {
		set(json, how);
		return 0;
	}
	int rc = reference_resolve(card, how->variant, NULL, &v, e);
	if (rc < 0)
		return rc;
	json_t *variant = find_variant(json, v->id);
	if (how->version)
		return set_version(variant, card, v, how, e);
	set_all(variant, how);
	return 0;
}

/* ---- the card ---- */

int repository_change_card(struct repository *r, struct writer *w, const char *model,
			   const char *role, repository_change_fn *fn, void *ctx, struct err *e)
{
	CLEANUP(mem_free_ptr) char *path = repository_card_path(r->dir, model);
	CLEANUP(card_release) struct card before = { 0 }, after = { 0 };
	int rc = repository_card_load(r, model, &before, e);
	if (rc == 0)
		rc = repository_check_owner(w, role, &before, e);
	if (rc < 0)
		return rc;
	CLEANUP(json_release) json_t *json = json_deep_copy(before.json);
	if ((rc = fn(ctx, json, &before, e)) < 0 || (rc = card_from_json(json, "", &after, e)) < 0)
		return rc == -ERR_INTEGRITY ? err_class_set(e, ERR_USAGE) : rc;
	if (!json_equal(before.json, json))
		rc = card_save(&after, path, e);
	return rc == 0 && role ? repository_list_for_role(r->dir, w, role, &after, e) : rc;
}

static int change_withdrawal(void *ctx, json_t *json, const struct card *card, struct err *e)
{
	return change(json, card, ctx, e);
}

int repository_withdraw(struct repository *r, const struct repository_withdrawal *how,
			struct err *e)
{
	CLEANUP_PTR(writer_close) struct writer *w = NULL;
	struct repository_withdrawal copy = *how;
	int rc = writer_open(r->dir, NULL, time(NULL), &w, e);
	if (rc == 0 && how->role)
		rc = repository_check_role(w, how->role, e);
	if (rc == 0)
		rc = repository_change_card(r, w, how->model, how->role, change_withdrawal, &copy,
					    e);
	return rc < 0 ? rc : repository_keep_drafts(r->dir, w, e);
}
