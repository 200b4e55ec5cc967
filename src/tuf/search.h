/*
 * Where a target path is described: the walk through targets metadata and its delegations
 * (TUF 1.0.34, section 5.6.7): preorder, depth first, in the order of each file; a
 * terminating delegation that covers the path ends the search behind it; no role is
 * visited twice.
 */
#ifndef FERRY_TUF_SEARCH_H
#define FERRY_TUF_SEARCH_H

#include "tuf/metadata.h"

/* Gives the verified metadata of a role that parent delegates to, borrowed. An error
 * ends the search. */
typedef int (*tuf_search_load)(void *ctx, const char *name, const struct tuf_metadata *parent,
			       const struct tuf_metadata **out, struct err *e);

/* *target is the entry {length, hashes, custom}, borrowed. ERR_NOT_FOUND when no role
 * that is trusted for the path lists it; ERR_INTEGRITY when that cannot be said within
 * max_roles delegated roles. */
WARN_UNUSED int tuf_search(const struct tuf_metadata *top, const char *path,
			   unsigned max_roles, tuf_search_load load, void *ctx,
			   const json_t **target, struct err *e);

#endif
