/*
 * closed: which releases of a mirror take no more objects, as a push found out: they are full, or
 * immutable. The next signature places what could not be put there in a follow-up release.
 *
 * The record, <tree>/.ferry/closed/<mirror id>, has a line for each release, and one for each
 * object that could not be put into it, with the number of the release that was signed for it:
 *
 *   tag models-phi-2
 *   missing 1 targets/models/phi-2/<sha256>.phi-2-q4_0.gguf
 */
#ifndef FERRY_REPOSITORY_CLOSED_H
#define FERRY_REPOSITORY_CLOSED_H

#include "catalog/places.h"

struct closed {
	struct str_list tags;
	struct places missing; /* sorted; with the number of the release, also of the first one */
};
void closed_release(struct closed *c);

/* Empty when there is no record. ERR_INTEGRITY for one that is damaged. */
WARN_UNUSED int closed_read(const char *dir, const char *mirror, struct closed *out, struct err *e);
bool closed_has(const struct closed *c, const char *tag);
/* Could this object not be put into this release? */
bool closed_lacks(const struct closed *c, const char *key, uint64_t release);

/* Adds tags, and the keys that could not be put where `places` (NULL: the first releases) has
 * them, to the record. */
WARN_UNUSED int closed_note(const char *dir, const char *mirror, const struct str_list *tags,
			    const struct str_list *missing, const struct places *places,
			    struct err *e);

#endif
