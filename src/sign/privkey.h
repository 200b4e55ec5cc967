/*
 * Private key files: PKCS#8 PEM, encrypted with AES-256-CBC under a key derived from the
 * passphrase with scrypt (RFC 5958, RFC 8018, RFC 7914), so that `openssl pkey` can read them.
 * Ed25519 unless the caller chooses otherwise.
 */
#ifndef FERRY_SIGN_PRIVKEY_H
#define FERRY_SIGN_PRIVKEY_H

#include "sign/passphrase.h"
#include "sign/signer.h"

enum privkey_kind { PRIVKEY_ED25519, PRIVKEY_ECDSA_P256 };

struct privkey;

WARN_UNUSED int privkey_new(enum privkey_kind kind, struct privkey **out, struct err *e);
void privkey_free(struct privkey *k);
DEFINE_CLEANUP(struct privkey, privkey_free);

/* Borrowed: lives as long as k. */
const struct tuf_key *privkey_public(const struct privkey *k);

/* Writes the file with mode 0600, making its folder (mode 0700). ERR_CONFLICT when there
 * is a file already. passphrase NULL: not encrypted; an empty one is ERR_USAGE. */
WARN_UNUSED int privkey_save(const struct privkey *k, const char *path,
			     const struct buf *passphrase, struct err *e);
/* The same, replacing the file atomically: for a new passphrase. */
WARN_UNUSED int privkey_replace(const struct privkey *k, const char *path,
				const struct buf *passphrase, struct err *e);

/*
 * Reads a key file. If it is encrypted, the known passphrase is used, else asked for; with
 * passphrases NULL, an encrypted file is ERR_USAGE. A wrong passphrase is ERR_USAGE "wrong
 * passphrase for …". A missing file is ERR_NOT_FOUND; a file without a private key of a supported
 * type is ERR_USAGE.
 *
 * Permissions: a file that others may write, and an unencrypted one that others may read, is
 * refused (ERR_USAGE, with the chmod to run). An encrypted file that others may read is accepted:
 * mounted secrets have such modes, and the passphrase protects the key.
 */
WARN_UNUSED int privkey_load(const char *path, struct passphrases *passphrases,
			     struct privkey **out, struct err *e);
/* Is the file encrypted? ERR_USAGE when it is not a private key file. */
WARN_UNUSED int privkey_is_encrypted(const char *path, bool *out, struct err *e);

/* Appends the raw signature. */
WARN_UNUSED int privkey_sign(const struct privkey *k, const void *data, size_t len, struct buf *sig,
			     struct err *e);

/* A signer that owns k; name is copied. */
struct signer *privkey_signer(struct privkey *k, const char *name);

#endif
