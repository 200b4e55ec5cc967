/*
 * minisign's files (https://jedisct1.github.io/minisign/#signature-format): for people who have
 * only a shell script and minisign.
 *
 *   untrusted comment: <text>
 *   base64("ED" key-id signature)             of the BLAKE2b-512 of the file
 *   trusted comment: <text>
 *   base64(signature)                         of the signature above and the trusted comment
 *
 *   untrusted comment: <text>
 *   base64("Ed" key-id public-key)            a public key
 *
 * What always holds here:
 *  - only the prehashed format "ED" is written and accepted, so a signature of metadata can never
 *    be used as one of a file;
 *  - minisign's key id is the first eight bytes of the key's TUF id, so that minisign shows
 *    what `ferry catalog key list` shows.
 */
#ifndef FERRY_SIGN_MINISIG_H
#define FERRY_SIGN_MINISIG_H

#include "sign/signer.h"

#define MINISIG_SUFFIX ".minisig"
#define MINISIG_MAX_BYTES (16 * KIB)
#define MINISIG_COMMENT_MAX 1024 /* bytes of a comment; minisign's own limit */
#define MINISIG_KEY_ID 8
#define MINISIG_SIG 64

/* Does minisign support the key: is it Ed25519? */
bool minisig_fits(const struct tuf_key *k);

/* A public key file, appended to out. ERR_USAGE when the key is not supported. */
WARN_UNUSED int minisig_public(const struct tuf_key *k, const char *comment, struct buf *out,
			       struct err *e);

/* A signature file over the data, appended to out; the signer signs twice. ERR_USAGE if a comment
 * is not one line of at most MINISIG_COMMENT_MAX bytes, or the key is not supported. */
WARN_UNUSED int minisig_sign(struct signer *s, const void *data, size_t len, const char *untrusted,
			     const char *trusted, struct buf *out, struct err *e);

struct minisig {
	uint8_t key_id[MINISIG_KEY_ID];
	uint8_t sig[MINISIG_SIG], global[MINISIG_SIG];
	char *trusted; /* the comment; valid only after minisig_verify() */
};
void minisig_release(struct minisig *m);

/* ERR_INTEGRITY for what is no such signature file. */
WARN_UNUSED int minisig_parse(const void *text, size_t len, const char *what, struct minisig *out,
			      struct err *e);
/* Verifies both signatures, of the data and of the trusted comment; the signature must also name
 * this key. */
bool minisig_verify(const struct minisig *m, const struct tuf_key *k, const void *data, size_t len);

#endif
