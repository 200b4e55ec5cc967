/*
 * allocate: which release of a mirror gets which object, if a release takes only so many assets
 * (GitHub: 1000). Pure functions.
 *
 * What always holds here: what was signed before stays where it is, unless a push found that it
 * could not be put there. The same input gives the same places.
 *
 * The objects of a model share their releases: the first, and follow-ups with the numbers 2, 3, ….
 * Other objects (documents) are always in the first one of their own.
 */
#ifndef FERRY_REPOSITORY_ALLOCATE_H
#define FERRY_REPOSITORY_ALLOCATE_H

#include "repository/closed.h"

#define ALLOCATE_MAX_ASSETS 1000

struct allocate_object {
	const char *key;
	uint64_t size;
	bool old; /* it was signed before */
};

struct allocate_rule {
	uint64_t part_size;          /* an object that is larger has several assets; 0: one */
	size_t max_assets;           /* of a release */
	bool immutable;              /* a release takes nothing more once it is published */
	const struct closed *closed; /* or NULL */
	const struct places *before; /* that were signed; NULL: none */
	/* The tag of the release with this number that has the object; the caller frees it. */
	char *(*tag)(void *ctx, const char *key, uint64_t release);
	void *ctx;
};

/* The objects are sorted by key. Adds to *out, which is then sorted, those that are not in the
 * first release. */
void allocate(const struct allocate_rule *rule, const struct allocate_object *objects, size_t count,
	      struct places *out);

#endif
