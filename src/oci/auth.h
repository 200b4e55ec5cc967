/*
 * auth: what the requests of all threads to one repository of a registry are authorised with.
 * https://distribution.github.io/distribution/spec/auth/token/
 *
 * What always holds here:
 *  - nothing is sent before the registry has asked for it (WWW-Authenticate);
 *  - a token is fetched by one thread for all, while the others wait; it is fetched again shortly
 *    before it expires, and when the registry refuses it;
 *  - user and password go to the registry, or to the token server that it names, and to no other;
 *    to one without TLS only if the registry itself has none;
 *  - texts contain no secrets.
 */
#ifndef FERRY_OCI_AUTH_H
#define FERRY_OCI_AUTH_H

#include "http/http.h"
#include "oci/reference.h"

struct oci_auth_options {
	const struct oci_reference *place; /* borrowed */
	bool push;                         /* "pull,push", not only "pull" */
	bool environment;                  /* as in oci_credentials_find() */
	bool anonymous;                    /* no credentials at all */
	const struct str_list *also;       /* borrowed: repositories to be read, for mounts; or
					      NULL */
	const struct cancel *cancel;       /* borrowed */
	const struct clock *clock;         /* borrowed; NULL: the real one */
};

struct oci_auth;
struct oci_auth *oci_auth_new(const struct oci_auth_options *o);
void oci_auth_free(struct oci_auth *a);
DEFINE_CLEANUP(struct oci_auth, oci_auth_free);

/* "Authorization: …", or NULL while nothing is asked for; the caller wipes and frees it. *turn is
 * for oci_auth_refused(). client: a connection for the request for a token. ERR_AUTH when the
 * token server refuses, ERR_NETWORK when it does not answer. */
WARN_UNUSED int oci_auth_header(struct oci_auth *a, struct http_client *client, char **out,
				unsigned *turn, struct err *e);
/* After a 401, for a request with the header of this turn. 0: there is a new one, send the request
 * again. 1: there is none that could help; *e is not set. Negative as above. */
WARN_UNUSED int oci_auth_refused(struct oci_auth *a, struct http_client *client,
				 const struct http_response *r, unsigned turn, struct err *e);
/* Where the credentials came from, or what was looked at; "" before the registry asked for any.
 * The caller frees it. */
char *oci_auth_source(struct oci_auth *a);
/* Did it find credentials? */
bool oci_auth_has_credentials(struct oci_auth *a);
/* The same; looks for them now, if no request did. What cannot be read counts as some. */
bool oci_auth_find_credentials(struct oci_auth *a);

#endif
