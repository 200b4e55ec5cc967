/*
 * Signing: from cards and mirrors to documents that readers trust.
 *
 * Kept apart from repository.h because this side needs private keys.
 */
#ifndef FERRY_REPOSITORY_SIGN_H
#define FERRY_REPOSITORY_SIGN_H

#include "sign/keyring.h"
#include "repository/repository.h"
#include "repository/writer/writer.h"

/* A larger catalog.json is a stub: readers then use the index and the cards. */
#define REPOSITORY_CATALOG_MAX (8 * MIB)

struct repository_signing {
	const char *name;                 /* of the repository; NULL: unchanged */
	const char *title;                /* NULL: unchanged */
	const json_t *mirrors;            /* NULL: unchanged */
	const struct str_list *immutable; /* ids of mirrors whose releases take nothing more once
					     they are published; NULL: none */
	uint64_t catalog_max;             /* bytes of catalog.json; 0: REPOSITORY_CATALOG_MAX */
	struct writer_expiry expiry;
	int64_t now_s;
	struct keyring *keys;        /* opened only if there is something to sign */
	const struct keyring *names; /* for the names of keys in messages; NULL: keys */
	struct report *report;       /* of objects that are hashed again; NULL: none */
	const struct cancel *cancel; /* NULL: nothing stops it */
};

struct repository_signed {
	bool changed;                  /* false: there was nothing to do */
	bool published;                /* false: drafts wait for more signatures */
	size_t models, variants;       /* in the catalog */
	size_t planned;                /* planned variants that were left out, and models
					  without variants */
	size_t waiting;                /* models that are missing or outdated in the catalog
					  because their delegated role has not signed */
	struct writer_statuses status; /* of the roles, afterwards */
};
void repository_signed_release(struct repository_signed *s);

/* ERR_CONFLICT if there is a signed repository in the folder, another error if it is damaged, as
 * repository_init() has it: for before a person is asked for anything. */
WARN_UNUSED int repository_check_new(const char *dir, struct err *e);
/*
 * Makes the missing keys in how->keys (root, targets, snapshot, timestamp) and the root metadata,
 * and signs the existing cards. ERR_CONFLICT when the tree already has a root. passphrase NULL:
 * unencrypted. After a kill, the same call continues.
 */
WARN_UNUSED int repository_init(struct repository *r, const struct repository_signing *how,
				enum privkey_kind kind, const struct buf *passphrase,
				struct repository_signed *out, struct err *e);

/*
 * Writes the cards, the manifests, repository.json, the index and the catalog to targets/, and
 * signs a new version, with files in bins if the tree has them. Only what changed since the last
 * signature is read (staged.h), and objects whose mark moved since they were verified (seen.h) are
 * hashed first. For a model of a delegated role, index and catalog contain the card that the role
 * has signed; if its key is in `keys`, it signs now. If nothing changed, it does nothing unless
 * targets or bins expire within a month (or a quarter of their lifetime, if that is less).
 * ERR_NOT_FOUND: no root in the tree, or an object is missing. ERR_INTEGRITY: an object is wrong.
 * ERR_CONFLICT: a version goes back. ERR_USAGE: errors found by the linter, no usable key, a wrong
 * passphrase.
 */
WARN_UNUSED int repository_sign(struct repository *r, const struct repository_signing *how,
				struct repository_signed *out, struct err *e);

/* Signs new versions of snapshot and timestamp with a new expiry date; no other key signs. Drafts
 * with all their signatures are published with them, if the keys of snapshot and timestamp that
 * they need are here. If published is false, a key is missing and the old timestamp stays. */
WARN_UNUSED int repository_refresh(struct repository *r, const struct repository_signing *how,
				   struct repository_signed *out, struct err *e);

#endif
