/*
 * The passphrases of one run: who is asked for them, and the one that opened a key last. That
 * one is tried on the next key, so that a person types a common passphrase once.
 */
#ifndef FERRY_SIGN_PASSPHRASE_H
#define FERRY_SIGN_PASSPHRASE_H

#include "util/buf.h"
#include "util/err.h"

#define PASSPHRASE_MAX 1024     /* bytes */

struct passphrases {
	/* Puts the passphrase of the key file `path` into out, which is empty and is wiped by
	 * the caller. NULL: there is nobody to ask. */
	int (*ask)(void *ctx, const char *path, struct buf *out, struct err *e);
	void *ctx;
	bool same;              /* the answer is the same for every key: asked once */
	struct buf known;       /* set it with passphrase_know() */
	bool has_known;
	unsigned decryptions;   /* of key files, each an scrypt, that were tried so far */
};
/* Wipes what is known. */
void passphrase_release(struct passphrases *p);

/* Copies a passphrase to be tried first. */
void passphrase_know(struct passphrases *p, const struct buf *passphrase);
/* Asks, and knows the answer from then on. ERR_USAGE when there is nobody to ask. */
WARN_UNUSED int passphrase_ask(struct passphrases *p, const char *path, struct err *e);

#endif
