/*
 * Changing keys, and several people signing one after the other.
 *
 * The holder of an offline key signs on a copy of only metadata/ and drafts/ (a few kilobytes)
 * and returns the copy; the publisher merges the signatures. Everything here needs only those two
 * folders, except the plain catalog.json, which is updated if its object is in the tree.
 */
#ifndef FERRY_REPOSITORY_CEREMONY_H
#define FERRY_REPOSITORY_CEREMONY_H

#include "repository/sign.h"

struct repository_rotation {
	const char *const *roles;
	size_t role_count;
	bool renew; /* a new version, with no other change */
	/* With several roles, or without the following members, the only key of each role is
	 * replaced by a new one, stored in `keys` under a new name. */
	const struct tuf_key *const *add;
	size_t add_count;
	const char *const *remove; /* key ids */
	size_t remove_count;
	unsigned threshold; /* 0: unchanged */
	struct keyring *keys;
	enum privkey_kind kind;
	const struct buf *passphrase; /* of the new keys; NULL: unencrypted */
};

struct repository_ceremony {
	struct repository_signed state; /* changed, published, the roles' versions */
	size_t signatures;              /* that this call added */
	size_t dropped;                 /* that drafts lost by the change */
	struct str_list added, removed; /* key ids */
	struct str_list made;           /* names of new keys in the keyring */
};
void repository_ceremony_release(struct repository_ceremony *c);

/*
 * Changes or renews roles, signs with the available keys (possibly none), and publishes or keeps
 * drafts. What a removed key had signed is signed again in the same save. Hash bins with the keys
 * of targets get the new ones.
 *
 * ERR_NOT_FOUND: no root in the tree. ERR_USAGE: an unknown role; a role with several keys when
 * none is chosen; fewer keys than the threshold; a wrong passphrase; a chosen key (keyring_pick)
 * that may not sign. On error nothing is changed.
 */
WARN_UNUSED int repository_rotate(const char *dir, const struct repository_signing *how,
				  const struct repository_rotation *r,
				  struct repository_ceremony *out, struct err *e);

/* Signs the drafts of the roles with the available keys. Does nothing if there are none.
 * ERR_USAGE if no key may sign. */
WARN_UNUSED int repository_sign_roles(const char *dir, const struct repository_signing *how,
				      const char *const *roles, size_t count,
				      struct repository_ceremony *out, struct err *e);

/* Merges signatures from copies (writer_merge), and publishes what is complete. */
WARN_UNUSED int repository_merge(const char *dir, const struct repository_signing *how,
				 const char *const *paths, size_t count,
				 struct repository_ceremony *out, struct err *e);

#endif
