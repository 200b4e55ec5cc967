/*
 * credentials: a user and a password, or a token, for one registry, from the sources that people
 * have already.
 *
 * What always holds here: secrets are never written to a message, a log or a command line, and are
 * wiped from memory; a source is only used for the registry that it names.
 *
 * The order: FERRY_OCI_USERNAME and FERRY_OCI_PASSWORD (if the options allow the environment) ·
 * GH_TOKEN or GITHUB_TOKEN, for ghcr.io · docker's config.json ($DOCKER_CONFIG, or ~/.docker), with
 * its credential helpers.
 */
#ifndef FERRY_OCI_CREDENTIALS_H
#define FERRY_OCI_CREDENTIALS_H

#include "oci/config.h"
#include "util/cancel.h"

struct oci_credentials {
	char *user, *password;
	char *identity; /* a refresh token, instead of a password */
	char *token;    /* a Bearer token, instead of all that */
	char *source;   /* for people: "the environment", "~/.docker/config.json" */
};
void oci_credentials_release(struct oci_credentials *c);

/* For the host of a struct oci_reference. Without any, only source is set: what was looked at.
 * environment: FERRY_OCI_… is for this registry. ERR_USAGE when a file is malformed or a helper
 * cannot be run, ERR_AUTH when a helper fails. */
WARN_UNUSED int oci_credentials_find(const char *host, bool environment,
				     const struct cancel *cancel, struct oci_credentials *out,
				     struct err *e);
static inline bool oci_credentials_any(const struct oci_credentials *c)
{
	return c->user || c->identity || c->token;
}

#endif
