/*
 * What docker's config.json says about one registry. https://docs.docker.com/reference/cli/docker/
 * login/#credential-stores
 */
#ifndef FERRY_OCI_CONFIG_H
#define FERRY_OCI_CONFIG_H

#include "util/err.h"

#define OCI_CONFIG_MAX MIB

struct oci_config {
	char *server; /* the registry's name there, for a helper: "ghcr.io" */
	char *helper; /* X of the program docker-credential-X, or NULL */
	char *user, *password;
	char *identity; /* a refresh token (OAuth2), or NULL */
	char *token;    /* "registrytoken": a Bearer token, or NULL */
};
/* Wipes the secrets. */
void oci_config_release(struct oci_config *c);

/* host: as in struct oci_reference. Nothing is set when the file does not know it. ERR_USAGE for a
 * file that is no JSON object, and for malformed entries of this host; the text has no secrets. */
WARN_UNUSED int oci_config_parse(const void *data, size_t len, const char *what, const char *host,
				 struct oci_config *out, struct err *e);

/* The answer of docker-credential-X get. "<token>" as the name of the user means that the secret is
 * an identity token. ERR_AUTH when it is malformed. */
WARN_UNUSED int oci_config_helper_answer(const void *data, size_t len, struct oci_config *out,
					 struct err *e);

#endif
