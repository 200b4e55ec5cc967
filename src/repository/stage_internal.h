/* Shared by the stage*.c files. */
#ifndef FERRY_REPOSITORY_STAGE_INTERNAL_H
#define FERRY_REPOSITORY_STAGE_INTERNAL_H

#include "repository/object.h"
#include "repository/stage.h"

#define TARGETS "targets"

/* The objects that mirrors get, sorted by key. */
struct stage_objects {
	struct stage_object *at;
	size_t count, cap;
};
void stage_objects_release(struct stage_objects *o);

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
	struct stage_objects signed_objects; /* before this signature; see stage_places_begin() */
	struct object_look look;
};

/* The signed catalog and repository.json, or drafts of them. */
void stage_load_current(struct staging *s);
/* Writes and lists repository.json, catalog.json and the index. */
WARN_UNUSED int stage_documents(struct staging *s, struct err *e);
/* Writes and lists a document of the role targets. */
WARN_UNUSED int stage_set_document(struct staging *s, const char *target, const struct buf *text,
				   struct err *e);
/* Is it one of these three, or a list of places? */
bool stage_is_document(const char *target);
/* Are all three signed, and their objects and those of lists of places right? They are few: they
 * are read. */
bool stage_has_documents(const char *dir, const struct writer *w);

/* ---- the lists of places (catalog/places.h) ---- */

/* Does one of these mirrors have a list, perhaps? */
bool stage_places_are_possible(const json_t *mirrors);
/* Notes what is signed, before the targets are changed. */
void stage_places_begin(struct staging *s);
/* If no card changed: does a list of how->mirrors, because of what was located, or found closed?
 */
WARN_UNUSED int stage_places_differ(const struct staging *s, bool *yes, struct err *e);
/* Once the targets are as they will be signed: writes the lists, and removes those that are not
 * needed. The entries of mirrors get "places", or lose it. */
WARN_UNUSED int stage_places(struct staging *s, json_t *mirrors, struct err *e);

#endif
