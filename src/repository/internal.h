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

/* TREE/targets/… of a target's object; caller frees. */
char *repository_object_path(const char *dir, const char *target_path, const struct digest *sha256);
/* TREE/cards/MODEL.card.json; caller frees. */
char *repository_card_path(const char *dir, const char *model);
/* TREE/cards/MODEL/<sha256>.<file>.manifest.json; caller frees. */
char *repository_manifest_path(const char *dir, const char *model, const struct card_file *f);

/* The card of a model. ERR_NOT_FOUND with the nearest name. */
WARN_UNUSED int repository_card_load(const struct repository *r, const char *model,
				     struct card *out, struct err *e);
/* Changes a card by fn, which gets a copy of its JSON, and saves it; the role (or NULL) that owns
 * it lists the new one. ERR_USAGE when it belongs to another role, or is then no card. */
typedef int repository_change_fn(void *ctx, json_t *json, const struct card *card, struct err *e);
WARN_UNUSED int repository_change_card(struct repository *r, struct writer *w, const char *model,
				       const char *role, repository_change_fn *fn, void *ctx,
				       struct err *e);

/* Reads the manifest of a file in a card and checks that it belongs to it; text gets its bytes. */
WARN_UNUSED int repository_manifest_read(const char *dir, const char *model,
					 const struct card_file *f, struct buf *text,
					 struct err *e);

/* Puts into `after` what changed in its version of the variant since that of `before`, whose
 * manifests are in the tree, too; nothing, if there was none or it has the same files. */
void repository_describe_version(const char *dir, const struct card *before,
				 const struct card *after, const char *variant);

/* Reads a file of the tree. ERR_INTEGRITY when it has another digest. */
WARN_UNUSED int repository_read_signed(const char *path, const struct digest *sha256,
				       struct buf *out, struct err *e);
/* The object of catalog.json or repository.json with this digest. ERR_INTEGRITY when it has another
 * one. */
WARN_UNUSED int repository_catalog_read(const char *dir, const char *target,
					const struct digest *sha256, struct catalog *out,
					struct err *e);

/* Loads the card NAME.card.json in cards/, and appends it. */
WARN_UNUSED int repository_card_append(const char *dir, const char *name,
				       struct repository_cards *out, struct err *e);
/* The names of the cards' files. */
WARN_UNUSED int repository_card_names(const char *dir, struct str_list *out, struct err *e);

/* As repository_cards_load(), but with `f`, a card that does not load is a finding. */
WARN_UNUSED int repository_cards_load_lint(const char *dir, struct repository_cards *out,
					   struct lint_findings *f, struct err *e);

/* Writes an object of the tree unless it exists. It is on the disk after
 * repository_sync_objects(), which must be called before metadata names it. */
WARN_UNUSED int repository_put(const char *dir, const char *target_path, const void *data,
			       size_t len, const struct digest *sha256, struct err *e);

WARN_UNUSED int repository_sync_objects(const char *dir, struct err *e);

/* ---- lists of roles (listing.c) ---- */

/* The target path of a file's manifest; caller frees. */
char *repository_manifest_target(const struct card_file *f);
/* Lists a file, its manifest and its provenance (origin.h), and writes the objects of these: in the
 * role, or (NULL) where each belongs. */
WARN_UNUSED int repository_list_file(const char *dir, struct writer *w, const char *role,
				     const char *model, const struct card_file *f, struct err *e);
/* ERR_USAGE unless targets delegates to a role of this name. */
WARN_UNUSED int repository_check_role(const struct writer *w, const char *role, struct err *e);
/* ERR_USAGE unless all files of the card belong to the role; role NULL: to no named role. */
WARN_UNUSED int repository_check_owner(const struct writer *w, const char *role,
				       const struct card *c, struct err *e);
/* Lists the card, if it has files, and writes its object: in the role, or (NULL) where it
 * belongs. */
WARN_UNUSED int repository_list_card(const char *dir, struct writer *w, const char *role,
				     const struct card *c, struct err *e);
/* Makes the role list exactly the card, and those files of the model that are in it. */
WARN_UNUSED int repository_list_for_role(const char *dir, struct writer *w, const char *role,
					 const struct card *c, struct err *e);
/* Saves changes as drafts, after their objects; does nothing if there are none. */
WARN_UNUSED int repository_keep_drafts(const char *dir, struct writer *w, struct err *e);

/*
 * A card for readers: of the publisher of targets, or as its delegated role has signed it; json
 * NULL: they get none. In a tree whose role has signed only files (of version 0.1): the card, if it
 * has signed all of them, else that of `current` (the signed catalog; json NULL: none) if they are
 * still signed. *waiting becomes true when the role has not signed what is in the card.
 */
WARN_UNUSED int repository_vouched_card(const char *dir, const struct writer *w,
					const struct card *c, const struct catalog *current,
					struct card *out, bool *waiting, struct err *e);

#endif
