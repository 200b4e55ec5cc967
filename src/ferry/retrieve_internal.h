/* Between retrieve.c and retrieve_stored.c, which has what the store has of a model when the
 * mirrors cannot serve it. */
#ifndef FERRY_FERRY_RETRIEVE_INTERNAL_H
#define FERRY_FERRY_RETRIEVE_INTERNAL_H

#include "ferry/retrieve.h"

/* fetch_any_from_store() for a reference; of one without a variant, or MODEL:auto, this variant, or
 * with NULL any. */
WARN_UNUSED int retrieve_find_stored(const struct store *s, const struct reference *r,
				     const char *variant, struct store_variants *kept,
				     const struct store_variant **out, struct err *e);

/* Takes it from the store, because of `why`, and says so. ERR_INTEGRITY with CAUSE_WITHDRAWN, as
 * the catalog says that was verified last; ERR_NOT_FOUND; ERR_USAGE: several may be meant. */
WARN_UNUSED int retrieve_from_store(struct retrieval *r, const struct reference *reference,
				    const char *variant, const struct fetch_options *options,
				    const struct err *why, struct retrieved *out, struct err *e);

/* Warns of what is no model, or is for one engine only. */
void retrieve_warn_of_kind(struct retrieval *r, const char *model, const char *variant,
			   const char *kind, const char *engine);

#endif
