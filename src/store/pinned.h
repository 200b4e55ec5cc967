/*
 * Pins: a person's word that a variant stays at a version. Its plain name leads to that version
 * until it is unpinned; other versions can be beside it.
 *
 * A pin is the file .pinned in the folder of the variant:
 *
 *   {"format": "model-ferry-pin", "version": 1, "variant_version": 2,
 *    "pinned": "2026-01-02T03:04:05Z"}
 *
 * One that cannot be read pins nevertheless, at the version that is there.
 *
 * Prefixes: store_
 */
#ifndef FERRY_STORE_PINNED_H
#define FERRY_STORE_PINNED_H

#include "store/store.h"

#define PINNED_NAME ".pinned"
#define PINNED_MAX_BYTES (4 * KIB)

/* Is it what the pin of its variant is about? Never one that is named by its version. */
bool store_is_pinned(const struct store *s, const struct store_variant *v);
/* Is the variant pinned? *version is then the version, or 0 if that cannot be read. */
bool store_pin_of(const struct store *s, const char *repository, const char *model,
		  const char *variant, uint64_t *version);

/*
 * Pins a complete variant of store_list(). If it is named by its version ("q4_k_m@1"), the plain
 * name is linked to that version first; the one that it led to is kept (store_link_all()). Replaces
 * an earlier pin of the variant. ERR_CONFLICT when a blob is missing.
 */
WARN_UNUSED int store_pin(const struct store *s, const struct store_variant *v, struct err *e);
/* Success if there is no pin. */
WARN_UNUSED int store_unpin(const struct store *s, const struct store_variant *v, struct err *e);

/* ERR_CONFLICT, with a hint, when v is another version of a pinned variant. */
WARN_UNUSED int store_pin_check(const struct store *s, const struct store_variant *v,
				struct err *e);

/* Writes the pin of a plain name that leads to this version already: for store_pin(). */
WARN_UNUSED int store_pin_record(const struct store *s, const struct store_variant *v,
				 struct err *e);

#endif
