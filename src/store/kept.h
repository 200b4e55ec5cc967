/*
 * kept: the versions of a variant that were replaced. When store_link_all() gives the plain name
 * of a variant to another version, the record of the one before moves to VARIANT@N, where
 * `fetch MODEL@N` puts a version, too; its "replaced" tells the two apart.
 *
 * It is linked there before the plain name changes. Whatever stops the process, at any point, the
 * version is in the store under one of the names, or under both.
 */
#ifndef FERRY_STORE_KEPT_H
#define FERRY_STORE_KEPT_H

#include "store/store.h"

#define KEPT_ALL SIZE_MAX

/* Would linking v replace another version that is complete? *out is then that version, under the
 * name by which it is to be kept; the caller releases it. */
bool kept_find(const struct store *s, const struct store_variant *v, struct store_variant *out);

/* Is such a version in the store under that name, as it should be? */
bool kept_is_there(const struct store *s, const struct store_variant *v);

/* The version in the store under VARIANT@N; the caller releases it. ERR_NOT_FOUND. */
WARN_UNUSED int kept_load(const struct store *s, const struct store_variant *v, uint64_t version,
			  struct store_variant *out, struct err *e);

/* Bytes of its files that no other variant of the store has, nor waits for. */
WARN_UNUSED int kept_bytes(const struct store *s, const struct store_variant *v, uint64_t *out,
			   struct err *e);

struct kept_removed {
	uint64_t versions, bytes;
	uint64_t needed; /* versions that stay because a program or an engine uses them */
};
/* Removes versions of the variant that were replaced, but for the `keep` newest; its version is not
 * read. One that was fetched by its version stays, and one that is in use or linked. Adds to *out.
 */
WARN_UNUSED int kept_remove(const struct store *s, const struct store_variant *v, size_t keep,
			    struct kept_removed *out, struct err *e);

#endif
