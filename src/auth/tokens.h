/*
 * Tokens that were verified a moment ago, so that the signature of each is not verified with every
 * request. Known by their SHA-256; a fixed number, of which a new one may replace another.
 *
 * From any thread.
 */
#ifndef FERRY_AUTH_TOKENS_H
#define FERRY_AUTH_TOKENS_H

#include "auth/auth.h"
#include "hash/sha256.h"

struct auth_tokens;
struct auth_tokens *auth_tokens_new(void);
void auth_tokens_free(struct auth_tokens *t);

/* `generation` changes with the keys: what was verified with others does not count. */
bool auth_tokens_find(struct auth_tokens *t, const struct digest *sha256, uint64_t generation,
		      int64_t now_s, struct auth_who *out);
void auth_tokens_add(struct auth_tokens *t, const struct digest *sha256, uint64_t generation,
		     int64_t expires_s, const struct auth_who *who);

#endif
