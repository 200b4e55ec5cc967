/* Shared by the keyring*.c files. */
#ifndef FERRY_SIGN_KEYRING_INTERNAL_H
#define FERRY_SIGN_KEYRING_INTERNAL_H

#include "sign/keyring.h"

#define KEYRING_PRIVATE_SUFFIX ".pem"
#define KEYRING_PUBLIC_MAX (16 * KIB)

/* Reads the key with this name from k's folder, replacing an entry with the same name. */
WARN_UNUSED int keyring_load_one(struct keyring *k, const char *name, struct err *e);
/* Writes NAME.pub. */
WARN_UNUSED int keyring_save_public(const char *dir, const char *name, const struct tuf_key *key,
				    struct err *e);
/* The same key of k, for changes. */
struct keyring_key *keyring_own(struct keyring *k, const struct keyring_key *key);

#endif
