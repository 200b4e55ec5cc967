/*
 * Changing keys, and several people signing one after the other.
 *
 * Who holds an offline key works on a copy of metadata/ and drafts/ alone (a few kilobytes),
 * signs there, and hands the copy back; the publisher merges the signatures. Everything here
 * needs only those two folders, but for the plain catalog.json, which is brought in step where
 * its object is there.
 */
#ifndef FERRY_REPOSITORY_CEREMONY_H
#define FERRY_REPOSITORY_CEREMONY_H

#include "repository/sign.h"

struct repository_rotation {
	const char *const *roles;
	size_t role_count;
	bool renew;                     /* a new version, with no other change */
	/* With several roles, or with none of the following, each role's only key is replaced by
	 * a new one, kept in `keys` under a new name. */
	const struct tuf_key *const *add;
	size_t add_count;
	const char *const *remove;      /* key ids */
	size_t remove_count;
	unsigned threshold;             /* 0: as it is */
	struct keyring *keys;
	enum privkey_kind kind;
	const struct buf *passphrase;   /* of the new keys; NULL: unencrypted */
};

struct repository_ceremony {
	struct repository_signed state; /* changed, published, the roles' versions */
	size_t signatures;              /* that this call added */
	size_t dropped;                 /* that drafts had lost by the change */
	struct str_list added, removed; /* key ids */
	struct str_list made;           /* names of new keys in the keyring */
};
void repository_ceremony_release(struct repository_ceremony *c);

/*
 * Changes or renews roles, signs with the keys at hand (none is fine), and publishes or keeps
 * drafts. What was signed by a key that goes is signed anew in the same save. Hash bins that have
 * the keys of targets follow them.
 *
 * ERR_NOT_FOUND: no root in the tree. ERR_USAGE: an unknown role; a role with several keys and
 * nothing said about which goes; fewer keys than the threshold; a wrong passphrase; a chosen
 * key (keyring_pick) that may not sign. Nothing is changed then.
 */
WARN_UNUSED int repository_rotate(const char *dir, const struct repository_signing *how,
				  const struct repository_rotation *r,
				  struct repository_ceremony *out, struct err *e);

/* Signs what waits of the roles with the keys at hand. Nothing when nothing waits. ERR_USAGE
 * when there is no key that fits. */
WARN_UNUSED int repository_sign_roles(const char *dir, const struct repository_signing *how,
				      const char *const *roles, size_t count,
				      struct repository_ceremony *out, struct err *e);

/* Takes over signatures from copies (writer_merge), and publishes what is complete. */
WARN_UNUSED int repository_merge(const char *dir, const struct repository_signing *how,
				 const char *const *paths, size_t count,
				 struct repository_ceremony *out, struct err *e);

#endif
