/*
 * sign: private keys, and signatures for people without a TUF client.
 *
 * A signer is anything that makes a signature for a public key: a key file (privkey.h), or an
 * external program for an HSM or a KMS (command.h). A keyring (keyring.h) is a folder of them;
 * passphrase.h knows where passphrases come from. minisig.h and modelsig.h are the formats of other
 * tools.
 *
 * What always holds here:
 *  - a private key is never written unencrypted unless the caller says so, never with other than
 *    mode 0600, and never over an existing file;
 *  - a key file is decrypted only once in a run, because the keyring keeps its signer;
 *  - every signature is verified with the public key before it is used;
 *  - secrets are wiped from memory before it is freed;
 *  - no client program links this room.
 */
#ifndef FERRY_SIGN_SIGNER_H
#define FERRY_SIGN_SIGNER_H

#include "tuf/key.h"

struct signer {
	struct tuf_key *key; /* the public key; owned */
	char *name;          /* for messages: "keys/targets.pem"; owned */
	/* Appends the raw signature over data to sig. */
	int (*sign)(struct signer *s, const void *data, size_t len, struct buf *sig, struct err *e);
	void (*destroy)(struct signer *s); /* frees its state; may be NULL */
	void *ctx;
	const struct cancel *cancel; /* stops an external signing program; NULL: nothing does */
};

/* Signs and verifies the signature with the public key: ERR_USAGE when it does not verify (an
 * external signer with a different key). */
WARN_UNUSED int signer_sign(struct signer *s, const void *data, size_t len, struct buf *sig,
			    struct err *e);
void signer_free(struct signer *s);
DEFINE_CLEANUP(struct signer, signer_free);

#endif
