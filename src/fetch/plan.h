/*
 * The plan of a fetch: the files of a variant, what the store already has, and how many bytes are
 * missing. Everything in it comes from signed targets.
 */
#ifndef FERRY_FETCH_PLAN_H
#define FERRY_FETCH_PLAN_H

#include "catalog/manifest.h"
#include "fetch/remote.h"

struct fetch_plan_file {
	const struct card_file *card; /* borrowed from the catalog */
	char *key;                    /* on every source */
	bool in_store;                /* complete and verified: nothing below is set */
	struct manifest manifest;
	uint64_t to_fetch; /* bytes, if the journal of an earlier run is correct */
};

struct fetch_plan {
	const struct card *model;
	const struct card_variant *variant;
	struct fetch_plan_file *files; /* shards in order, then companions */
	size_t count;
	uint64_t to_fetch;
};
void fetch_plan_release(struct fetch_plan *p);

/* Appends the target paths of the manifests that fetch_plan_make() is going to need. */
void fetch_plan_needs(const struct remote *remote, const struct card_variant *variant,
		      struct str_list *paths);

/*
 * Checks the card against the signed targets and their manifests. check_blobs: files in the store
 * are hashed again, and damaged ones are fetched again.
 *
 * ERR_INTEGRITY when card, target and manifest disagree; ERR_NOT_FOUND offline when a
 * file is not in the store.
 */
WARN_UNUSED int fetch_plan_make(struct remote *remote, const struct card *model,
				const struct card_variant *variant, bool check_blobs,
				struct fetch_plan *out, struct err *e);

#endif
