/*
 * An external program that signs: what stands before an HSM, a smart card or a KMS.
 *
 * It is described by a text file: the program on the first line, then each of its
 * arguments on a line of its own, taken as they are (no shell, no quoting). Empty lines
 * and lines that start with '#' are left out. A program without '/' is looked for on PATH; one
 * with is relative to the file's folder, which is also the folder that it runs in.
 *
 * The program gets the bytes to sign on stdin and writes the raw signature, and nothing
 * else, to stdout:
 *
 *   Ed25519        64 bytes (RFC 8032, pure: over the bytes, not over a hash of them)
 *   ECDSA P-256    over their SHA-256; DER, or r and s of 32 bytes each as PKCS#11 gives them
 *   RSA-PSS        over their SHA-256, MGF1-SHA256, salt of 32 bytes
 *
 * and ends with status 0. What it writes to stderr is shown. It keeps its environment, so that
 * it finds its own credentials, but for FERRY_PASSPHRASE.
 */
#ifndef FERRY_SIGN_COMMAND_H
#define FERRY_SIGN_COMMAND_H

#include "sign/signer.h"

#define COMMAND_TIMEOUT_S 120

/* Of the file `path`, for the public key (copied). Runs nothing yet. A missing file is
 * ERR_NOT_FOUND; one that says no program, that others may change, or whose program is not
 * there, ERR_USAGE. A signature that fails later is ERR_USAGE, too: the program's fault. */
WARN_UNUSED int command_signer(const char *path, const struct tuf_key *public,
			       struct signer **out, struct err *e);
/* Does the file read as such a description? */
WARN_UNUSED int command_check(const char *path, struct err *e);

#endif
