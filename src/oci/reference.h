/*
 * References of registries: HOST[:PORT]/NAME, tags, digests and ranges.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
 */
#ifndef FERRY_OCI_REFERENCE_H
#define FERRY_OCI_REFERENCE_H

#include "hash/sha256.h"
#include "util/err.h"

/* A repository in a registry. */
struct oci_reference {
	char *host;   /* "ghcr.io", "localhost:5000"; Docker Hub's is "registry-1.docker.io" */
	char *name;   /* "owner/models" */
	char *origin; /* "https://ghcr.io" */
	char *base;   /* "https://ghcr.io/v2/owner/models" */
};
void oci_reference_release(struct oci_reference *r);

/* "oci://HOST[:PORT]/NAME", "HOST[:PORT]/NAME", or the URL "https://HOST/v2/NAME". Without a
 * scheme, this machine's own names (localhost, 127.…, [::1]) are reached by http, all others by
 * https. "docker.io" is Docker Hub. ERR_USAGE for anything else: a tag or a digest is none of it.
 */
WARN_UNUSED int oci_reference_parse(const char *text, struct oci_reference *out, struct err *e);

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* with such parts between '/', at most 255 bytes. */
bool oci_name_is_valid(const char *name);
/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
bool oci_tag_is_valid(const char *tag);

/* "sha256:" and 64 lower-case hex digits; other algorithms give false. */
#define OCI_DIGEST 72 /* bytes of the text, with its NUL */
bool oci_digest_parse(const char *text, struct digest *out);
const char *oci_digest_text(char out[OCI_DIGEST], const struct digest *d);

/* The digest in the file name of a key of the repository, "targets/models/ID/<64 hex>.FILE"; false
 * when there is none. */
bool oci_digest_of_key(const char *key, struct digest *out);

/* The number of bytes in the Range header of an upload: "0-999" → 1000. */
bool oci_upload_range(const char *value, uint64_t *size);

#endif
