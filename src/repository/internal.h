/* What the files of this folder share. */
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
char *repository_object_path(const char *dir, const char *target_path,
			     const struct digest *sha256);
/* TREE/cards/MODEL.card.json; caller frees. */
char *repository_card_path(const char *dir, const char *model);
/* TREE/cards/MODEL/<sha256>.<file>.manifest.json; caller frees. */
char *repository_manifest_path(const char *dir, const char *model, const struct card_file *f);

/* Reads the manifest of a card's file and checks that it is that file's: text has its
 * bytes. */
WARN_UNUSED int repository_manifest_read(const char *dir, const char *model,
					 const struct card_file *f, struct buf *text,
					 struct err *e);

/* The catalog with this digest. ERR_INTEGRITY when its object has another one. */
WARN_UNUSED int repository_catalog_read(const char *dir, const struct digest *sha256,
					struct catalog *out, struct err *e);

/* Writes an object of the tree unless it is there. */
WARN_UNUSED int repository_put(const char *dir, const char *target_path, const void *data,
			       size_t len, const struct digest *sha256, struct err *e);

/* ---- what roles list (listing.c) ---- */

/* The target path of a file's manifest; caller frees. */
char *repository_manifest_target(const struct card_file *f);
/* Lists a file and its manifest, whose object is written: in the role, or (NULL) where each
 * belongs. */
WARN_UNUSED int repository_list_file(const char *dir, struct writer *w, const char *role,
				     const char *model, const struct card_file *f, struct err *e);
/* ERR_USAGE unless targets delegates to a role of this name. */
WARN_UNUSED int repository_check_role(const struct writer *w, const char *role,
				      struct err *e);
/* ERR_USAGE unless all files of the card belong to the role; NULL: to no named role. */
WARN_UNUSED int repository_check_owner(const struct writer *w, const char *role,
				       const struct card *c, struct err *e);
/* Makes the role list what the card has of the model's files, and nothing else of it. */
WARN_UNUSED int repository_list_for_role(const char *dir, struct writer *w,
					 const char *role, const struct card *c, struct err *e);
/* Takes a model, or one variant (else NULL), from the role's list. */
WARN_UNUSED int repository_unlist_for_role(struct writer *w, const char *role,
					   const struct card *c, const char *variant,
					   struct err *e);
/* Saves what was changed as drafts; with no change it does nothing. */
WARN_UNUSED int repository_keep_drafts(struct writer *w, struct err *e);

/*
 * The cards that may be in the catalog: those whose files are for the publisher of targets, and
 * those whose files their delegated roles have signed. Of another card what `current`
 * (the signed catalog; json NULL: none) has of the model, if that is signed still, or
 * nothing. Copies that share everything with cards and current; caller frees the array alone.
 * *waiting counts the cards that are not as they are in cards.
 */
WARN_UNUSED int repository_vouched_cards(const struct writer *w,
					 const struct repository_cards *cards,
					 const struct catalog *current, struct card **out,
					 size_t *count, size_t *waiting, struct err *e);

#endif
