/*
 * Finds the description of a target path in targets metadata and its delegations (TUF 1.0.34,
 * section 5.6.7): preorder, depth first, in the order of each file. The search ends after a
 * terminating delegation that covers the path; no role is visited twice.
 */
#ifndef FERRY_TUF_SEARCH_H
#define FERRY_TUF_SEARCH_H

#include "tuf/metadata.h"

/* Returns the verified metadata of a role that parent delegates to, borrowed. An error ends the
 * search. */
typedef int (*tuf_search_load)(void *ctx, const char *name, const struct tuf_metadata *parent,
			       const struct tuf_metadata **out, struct err *e);

/* *target is the entry {length, hashes, custom}, borrowed. *signer is the role that lists it, for a
 * hash bin the role that delegates to the bins; borrowed from the metadata. ERR_NOT_FOUND when no
 * role that is trusted for the path lists it; ERR_INTEGRITY when max_roles delegated roles do not
 * suffice to decide. */
WARN_UNUSED int tuf_search(const struct tuf_metadata *top, const char *path, unsigned max_roles,
			   tuf_search_load load, void *ctx, const json_t **target,
			   const char **signer, struct err *e);

#endif
