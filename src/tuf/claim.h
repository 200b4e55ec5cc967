/*
 * What metadata claims, unverified: for a publisher that compares releases, and for a client that
 * chooses which answer to verify first.
 */
#ifndef FERRY_TUF_CLAIM_H
#define FERRY_TUF_CLAIM_H

#include "util/err.h"

struct tuf_claim {
	uint64_t version;
	int64_t expires_s;
};

/* ERR_INTEGRITY when the bytes are not metadata; `what` names them in messages. */
WARN_UNUSED int tuf_claim_parse(const void *data, size_t len, const char *what,
				struct tuf_claim *out, struct err *e);
/* Only the version; 0: none. */
uint64_t tuf_claim_version(const void *data, size_t len);

#endif
