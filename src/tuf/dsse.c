#include "tuf/dsse.h"

#include "util/buf.h"

#include <string.h>

void dsse_pae(const void *payload, size_t len, struct buf *out)
{
	buf_addf(out, "DSSEv1 %zu %s %zu ", strlen(DSSE_IN_TOTO), DSSE_IN_TOTO, len);
	buf_add(out, payload, len);
}

bool dsse_verify(const struct tuf_key *k, const void *payload, size_t len, const void *sig,
		 size_t sig_len)
{
	CLEANUP(buf_release) struct buf pae = BUF_INIT(len + KIB);
	dsse_pae(payload, len, &pae);
	return tuf_key_verify(k, buf_str(&pae), pae.len, sig, sig_len);
}
