/*
 * DSSE v1 (https://github.com/secure-systems-lab/dsse): signatures over statements of in-toto, with
 * TUF's keys.
 */
#ifndef FERRY_TUF_DSSE_H
#define FERRY_TUF_DSSE_H

#include "tuf/key.h"

#define DSSE_IN_TOTO "application/vnd.in-toto+json"

/* What is signed: the pre-authentication encoding of a payload of the type DSSE_IN_TOTO. Appends
 * to out, which must have room. */
void dsse_pae(const void *payload, size_t len, struct buf *out);

/* Does the raw signature of the payload verify? */
bool dsse_verify(const struct tuf_key *k, const void *payload, size_t len, const void *sig,
		 size_t sig_len);

#endif
