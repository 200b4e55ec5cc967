/* The reader of minisign signatures, and that no key verifies what it did not sign. */
#include "sign/minisig.h"

#include "sign/privkey.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct privkey *key;
	struct err e = ERR_INIT;
	struct minisig m;
	if (!key && privkey_new(PRIVKEY_ED25519, &key, &e) < 0)
		abort();
	if (minisig_parse(data, len, "fuzz", &m, &e) < 0)
		return 0;
	if (strlen(m.trusted) > MINISIG_COMMENT_MAX || strpbrk(m.trusted, "\n") ||
	    minisig_verify(&m, privkey_public(key), data, len))
		abort();
	minisig_release(&m);
	return 0;
}
