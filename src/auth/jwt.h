/*
 * One JSON Web Token (RFC 7519) in the compact form of a signature (RFC 7515), as RFC 8725 wants it
 * to be checked.
 *
 * What always holds here: the claims are not parsed before the signature was verified. Messages say
 * what is wrong with a token without any of its text.
 */
#ifndef FERRY_AUTH_JWT_H
#define FERRY_AUTH_JWT_H

#include "auth/auth.h"
#include "auth/jwk.h"

#define AUTH_JWT_MAX (8 * KIB)
#define AUTH_SUBJECT_MAX 128 /* bytes of "sub" */
#define AUTH_LEEWAY_S 30     /* clocks may differ by so much */

struct auth_jwt {
	const char *text;  /* borrowed; what is signed is its start */
	size_t signed_len; /* header, '.', claims */
	size_t claims_at;  /* in the text */
	char kid[AUTH_KID_MAX + 1];
	bool has_kid;
	enum auth_alg alg;
	struct buf signature;
};
void auth_jwt_release(struct auth_jwt *t);

/* Reads the header. ERR_AUTH, also for one with an algorithm that no key has, for an encrypted one,
 * and for one with extensions that must be understood ("crit"). */
WARN_UNUSED int auth_jwt_parse(const char *text, struct auth_jwt *out, struct err *e);

struct auth_jwt_terms {
	const char *issuer, *audience; /* NULL: any */
	int64_t now_s;
};
/* Verifies the signature, then the claims: exp, which is needed, nbf, iss, aud, and sub, which is
 * needed, too. ERR_AUTH. *out is who it is: scopes of "scope" or "scp" that mean nothing here are
 * left out. *expires_s: until when that holds. */
WARN_UNUSED int auth_jwt_verify(const struct auth_jwt *t, const struct auth_jwk *key,
				const struct auth_jwt_terms *terms, struct auth_who *out,
				int64_t *expires_s, struct err *e);

#endif
