/*
 * How a variant in the store stands to the catalog of its repository. That it is in the store is
 * another matter: its record and all its blobs are there (store_variant.complete), in whatever
 * version, and then every command can use it.
 *
 * Only signed documents count: the card of the model, or that no trusted role lists one.
 */
#ifndef FERRY_FETCH_STANDING_H
#define FERRY_FETCH_STANDING_H

#include "fetch/remote.h"

enum standing_kind {
	STANDING_UNKNOWN,  /* there is no trusted catalog of its repository, or the current card
			      of the model is not at hand, or the record is damaged */
	STANDING_CURRENT,  /* the catalog has no newer version that may be used */
	STANDING_OUTDATED, /* it has; never for a version that was fetched by its number */
	STANDING_OLDER,    /* it was fetched by its number, and the catalog has a newer one */
	STANDING_WITHDRAWN,
	STANDING_UNLISTED, /* the model or the variant left the catalog; or the version did, and it
			      was fetched by its number, or is higher than the current one */
};

struct standing {
	enum standing_kind kind;
	uint64_t version; /* of the catalog; 0: it has none */
	/* Borrowed from the remote; or NULL. */
	const struct card *model;
	const struct card_variant *current;
	/* There is a newer version that may be used, with these bytes that the store does not have:
	 * of OUTDATED and OLDER always, of WITHDRAWN perhaps. */
	bool has_newer;
	uint64_t to_fetch;
	const char *reason, *replacement; /* of WITHDRAWN; the second may be NULL */
};

/*
 * r NULL: UNKNOWN. The card of the model is read once for each remote, from its cache; online it is
 * downloaded if it is not there. What cannot be found out is UNKNOWN. ERR_CANCELLED.
 */
WARN_UNUSED int standing_of(struct remote *r, const struct store *s, const struct store_variant *v,
			    struct standing *out, struct err *e);

/* Downloads the cards that standing_of() is going to need for these, several at a time; nothing
 * offline. */
void standing_prefetch(struct remote *r, const struct store_variants *all);

/* In JSON: "unknown", "current", "outdated", "older", "withdrawn", "unlisted". */
const char *standing_name(enum standing_kind kind);

#endif
