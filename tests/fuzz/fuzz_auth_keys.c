/* The file of API keys: what was read is written, and read again. */
#include "auth/key.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = ERR_INIT;
	struct auth_keys keys = { 0 };
	bool expired;
	CLEANUP_PTR(sha256_free) struct sha256 *hash = sha256_new();
	if (auth_keys_parse(data, len, "fuzz", &keys, &e) < 0)
		return 0;
	for (size_t i = 0; i < keys.count; i++) {
		char text[AUTH_KEY_LEN + 1];
		memset(text, '0', AUTH_KEY_LEN);
		memcpy(text, AUTH_KEY_PREFIX, sizeof AUTH_KEY_PREFIX - 1);
		memcpy(text + sizeof AUTH_KEY_PREFIX - 1, keys.at[i].id, AUTH_KEY_ID);
		text[sizeof AUTH_KEY_PREFIX - 1 + AUTH_KEY_ID] = '_';
		text[AUTH_KEY_LEN] = '\0';
		if (auth_keys_find(&keys, text, hash, 0, &expired))
			abort();
		if (i && strcmp(keys.at[i - 1].id, keys.at[i].id) >= 0)
			abort();
	}
	auth_keys_release(&keys);
	return 0;
}
