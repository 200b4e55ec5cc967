/*
 * sign: private keys and what else can sign.
 *
 * What always holds here:
 *  - a private key is never written unencrypted unless the caller says so, never with
 *    other than mode 0600, and never over an existing file;
 *  - secrets are wiped from memory before it is freed;
 *  - nothing of the client links this folder.
 *
 * A signer is anything that makes a signature for a public key: a key file
 * (privkey.h), an external command that stands before an HSM or a KMS.
 */
#ifndef FERRY_SIGN_SIGNER_H
#define FERRY_SIGN_SIGNER_H

#include "tuf/key.h"

struct signer {
	struct tuf_key *key;    /* the public key; owned */
	char *name;             /* for messages: "keys/targets.pem"; owned */
	/* Appends the raw signature over data to sig. */
	int (*sign)(struct signer *s, const void *data, size_t len, struct buf *sig,
		    struct err *e);
	void (*destroy)(struct signer *s);      /* frees what is behind it; may be NULL */
	void *ctx;
	const struct cancel *cancel;    /* ends an external program that signs; NULL: nothing does */
};

/* Signs, and checks the signature with the public key before it is believed: ERR_USAGE
 * when it does not fit (an external signer that has another key). */
WARN_UNUSED int signer_sign(struct signer *s, const void *data, size_t len, struct buf *sig,
			    struct err *e);
void signer_free(struct signer *s);
DEFINE_CLEANUP(struct signer, signer_free);

#endif
