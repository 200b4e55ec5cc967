/* Shared by the files of this folder. */
#ifndef FERRY_REPOSITORY_INTERNAL_H
#define FERRY_REPOSITORY_INTERNAL_H

#include "repository/repository.h"
#include "repository/writer/writer.h"

struct repository {
	char *dir;
	int lock;
	const struct cancel *cancel;
};

/* "dir/name" → "dir/<hex>.name", the name of a target's object. Caller frees. */
char *repository_object_name(const char *target_path, const struct digest *sha256);
/* TREE/targets/… of it; caller frees. */
char *repository_object_path(const char *dir, const char *target_path, const struct digest *sha256);
/* TREE/cards/MODEL.card.json; caller frees. */
char *repository_card_path(const char *dir, const char *model);
/* TREE/cards/MODEL/<sha256>.<file>.manifest.json; caller frees. */
char *repository_manifest_path(const char *dir, const char *model, const struct card_file *f);

/* Reads the manifest of a file in a card and checks that it belongs to it; text gets its bytes. */
WARN_UNUSED int repository_manifest_read(const char *dir, const char *model,
					 const struct card_file *f, struct buf *text,
					 struct err *e);

/* The catalog with this digest. ERR_INTEGRITY when its object has another one. */
WARN_UNUSED int repository_catalog_read(const char *dir, const struct digest *sha256,
					struct catalog *out, struct err *e);

/* As repository_cards_load(), but with `f`, a card that does not load is a finding. */
WARN_UNUSED int repository_cards_load_lint(const char *dir, struct repository_cards *out,
					   struct lint_findings *f, struct err *e);

/* Writes an object of the tree unless it exists. */
WARN_UNUSED int repository_put(const char *dir, const char *target_path, const void *data,
			       size_t len, const struct digest *sha256, struct err *e);

/* ---- lists of roles (listing.c) ---- */

/* The target path of a file's manifest; caller frees. */
char *repository_manifest_target(const struct card_file *f);
/* Lists a file and its manifest, and writes the manifest's object: in the role, or (NULL) where
 * each belongs. */
WARN_UNUSED int repository_list_file(const char *dir, struct writer *w, const char *role,
				     const char *model, const struct card_file *f, struct err *e);
/* ERR_USAGE unless targets delegates to a role of this name. */
WARN_UNUSED int repository_check_role(const struct writer *w, const char *role, struct err *e);
/* ERR_USAGE unless all files of the card belong to the role; role NULL: to no named role. */
WARN_UNUSED int repository_check_owner(const struct writer *w, const char *role,
				       const struct card *c, struct err *e);
/* Makes the role list exactly those files of the model that are in the card. */
WARN_UNUSED int repository_list_for_role(const char *dir, struct writer *w, const char *role,
					 const struct card *c, struct err *e);
/* Removes a model, or one variant (else NULL), from the role's list. */
WARN_UNUSED int repository_unlist_for_role(struct writer *w, const char *role, const struct card *c,
					   const char *variant, struct err *e);
/* Saves changes as drafts; does nothing if there are none. */
WARN_UNUSED int repository_keep_drafts(struct writer *w, struct err *e);

/*
 * The cards for the catalog: those whose files the publisher of targets signs, and those whose
 * files their delegated roles have signed. For any other card, the model as in `current` (the
 * signed catalog; json NULL: none) if that is still signed, or nothing. The copies share
 * everything with cards and current; the caller frees only the array. *waiting counts the cards
 * that differ from those in cards.
 */
WARN_UNUSED int repository_vouched_cards(const struct writer *w,
					 const struct repository_cards *cards,
					 const struct catalog *current, struct card **out,
					 size_t *count, size_t *waiting, struct err *e);

#endif
