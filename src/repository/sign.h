/*
 * Signing: from cards and mirrors to a catalog that readers trust.
 *
 * Kept apart from repository.h because this side needs private keys.
 */
#ifndef FERRY_REPOSITORY_SIGN_H
#define FERRY_REPOSITORY_SIGN_H

#include "sign/keyring.h"
#include "repository/repository.h"
#include "repository/writer/writer.h"

struct repository_signing {
	const char *name;               /* of the repository; NULL: as it was */
	const char *title;              /* NULL: as it was */
	const json_t *mirrors;          /* NULL: as they were */
	struct writer_expiry expiry;
	int64_t now_s;
	struct keyring *keys;           /* opened only when something is to be signed */
	const struct keyring *names;    /* what keys are called in messages; NULL: keys */
};

struct repository_signed {
	bool changed;                   /* false: nothing was to be done */
	bool published;                 /* false: drafts wait for more signatures */
	size_t models, variants;        /* in the catalog */
	size_t planned;                 /* variants left out, models without any included */
	size_t waiting;                 /* models that are not yet, or not as in their cards, in
					   the catalog: their delegated role has not signed */
	struct writer_statuses status;  /* of the roles, afterwards */
};
void repository_signed_release(struct repository_signed *s);

/*
 * Makes the keys that are missing in how->keys (root, targets, snapshot, timestamp), the root
 * metadata, and signs what cards there are. ERR_CONFLICT when the tree has a root already.
 * passphrase NULL: unencrypted. After a kill the same call goes on where it was.
 */
WARN_UNUSED int repository_init(struct repository *r, const struct repository_signing *how,
				enum privkey_kind kind, const struct buf *passphrase,
				struct repository_signed *out, struct err *e);

/*
 * Builds the catalog from the cards, puts it and the manifests into targets/, and signs a
 * new version, with files in bins if the tree has them. Of a model that belongs to a delegated role
 * the catalog shows what the role has signed; where its key is among `keys`, it signs now. With
 * nothing changed it does nothing, unless targets or bins expire within a month (or a quarter of their
 * time, if that is less). ERR_NOT_FOUND: no root in the tree.
 * ERR_USAGE: errors that the linter finds, no key that fits, a wrong passphrase.
 */
WARN_UNUSED int repository_sign(struct repository *r, const struct repository_signing *how,
				struct repository_signed *out, struct err *e);

/* New versions of snapshot and timestamp with a new expiry; no other key signs. What waits and has
 * all its signatures goes into force with them, where the keys that it wants of snapshot and
 * timestamp are here. Not published: a key is missing, and the old timestamp stays. */
WARN_UNUSED int repository_refresh(struct repository *r, const struct repository_signing *how,
				   struct repository_signed *out, struct err *e);

#endif
