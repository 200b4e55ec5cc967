/* What the repository_*.c files share. */
#ifndef FERRY_CATALOG_REPOSITORY_INTERNAL_H
#define FERRY_CATALOG_REPOSITORY_INTERNAL_H

#include "catalog/repository.h"

struct repository {
	char *dir;
	int lock;
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

/* Writes an object of the tree unless it is there. */
WARN_UNUSED int repository_put(const char *dir, const char *target_path, const void *data,
			       size_t len, const struct digest *sha256, struct err *e);

#endif
