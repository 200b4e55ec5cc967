/* A key object, and a signature that is checked with it: JSON, a NUL, the signature. */
#include "tuf/key.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_limits limits = { .max_bytes = 1 << 16 };
	CLEANUP(json_release) json_t *value = NULL;
	CLEANUP_PTR(tuf_key_free) struct tuf_key *key = NULL, *public = NULL;
	CLEANUP(buf_release) struct buf pem = BUF_INIT(1 << 16);
	struct err e = ERR_INIT;
	const uint8_t *nul = memchr(data, 0, size);
	size_t len = nul ? (size_t)(nul - data) : size;
	if (tuf_key_from_pem(data, len, "input", &public, &e) < 0)
		err_clear(&e);
	if (json_parse(data, len, &limits, "input", &value, &e) < 0 ||
	    tuf_key_parse("id", value, &key, &e) < 0)
		return 0;
	tuf_key_verify(key, "data", 4, data + len, size - len);
	if (key->pkey && tuf_key_to_pem(key, &pem, &e) < 0)
		abort();
	return 0;
}
