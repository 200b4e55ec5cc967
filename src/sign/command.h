/*
 * An external program that signs, for keys in an HSM, on a smart card or in a KMS.
 *
 * It is described by a text file: the program on the first line, then each argument on a line of
 * its own, unchanged (no shell, no quoting). Empty lines and lines that start with '#' are
 * ignored. A program without '/' is searched on PATH; otherwise it is relative to the file's
 * folder, which is also its working directory.
 *
 * The program gets the bytes to sign on stdin and writes the raw signature, and nothing
 * else, to stdout:
 *
 *   Ed25519        64 bytes (RFC 8032, pure: over the bytes, not over a hash of them)
 *   ECDSA P-256    over their SHA-256; DER, or r and s of 32 bytes each as PKCS#11 gives them
 *   RSA-PSS        over their SHA-256, MGF1-SHA256, salt of 32 bytes
 *
 * and exits with status 0. What it writes to stderr is shown. It inherits the environment, so
 * that it finds its credentials, except FERRY_PASSPHRASE.
 */
#ifndef FERRY_SIGN_COMMAND_H
#define FERRY_SIGN_COMMAND_H

#include "sign/signer.h"
#include "util/owner.h"

#define COMMAND_TIMEOUT_S 120

/* A signer from the file `path` for the public key (copied). Runs nothing yet. ERR_NOT_FOUND if
 * the file is missing; ERR_USAGE if it names no program, it is another user's or others can write
 * it (util/owner.h), or the program does not exist. If signing fails later, that is ERR_USAGE,
 * too. */
WARN_UNUSED int command_signer(const char *path, const struct tuf_key *public,
			       const struct owner_trust *trust, struct signer **out, struct err *e);
/* Is the file such a description? */
WARN_UNUSED int command_check(const char *path, struct err *e);

#endif
