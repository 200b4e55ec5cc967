/*
 * Signed statements of in-toto: a DSSE envelope (https://github.com/secure-systems-lab/dsse) with
 * a signature of each of several keys, whose ids are those of TUF.
 */
#ifndef FERRY_SIGN_ATTEST_H
#define FERRY_SIGN_ATTEST_H

#include "sign/signer.h"

#define ATTEST_MAX_BYTES (4 * MIB)

/* Signs the bytes of a statement as they are, and appends the envelope as JSON. There is at least
 * one signer. */
WARN_UNUSED int attest_sign(struct signer *const *signers, size_t count, const void *statement,
			    size_t len, struct buf *out, struct err *e);

#endif
