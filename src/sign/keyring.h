/*
 * The publisher's folder of keys. A key NAME is
 *
 *   NAME.pem       a private key, or
 *   NAME.command   an external program that signs (sign/command.h), or
 *   neither        another person's key, known by its public part alone
 *
 * and NAME.pub beside it, the public key, so that a key can be identified without its passphrase,
 * and key ids have names.
 *
 * By convention NAME is the role that the key was made for ("targets", "targets-alice"); the root
 * metadata alone decides what it may sign.
 */
#ifndef FERRY_SIGN_KEYRING_H
#define FERRY_SIGN_KEYRING_H

#include "sign/privkey.h"
#include "util/text.h"

#define KEYRING_PUBLIC_SUFFIX ".pub"

enum keyring_kind { KEYRING_FILE, KEYRING_COMMAND, KEYRING_PUBLIC };

struct keyring_key {
	enum keyring_kind kind;
	char *name;             /* "targets" */
	char *path;             /* of NAME.pem, NAME.command or NAME.pub */
	struct tuf_key *public; /* NULL when NAME.pub is missing: of a KEYRING_FILE only */
	bool chosen;            /* named by the user (keyring_pick), so it must be usable */
	struct signer *signer;  /* after it was opened; NULL before */
};
struct keyring {
	char *dir;
	struct keyring_key *at; /* sorted by name */
	size_t count, cap;
	struct passphrases *passphrases; /* of its key files; borrowed, may be NULL */
	const struct owner_trust *trust; /* whose NAME.command may run; borrowed, may be NULL */
	const struct cancel *cancel;     /* stops its signing programs; borrowed, may be NULL */
};
void keyring_release(struct keyring *k);

/* ERR_USAGE when the folder lies inside `tree` (may be NULL): private keys must not be published.
 * A missing folder is an empty keyring. Private keys are not read here; only those that sign are
 * opened later. */
WARN_UNUSED int keyring_load(const char *dir, const char *tree, struct keyring *out, struct err *e);
const struct keyring_key *keyring_find(const struct keyring *k, const char *name);
/* The key with this id, or NULL. */
const struct keyring_key *keyring_by_id(const struct keyring *k, const char *keyid);
/* Hints at the key that was meant, else `otherwise`. As err_hint. */
#define KEYRING_LISTED "`ferry catalog key list` lists the keys"
int keyring_hint(const struct keyring *k, const char *wrong, const char *otherwise, struct err *e);

/* The keys that `which` names, each a name in `from` or the path of a NAME.pem or
 * NAME.command. ERR_NOT_FOUND when there is none; ERR_USAGE for one that cannot sign. */
WARN_UNUSED int keyring_pick(const struct keyring *from, const char *const *which, size_t count,
			     struct keyring *out, struct err *e);
/* The public key that `which` names: a name in k or the path of a NAME.pub; the caller
 * frees it. ERR_NOT_FOUND when there is none. */
WARN_UNUSED int keyring_public(const struct keyring *k, const char *which, struct tuf_key **out,
			       struct err *e);

/* ERR_CONFLICT when there is a key of that name that a private key cannot join, ERR_USAGE when it
 * is no name: for before a person is asked for anything. */
WARN_UNUSED int keyring_check_new(const struct keyring *k, const char *name, struct err *e);
/* Makes NAME.pem and NAME.pub. ERR_CONFLICT when there is a key of that name; passphrase NULL:
 * unencrypted. */
WARN_UNUSED int keyring_new(struct keyring *k, const char *name, enum privkey_kind kind,
			    const struct buf *passphrase, struct err *e);
/* The same for an existing key, which it always takes and which is then open. If NAME.pub exists,
 * it must be this key's. */
WARN_UNUSED int keyring_store(struct keyring *k, const char *name, struct privkey *key,
			      const struct buf *passphrase, struct err *e);
/* Stores another person's public key as NAME.pub, or under a longer name if that is taken. Does
 * nothing if the key already has a name. */
WARN_UNUSED int keyring_remember(struct keyring *k, const char *name, const struct tuf_key *key,
				 struct err *e);
/* Is it a private key file, and encrypted? ERR_USAGE as privkey_load() has it. */
WARN_UNUSED int keyring_is_encrypted(const struct keyring_key *key, bool *out, struct err *e);
/* Gives keys in k that have no name the names from the other keyring. Only in memory. */
void keyring_learn(struct keyring *k, const struct keyring *from);
/* Removes a public key whose private key was never written, as a killed keyring_new leaves it. */
WARN_UNUSED int keyring_drop_public(struct keyring *k, const char *name, struct err *e);
/* An unused name: "targets", else "targets-2", "targets-3" …; the caller frees. */
char *keyring_free_name(const struct keyring *k, const char *role);

/* The signer of a key in k, which keeps it, so that a key is read and decrypted only once in a
 * run. ERR_USAGE for a public key. */
WARN_UNUSED int keyring_signer(struct keyring *k, const struct keyring_key *key,
			       struct signer **out, struct err *e);

/* Signers of keyrings, borrowed. */
struct keyring_signers {
	struct signer **at;
	size_t count, cap;
};
void keyring_signers_release(struct keyring_signers *s);
/* Unless there already is one with this key. */
void keyring_signers_add(struct keyring_signers *s, struct signer *signer);
/*
 * Opens the private keys that `wanted` (key ids) names, appending their signers to out; a key
 * without NAME.pub is opened when its name starts with one of `roles`, or when it was chosen. A
 * key with several names is opened once. Finding none is not an error.
 */
WARN_UNUSED int keyring_open(struct keyring *k, const struct str_list *wanted,
			     const char *const *roles, struct keyring_signers *out, struct err *e);

/* Encrypts a key file with a new passphrase, or (NULL) stores it unencrypted. */
WARN_UNUSED int keyring_passphrase(const struct keyring *k, const struct keyring_key *key,
				   const struct buf *passphrase, struct err *e);

#endif
