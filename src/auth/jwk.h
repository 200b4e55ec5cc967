/*
 * JSON Web Keys (RFC 7517, RFC 7518, RFC 8037): the keys that tokens are signed with.
 *
 *   kty  crv      algorithm
 *   oct           HS256   at least 256 bits (RFC 7518, section 3.2); from files only
 *   RSA           RS256   2048 to 8192 bits
 *   EC   P-256    ES256
 *   OKP  Ed25519  EdDSA
 *
 * What always holds here: a key has one algorithm, which follows from its type. A key whose "alg",
 * "use" or "key_ops" say something else is left out, and so is one of another type, as RFC 7517,
 * section 5 has it.
 */
#ifndef FERRY_AUTH_JWK_H
#define FERRY_AUTH_JWK_H

#include "util/base.h"
#include "util/err.h"

#define AUTH_JWK_MAX_BYTES MIB /* of a set */
#define AUTH_JWKS_MAX 256      /* keys of a set */
#define AUTH_KID_MAX 256       /* bytes */

enum auth_alg { AUTH_HS256, AUTH_RS256, AUTH_ES256, AUTH_EDDSA, AUTH_ALGS };
/* "HS256", …; false for any other name. */
bool auth_alg_parse(const char *name, enum auth_alg *out);

struct evp_pkey_st;
struct auth_jwk {
	char *kid; /* or NULL. Foreign text */
	enum auth_alg alg;
	struct evp_pkey_st *pkey; /* or, with HS256: */
	uint8_t *secret;
	size_t secret_len;
};

struct auth_jwks {
	struct auth_jwk *at;
	size_t count, cap;
	_Atomic unsigned references; /* of auth.c */
};
void auth_jwks_release(struct auth_jwks *s);

/* A set ({"keys": […]}). ERR_INTEGRITY, also when it has keys but none that can be used. `secrets`:
 * keys with secrets may be in it. `what` names it in messages. */
WARN_UNUSED int auth_jwks_parse(const void *data, size_t len, bool secrets, const char *what,
				struct auth_jwks *out, struct err *e);
/* Is there a key with a secret? Then nobody else may read the file. */
bool auth_jwks_has_secret(const struct auth_jwks *s);

/* The key with the id and the algorithm. kid NULL: the only key with the algorithm. NULL: none. */
const struct auth_jwk *auth_jwks_find(const struct auth_jwks *s, const char *kid,
				      enum auth_alg alg);

/* Is this the signature of the data by the key, in the form of RFC 7518, section 3? */
bool auth_jwk_verify(const struct auth_jwk *k, const void *data, size_t len, const uint8_t *sig,
		     size_t sig_len);

#endif
