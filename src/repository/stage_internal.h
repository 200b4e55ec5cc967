/* Shared by the stage*.c files. */
#ifndef FERRY_REPOSITORY_STAGE_INTERNAL_H
#define FERRY_REPOSITORY_STAGE_INTERNAL_H

#include "repository/object.h"
#include "repository/stage.h"

#define TARGETS "targets"

struct staging {
	const char *dir;
	struct writer *w;
	const struct repository_signing *how;
	struct stage_cards *cards;
	struct repository_cards vouched; /* what readers get of the cards that were read */
	struct str_list paths;           /* the targets of these cards */
	struct str_list gone;            /* ids of models that were signed and have no card now */
	struct catalog current;          /* catalog.json as signed; json NULL: none, or damaged */
	struct catalog head;             /* the same for repository.json */
	struct object_look look;
};

/* The signed catalog and repository.json, or drafts of them. */
void stage_load_current(struct staging *s);
/* Writes and lists repository.json, catalog.json and the index. */
WARN_UNUSED int stage_documents(struct staging *s, struct err *e);
/* Is it one of these three? */
bool stage_is_document(const char *target);
/* Are all three signed, and their objects right? They are few: they are read. */
bool stage_has_documents(const char *dir, const struct writer *w);

#endif
