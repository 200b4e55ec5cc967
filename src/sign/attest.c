#include "sign/attest.h"

#include "tuf/dsse.h"
#include "util/base64.h"

static json_t *base64_json(const void *data, size_t len)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT(2 * ATTEST_MAX_BYTES);
	base64_add(&text, data, len);
	return json_string(buf_str(&text));
}

static int add_signature(struct signer *s, const struct buf *pae, json_t *list, struct err *e)
{
	CLEANUP(buf_release) struct buf sig = BUF_INIT(4 * KIB);
	int rc = signer_sign(s, pae->data, pae->len, &sig, e);
	if (rc < 0)
		return rc;
	json_t *o = json_push_object(list);
	json_put_string(o, "keyid", s->key->id);
	json_put(o, "sig", base64_json(sig.data, sig.len));
	return 0;
}

int attest_sign(struct signer *const *signers, size_t count, const void *statement, size_t len,
		struct buf *out, struct err *e)
{
	CLEANUP(buf_release) struct buf pae = BUF_INIT(ATTEST_MAX_BYTES);
	CLEANUP(json_release) json_t *envelope = json_object();
	dsse_pae(statement, len, &pae);
	int rc = buf_ok(&pae, "the statement", e);
	if (rc < 0)
		return rc;
	json_put_string(envelope, "payloadType", DSSE_IN_TOTO);
	json_put(envelope, "payload", base64_json(statement, len));
	json_t *list = json_put_array(envelope, "signatures");
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_signature(signers[i], &pae, list, e);
	return rc < 0 ? rc : json_pretty(envelope, out, e);
}
