/*
 * The publisher's folder of keys: NAME.pem, a private key, and beside it NAME.pub, its
 * public part, so that what a key is for can be told without its passphrase.
 *
 * By custom NAME is the role it is made for ("targets", "targets-alice"); what it may
 * sign is decided by the root metadata alone.
 */
#ifndef FERRY_CATALOG_KEYRING_H
#define FERRY_CATALOG_KEYRING_H

#include "catalog/sign/privkey.h"
#include "util/text.h"

struct keyring_key {
	char *name;             /* "targets" */
	char *path;             /* of NAME.pem */
	struct tuf_key *public; /* NULL when NAME.pub is missing */
	bool encrypted;
};
struct keyring {
	char *dir;
	struct keyring_key *at; /* sorted by name */
	size_t count, cap;
};
void keyring_release(struct keyring *k);

/* ERR_USAGE when the folder lies inside `tree` (may be NULL): private keys must not be
 * published. A folder that is missing is an empty keyring. */
WARN_UNUSED int keyring_load(const char *dir, const char *tree, struct keyring *out,
			     struct err *e);
const struct keyring_key *keyring_find(const struct keyring *k, const char *name);

/* Makes NAME.pem and NAME.pub. ERR_CONFLICT when there is a NAME.pem; passphrase NULL:
 * unencrypted. */
WARN_UNUSED int keyring_new(struct keyring *k, const char *name, enum privkey_kind kind,
			    const struct buf *passphrase, struct err *e);

/*
 * Opens the private keys that `wanted` (key ids) names, appending signers to out; a key
 * without public part is opened when its name starts with one of `roles`. Several
 * names for one key are opened once. It is no error to find none.
 */
struct keyring_signers {
	struct signer **at;
	size_t count, cap;
};
void keyring_signers_release(struct keyring_signers *s);
WARN_UNUSED int keyring_open(const struct keyring *k, const struct str_list *wanted,
			     const char *const *roles, privkey_ask ask, void *ctx,
			     struct keyring_signers *out, struct err *e);

/* Encrypts a key anew, or (passphrase NULL) not at all. */
WARN_UNUSED int keyring_passphrase(const struct keyring_key *key, privkey_ask ask, void *ctx,
				   const struct buf *passphrase, struct err *e);

#endif
