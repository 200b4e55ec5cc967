/*
 * The passphrases of one run: how to ask for them, and the one that last opened a key. It is
 * tried first on the next key, so that a common passphrase is typed once.
 */
#ifndef FERRY_SIGN_PASSPHRASE_H
#define FERRY_SIGN_PASSPHRASE_H

#include "util/buf.h"
#include "util/err.h"

#define PASSPHRASE_MAX 1024 /* bytes */

struct passphrases {
	/* Gets the passphrase of the key file `path` into the empty buffer out, which the caller
	 * wipes. NULL: cannot ask. */
	int (*ask)(void *ctx, const char *path, struct buf *out, struct err *e);
	void *ctx;
	bool same;        /* the answer is the same for every key: asked once */
	struct buf known; /* set it with passphrase_know() */
	bool has_known;
	unsigned decryptions; /* number of attempts so far, each one an scrypt */
};
/* Wipes the known passphrase. */
void passphrase_release(struct passphrases *p);

/* Copies a passphrase that is tried first. */
void passphrase_know(struct passphrases *p, const struct buf *passphrase);
/* Asks and remembers the answer. ERR_USAGE if it cannot ask. */
WARN_UNUSED int passphrase_ask(struct passphrases *p, const char *path, struct err *e);

/* Why it would be guessed soon: "it is short (6 characters)"; NULL: no reason was found. The
 * caller frees. */
char *passphrase_weakness(const struct buf *passphrase);

#endif
