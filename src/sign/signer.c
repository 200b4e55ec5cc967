#include "sign/signer.h"

#include "util/mem.h"

void signer_free(struct signer *s)
{
	if (!s)
		return;
	if (s->destroy)
		s->destroy(s);
	tuf_key_free(s->key);
	free(s->name);
	free(s);
}

int signer_sign(struct signer *s, const void *data, size_t len, struct buf *sig, struct err *e)
{
	size_t before = sig->len;
	if (s->sign(s, data, len, sig, e) < 0)
		return err_context(e, "signing with %s", s->name);
	int rc = buf_ok(sig, "a signature", e);
	if (rc < 0)
		return rc;
	if (!tuf_key_verify(s->key, data, len, buf_str(sig) + before, sig->len - before)) {
		err_set(e, ERR_USAGE, "the signature from %s does not verify with its public key",
			s->name);
		return err_hint(e,
				"it uses a different key, or its output is not the raw signature");
	}
	return 0;
}
