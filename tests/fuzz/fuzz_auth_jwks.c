/* A key set. */
#include "auth/jwk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct auth_jwks set = { 0 };
	static const uint8_t sig[64] = { 1 };
	if (auth_jwks_parse(data, len, true, "fuzz", &set, &e) < 0)
		return 0;
	for (size_t i = 0; i < set.count; i++) {
		const struct auth_jwk *k = &set.at[i];
		if (!k->pkey != (k->alg == AUTH_HS256) || !k->secret != !!k->pkey)
			abort();
		if (auth_jwk_verify(k, "text", 4, sig, sizeof sig))
			abort();
	}
	auth_jwks_release(&set);
	return 0;
}
