/*
 * The WWW-Authenticate header of a registry (RFC 9110 11.6.1): which of the two schemes that
 * registries use it asks for, and with what.
 */
#ifndef FERRY_OCI_CHALLENGE_H
#define FERRY_OCI_CHALLENGE_H

#include "util/base.h"

#define OCI_CHALLENGE_MAX 8192 /* bytes of a header */
#define OCI_CHALLENGE_VALUE 2048

enum oci_scheme { OCI_SCHEME_NONE, OCI_SCHEME_BASIC, OCI_SCHEME_BEARER };

struct oci_challenge {
	enum oci_scheme scheme;
	char *realm;           /* NULL: none */
	char *service, *scope; /* of Bearer, or NULL */
};
void oci_challenge_release(struct oci_challenge *c);

/* Of several challenges in the value, Bearer before Basic. OCI_SCHEME_NONE when neither is there,
 * when Bearer has no realm, or when the header or one of its values is too long. Replaces *out,
 * unless it has a better one: so it can be called for each header of an answer. */
void oci_challenge_add(struct oci_challenge *out, const char *value);

#endif
